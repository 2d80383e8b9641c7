"""What came after failures: attempts are told apart by how long ago another one had failed.

Nothing is noted of a success when it comes, but that it came: it lies between two failures, whose moments are known,
and the first one after a failure is known, too.  Between those they are taken to be spread evenly; where the first one
comes much sooner than they would then, calls come in bunches, and they are taken to follow one another as closely.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from unbreakable.runtime import breathe
from unbreakable.stats import Lags
from unbreakable.stats.lags import spread

MOST_KEPT = 16  # failures after which attempts are told apart
MOST_FOLLOWED = 64  # failures at a time: of more some stand for others
SLOWLY = 1.0 / 1024.0  # what the latest failure weighs in how many failures one of them stands for as a rule
KEPT_FOR = 20.0  # seconds: what fails later has other reasons
QUIET = 2.0  # seconds after which a failure is one of others
HEAVIEST = 4.0  # times as much as usual that one failure counts which stands for many
BUNCHED = 4.0  # times closer than evenly spread: calls that come in bunches
NEW = 0.1  # what the latest gap weighs in their mean


class Fault(NamedTuple):
    """Hold a failed attempt: successes that piled up before it, when it began, its seconds, the last success then.

    ``relieved`` is when the attempt began that was the first to succeed after earlier failures; ``answered`` are first
    attempts that were answered by a no before it.
    """

    after: int
    began: float
    seconds: float
    relieved: float
    answered: int = 0

    @property
    def place(self) -> int:
        """Return how many attempts did not fail before it."""
        return self.after + self.answered


class Aftermath:
    """Follow the failures of one target; used by who learns, one at a time."""

    def __init__(self) -> None:
        #: when failed attempts began, of those kept, and for how many each stands: whether one is, and for how long,
        #: must not depend on what follows, else those are kept after which nothing failed
        self.kept: list[tuple[float, float]] = []
        self.latest = -math.inf  #: when the latest failed attempt began
        self.is_last = False  #: whether nothing was counted that came after it
        self.count, self.stride, self.dice = 0, 1, 1
        self.usual = 1.0  #: stride, as a mean
        self.seen_until: float | None = None
        self.gap: float | None = None  #: seconds between a failure and the first success after it, as a mean
        self.with_repeats = 1.0  #: good attempts, repeats included, for each one that is no repeat

    def follow(
        self,
        lags: Lags,
        faults: Sequence[Fault],
        good: int,
        relieved: float,
        now: float,
        usual: float = 0.0,
        repeats: int = 0,
    ) -> None:
        """Count in *lags* so many *good* attempts and *faults* until *now*; the last relief came at *relieved*.

        Attempts are counted when they end.  As good ones take *usual* seconds, those that end just after a failure
        began before it, and say nothing of what came after.  Of so many good *repeats* it is counted elsewhere how long
        after the failure before them they began; after earlier ones they came as the other good attempts did.
        """
        self.with_repeats = 1.0 + repeats / max(1, good)
        at, before, self.seen_until = self.seen_until, 0, now - usual
        in_order = sorted(faults, key=lambda each: (each.place, each.began))
        each_for = max(1, -(-len(in_order) // MOST_FOLLOWED))
        reliefs = [*(fault.relieved for fault in in_order), relieved]  # each after the failure before it
        chosen = [
            each for each in zip(in_order, reliefs[1:], strict=True) if each_for == 1 or self._roll() * each_for < 1.0
        ]
        to_keep, relief = deque(sorted(fault.began for fault, _ in chosen)), reliefs[0]
        for fault, next_relief in chosen:
            until = fault.began + fault.seconds - usual
            self._forget(at)
            while to_keep and to_keep[0] <= max(fault.began, until):  # what begins while it fails comes after it, too
                self._keep(lags, to_keep.popleft(), each_for)
            self._between(lags, fault.place - before, at, until, relief)
            self._failed(lags, fault.began)
            at, before, relief = until, max(before, fault.place), next_relief
            breathe()
        self._between(lags, good - before, at, now - usual, relief)

    def _between(self, lags: Lags, good: int, begin: float | None, end: float, relieved: float) -> None:
        if good <= 0 or begin is None or end <= begin:
            return
        is_first, self.is_last = self.is_last, False
        if is_first and self.latest < relieved <= end:
            self._good(lags, 1, relieved, relieved)  # as long as trouble lasts hardly any is good before that
            good, begin, gap = good - 1, relieved, relieved - self.latest
            self.gap = gap if self.gap is None else self.gap + NEW * (gap - self.gap)
            if self.gap * good * BUNCHED < end - begin:
                end = begin + self.gap * good
        self._good(lags, good, begin, end)
        quiet_from = self.latest + QUIET
        if end > quiet_from:
            lags.update(times=good * min(1.0, (end - quiet_from) / max(end - begin, 1e-9)))

    def _good(self, lags: Lags, count: float, begin: float, end: float) -> None:
        """Count good attempts that began evenly from *begin* to *end*, after each failure that is kept."""
        latest = len(self.kept) - 1
        for place, (failed_at, weight) in enumerate(self.kept):
            last = min(end, failed_at + KEPT_FOR)
            if failed_at < end and begin - failed_at < KEPT_FOR:
                share = (last - begin) / (end - begin) if end > begin else 1.0
                times = self._heavy(weight) * (1.0 if place == latest else self.with_repeats)
                spread(lags, count * share * times, begin - failed_at, last - failed_at)

    def _failed(self, lags: Lags, began: float) -> None:
        if began - self.latest > QUIET:
            lags.update(failed=True)
        self.latest, self.is_last = began, True

    def _forget(self, at: float | None) -> None:
        """Let go of failures of long ago, as nothing is counted before *at* any more."""
        if at is not None:
            self.kept = [each for each in self.kept if -KEPT_FOR < at - each[0] < KEPT_FOR]

    def _keep(self, lags: Lags, began: float, each_for: int) -> None:
        """Count a failure, which stands for so many, after those that are kept, and keep it, too, if it is its turn."""
        for failed_at, weight in self.kept:
            if 0.0 <= began - failed_at < KEPT_FOR:
                lags.update(began - failed_at, each_for * self._heavy(weight), failed=True)
        self.count += 1
        stands_for = float(self.stride * each_for)
        self.usual += min(1.0, SLOWLY * each_for) * (stands_for - self.usual)
        if self.count % self.stride == 0:
            if len(self.kept) >= MOST_KEPT:
                self._thin_out()
            self.kept.append((began, float(self.stride * each_for)))
        if len(self.kept) < MOST_KEPT // 2:
            self.stride = max(1, self.stride // 2)

    def _roll(self) -> float:
        """Return a number below 1: chosen at even distances none would be right after another one."""
        self.dice = (self.dice * 1_103_515_245 + 12_345) % 2**31
        return self.dice / 2**31

    def _heavy(self, weight: float) -> float:
        return min(HEAVIEST, weight / self.usual)

    def _thin_out(self) -> None:
        """Keep every second failure, which stands for twice as many."""
        self.kept = [(failed_at, 2.0 * weight) for failed_at, weight in self.kept[::2]]
        self.stride *= 2
