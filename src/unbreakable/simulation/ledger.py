"""What was planned for each target, and what then came of it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from unbreakable.record import Record
from unbreakable.runtime import new_lock
from unbreakable.simulation.prediction import Prediction

MOST_TARGETS = 1_000
JUDGED, RECENT = 200, 2_000  # calls that it takes to judge a model; after so many the older half counts half
TRUSTED = 0.8  # share of calls within a 90 % band below which a model is not trusted


class Calibration(Record):
    """Say how well predictions held: which share of later calls was as fast as predicted, and succeeded.

    A good model has half of the calls within the predicted median (``within_p50``) and 0.9 and 0.99 of them within p90
    and p99; ``predicted`` and ``observed`` are success rates; *n* is the number of calls compared.
    """

    n: int
    within_p50: float
    within_p90: float
    within_p99: float
    predicted: float
    observed: float


class Entry:
    """Keep the prediction in force for one target, and how later calls compare with it."""

    __slots__ = ("expected", "failed", "ok", "prediction", "recent", "recent_within", "within")

    def __init__(self) -> None:
        self.prediction: Prediction | None = None
        self.ok = self.failed = 0
        self.expected = 0.0
        self.within = [0, 0, 0]
        self.recent = self.recent_within = 0

    def compare(self, took: Sequence[float], failed: int) -> None:
        """Take in calls that took so many seconds, and a number of *failed* ones."""
        if self.prediction is None:
            return
        self.ok, self.failed = self.ok + len(took), self.failed + failed
        self.expected += self.prediction.success * (len(took) + failed)
        bounds = (self.prediction.p50, self.prediction.p90, self.prediction.p99)
        within = [sum(seconds <= bound for seconds in took) for bound in bounds]
        self.within = [old + new for old, new in zip(self.within, within, strict=True)]
        self.recent, self.recent_within = self.recent + len(took), self.recent_within + within[1]
        if self.recent > RECENT:
            self.recent, self.recent_within = self.recent // 2, self.recent_within // 2

    @property
    def within_band(self) -> float | None:
        """Return which share of the latest calls was as fast as nine in ten should be; None while nobody knows."""
        return self.recent_within / self.recent if self.recent >= JUDGED else None


class Ledger:
    """Count plans by strategy, and compare predictions with what is observed, for the 1,000 targets planned last."""

    def __init__(self) -> None:
        self.plans = self.copies = 0
        self.chosen: Counter[str] = Counter()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = new_lock()

    def note(self, target: str, strategy: str, prediction: Prediction | None) -> None:
        """Take in that *strategy* was chosen for *target*."""
        with self._lock:
            self.plans += 1
            self.chosen[strategy] += 1
            entry = self._entries.setdefault(target, Entry())
            entry.prediction = prediction
            self._entries.move_to_end(target)
            while len(self._entries) > MOST_TARGETS:
                self._entries.popitem(last=False)

    def note_copy(self) -> None:
        """Take in that a race has sent a second copy."""
        with self._lock:
            self.copies += 1

    def compare(self, target: str, took: Sequence[float], failed: int) -> None:
        """Compare calls at *target* with what was predicted of them."""
        with self._lock:
            entry = self._entries.get(target)
            if entry is not None:
                entry.compare(took, failed)

    def distrust(self, target: str) -> float | None:
        """Return which share of the latest calls at *target* was as fast as nine in ten should be, if it is too small.

        None: its model is trusted.
        """
        with self._lock:
            entry = self._entries.get(target)
            share = None if entry is None else entry.within_band
        return share if share is not None and share < TRUSTED else None

    def calibration(self) -> dict[str, Calibration]:
        """Return by target how well predictions held, where calls were compared with any."""
        with self._lock:
            return {target: _calibration(entry) for target, entry in self._entries.items() if entry.ok}

    def extra_load(self) -> float | None:
        """Return the mean share of extra requests that the plans in force are predicted to make; None without any."""
        with self._lock:
            loads = [entry.prediction.load for entry in self._entries.values() if entry.prediction is not None]
        return sum(loads) / len(loads) - 1.0 if loads else None


def _calibration(entry: Entry) -> Calibration:
    calls = entry.ok + entry.failed
    shares: dict[str, Any] = {
        f"within_{name}": times / entry.ok for name, times in zip(("p50", "p90", "p99"), entry.within, strict=True)
    }
    return Calibration(n=calls, predicted=entry.expected / calls, observed=entry.ok / calls, **shares)
