"""What came after failures: attempts are told apart by how long ago another one had failed.

Nothing is noted of a success when it comes, but that it came: it lies between two failures, whose moments are known,
and the first one after a failure is known, too.  Between those they are taken to be spread evenly; where the first one
comes much sooner than they would then, calls come in bunches, and they are taken to follow one another as closely.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from unbreakable.stats import Lags
from unbreakable.stats.lags import bin_of, spread

MOST_KEPT = 16  # failures after which attempts are told apart
MOST_FOLLOWED, FEW = 64, 8  # failures at a time: few of a target that failed as often the last time as well
SPARSEST = 64  # one failure in so many is kept where there are very many
KEPT_FOR = 20.0  # seconds: what fails later has other reasons
QUIET = 2.0  # seconds after which a failure is one of others
BUNCHED = 4.0  # times closer than evenly spread: calls that come in bunches
NEW = 0.1  # what the latest gap weighs in their mean


class Fault(NamedTuple):
    """Hold a failed attempt: successes that piled up before it, when it began, its seconds, the last success then.

    ``relieved`` is when the attempt began that was the first to succeed after earlier failures.
    """

    after: int
    began: float
    seconds: float
    relieved: float


class Aftermath:
    """Follow the failures of one target; used by who learns, one at a time."""

    def __init__(self) -> None:
        #: when failed attempts began, of those kept: whether one is, and for how long, must not depend on what follows,
        #: else those are kept after which nothing failed
        self.kept: list[float] = []
        self.latest = -math.inf  #: when the latest failed attempt began
        self.count, self.stride, self.is_down = 0, 1, False
        self.seen_until: float | None = None
        self.gap: float | None = None  #: seconds between a failure and the first success after it, as a mean

    def follow(self, lags: Lags, faults: Sequence[Fault], good: int, relieved: float, now: float) -> None:
        """Count in *lags* so many *good* attempts and *faults* until *now*; the last relief came at *relieved*."""
        at, before, self.seen_until = self.seen_until, 0, now
        in_order = sorted(faults, key=lambda each: (each.after, each.began))
        most, self.is_down = FEW if self.is_down else MOST_FOLLOWED, len(faults) > MOST_FOLLOWED
        for fault in in_order[:most]:
            self._between(lags, fault.after - before, at, fault.began, fault.relieved)
            self._failed(lags, fault.began)
            at, before = fault.began, max(before, fault.after)
        if len(faults) <= most:
            self._between(lags, good - before, at, now, relieved)
        else:
            self.latest = in_order[-1].began

    def _between(self, lags: Lags, good: int, begin: float | None, end: float, relieved: float) -> None:
        if good <= 0 or begin is None or end <= begin:
            return
        if begin == self.latest < relieved <= end:
            gap = relieved - begin
            self.gap = gap if self.gap is None else self.gap + NEW * (gap - self.gap)
            if self.gap * good * BUNCHED < end - begin:
                end = begin + self.gap * good
        spread(lags, good, begin, end, [each for each in self.kept if 0.0 <= begin - each < KEPT_FOR])
        quiet_from = self.latest + QUIET
        if end > quiet_from:
            lags.update(times=good * min(1.0, (end - quiet_from) / max(end - begin, 1e-9)))

    def _failed(self, lags: Lags, began: float) -> None:
        self.kept = [each for each in self.kept if 0.0 <= began - each < KEPT_FOR]
        lags.count(Counter(bin_of(began - each) for each in self.kept))
        if began - self.latest > QUIET:
            lags.update(failed=True)
        self.latest = began
        self.count += 1
        if self.count % self.stride == 0:
            if len(self.kept) < MOST_KEPT:
                self.kept.append(began)
            else:
                self.stride = min(SPARSEST, 2 * self.stride)
        if len(self.kept) < MOST_KEPT // 2:
            self.stride = max(1, self.stride // 2)
