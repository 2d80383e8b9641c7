"""What was planned for each target, and what then came of it."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from unbreakable.policies import Plan
from unbreakable.record import Record
from unbreakable.runtime import new_lock
from unbreakable.simulation.leeway import OF_EACH, Leeway, Stretch, held
from unbreakable.simulation.prediction import Prediction

Known = tuple[str, object]  # the name of a target, and by whom it is known: several targets may have one name
MOST_TARGETS = 1_000
STRETCH = 100  # calls that are compared with a band together
JUDGED, RECENT = 12, 60  # figures that it takes to judge a model; after so many the older half counts half
TRUSTED, MEANT = 0.8, 0.9  # share of figures within their bands below which a model is not trusted; that should be
NEAR = 2.0  # times as long, or as short, is near enough to choose by: between day and night targets differ by so much
WIDENS, WIDEST = 0.5, 3.0  # by how much bands get wider where figures are outside, and how wide they get at most


class Calibration(Record):
    """Say how well predictions held: which share of later calls was as fast as predicted, and succeeded.

    A good model has half of the calls within the predicted median (``within_p50``) and 0.9 and 0.99 of them within p90
    and p99, which is asked of good ones; ``predicted`` and ``observed`` are success rates, where an answer such as a no
    is as good as any; *n* is the number of calls compared, without those that were refused.  ``within_bands`` is how
    many of the latest medians, p99s and success rates were within the bands that should hold 0.9 of them, or, of
    durations, not twice as long or as short as predicted; None until there are some.
    """

    n: int
    within_p50: float
    within_p90: float
    within_p99: float
    predicted: float
    observed: float
    within_bands: float | None


class Entry:
    """Keep the prediction in force for one target, and how later calls compare with it."""

    __slots__ = (
        *("answered", "expected", "figures", "figures_held", "known_for", "leeway", "lost", "ok", "plan", "prediction"),
        *("recent", "times", "within"),
    )

    def __init__(self) -> None:
        self.prediction: Prediction | None = None
        self.plan: Plan | None = None
        self.ok = self.lost = self.answered = 0
        self.expected = 0.0
        self.within = [0, 0, 0]
        self.recent: list[Stretch] = []  #: calls that were not compared with a band yet
        self.figures = self.figures_held = 0
        self.leeway, self.known_for = Leeway(), ("", 0)
        self.times = 1.0  #: as wide as the model thinks are the bands that hold nine of ten (adaptive conformal)

    def compare(self, took: Sequence[float], lost: int, answered: int) -> list[Stretch]:
        """Take in good calls by their seconds, *lost* ones and those *answered* by a no; return those to judge."""
        if self.prediction is None:
            return []
        self.ok, self.lost, self.answered = self.ok + len(took), self.lost + lost, self.answered + answered
        self.expected += self.prediction.success * (len(took) + lost + answered)
        bounds = (self.prediction.p50, self.prediction.p90, self.prediction.p99)
        within = [sum(map(float(bound).__ge__, took)) for bound in bounds]
        self.within = [old + new for old, new in zip(self.within, within, strict=True)]
        self.recent.append(Stretch(self.prediction, took, lost, answered))
        if sum(len(each.took) + each.lost for each in self.recent) < STRETCH:
            return []
        full, self.recent = self.recent, []
        return full

    def knows(self, plan: Plan) -> bool:
        """Return whether the width of its bands is known, of that strategy and about as many observations."""
        strategy, observations = self.known_for
        return strategy == plan.strategy and observations / 2 < plan.observations < observations * 2

    def judge(self, stretches: Sequence[Stretch]) -> None:
        """Count how many figures were within their bands, and widen these if too few were.

        The width follows by I. Gibbs, E. Candès, "Adaptive Conformal Inference Under Distribution Shift", 2021.
        """
        bands = self.leeway.wider(self.times)
        figures = held(stretches, bands)
        near = figures if figures == OF_EACH else held(stretches, bands.at_least(NEAR))
        self.figures, self.figures_held = self.figures + OF_EACH, self.figures_held + near
        self.times = min(WIDEST, max(1.0, self.times * math.exp(WIDENS * (MEANT - figures / OF_EACH))))
        if self.figures > RECENT:
            self.figures, self.figures_held = self.figures // 2, self.figures_held // 2

    @property
    def within_bands(self) -> float | None:
        """Return which share of the latest figures was within the bands; None while nobody knows."""
        return self.figures_held / self.figures if self.figures >= JUDGED else None


class Ledger:
    """Count plans by strategy, and compare predictions with what is observed, for the 1,000 targets planned last."""

    def __init__(self) -> None:
        self.plans = self.copies = 0
        self.chosen: Counter[str] = Counter()
        self._entries: OrderedDict[Known, Entry] = OrderedDict()
        self._lock = new_lock()

    def note(self, target: Known, strategy: str, prediction: Prediction | None, plan: Plan | None = None) -> None:
        """Take in that *strategy*, as this *plan*, was chosen for *target*."""
        with self._lock:
            self.plans += 1
            self.chosen[strategy] += 1
            entry = self._entries.setdefault(target, Entry())
            entry.prediction, entry.plan = prediction, plan
            self._entries.move_to_end(target)
            while len(self._entries) > MOST_TARGETS:
                self._entries.popitem(last=False)

    def note_copy(self) -> None:
        """Take in that a race has sent a second copy."""
        with self._lock:
            self.copies += 1

    def compare(
        self, target: Known, took: Sequence[float], lost: int, leeway: Callable[[Plan], Leeway], answered: int = 0
    ) -> None:
        """Compare calls at *target* with what was predicted of them: good ones, *lost* ones, and those *answered* no.

        *leeway* tells how wide the bands of a plan are; it is asked where chance alone does not explain the figures,
        and again when twice as much is known.
        """
        with self._lock:
            entry = self._entries.get(target)
            full, plan = ([], None) if entry is None else (entry.compare(took, lost, answered), entry.plan)
        if entry is None or not full:
            return
        if plan is not None and not entry.knows(plan) and held(full, Leeway()) < OF_EACH:
            entry.leeway = leeway(plan)
            entry.known_for = plan.strategy, plan.observations
        with self._lock:
            entry.judge(full)

    def distrust(self, target: Known) -> float | None:
        """Return which share of the latest figures of *target* was within their bands, if it is too small.

        None: its model is trusted.
        """
        with self._lock:
            entry = self._entries.get(target)
            share = None if entry is None else entry.within_bands
        return share if share is not None and share < TRUSTED else None

    def times(self, target: Known) -> float:
        """Return how many times as wide as its model thinks the bands of *target* are."""
        with self._lock:
            entry = self._entries.get(target)
            return 1.0 if entry is None else entry.times

    def calibration(self) -> dict[str, Calibration]:
        """Return by the names of targets how well predictions held, where calls were compared with any."""
        namesakes = defaultdict(list)
        with self._lock:
            for (name, _), entry in self._entries.items():
                if entry.ok:
                    namesakes[name].append(entry)
            return {name: _calibration(entries) for name, entries in namesakes.items()}

    def extra_load(self) -> float | None:
        """Return the mean share of extra requests that the plans in force are predicted to make; None without any."""
        with self._lock:
            loads = [entry.prediction.load for entry in self._entries.values() if entry.prediction is not None]
        return sum(loads) / len(loads) - 1.0 if loads else None


def _calibration(entries: Sequence[Entry]) -> Calibration:
    """Return how well the predictions of targets of one name held, all together."""
    timed = sum(each.ok for each in entries)
    good = timed + sum(each.answered for each in entries)
    calls = good + sum(each.lost for each in entries)
    within = map(sum, zip(*(each.within for each in entries), strict=True))
    shares: dict[str, Any] = {
        f"within_{name}": times / timed for name, times in zip(("p50", "p90", "p99"), within, strict=True)
    }
    judged = [each for each in entries if each.within_bands is not None]
    figures = sum(each.figures for each in judged)
    return Calibration(
        n=calls,
        predicted=sum(each.expected for each in entries) / calls,
        observed=good / calls,
        within_bands=sum(each.figures_held for each in judged) / figures if judged else None,
        **shares,
    )
