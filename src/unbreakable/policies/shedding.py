"""Which share of the calls is not sent, by what the target accepts of those that are."""

from __future__ import annotations

import math
from collections import deque

from unbreakable.policies.priority import Priority
from unbreakable.policies.quota import Quota

SECONDS, BUCKETS = 30.0, 10  # what is counted, and how finely it is forgotten
MINIMUM = 10  # calls before any is refused: of fewer nothing can be told
MOST = 0.9  # share that is refused at most: the others find out whether the target is back
BY_CHANCE = 1e-6  # how unlikely a row of accepted calls must be for a target that is as it was
FEWEST_IN_A_ROW = 3
MORE_TOLERANT: dict[Priority, float] = {"critical": 4.0, "high": 2.0}  # times as much is sent as is accepted


class Bucket:
    """Count the calls of one stretch of time."""

    __slots__ = ("accepted", "sent", "shed", "slot")

    def __init__(self, slot: int) -> None:
        self.slot, self.sent, self.accepted, self.shed = slot, 0, 0, 0


class Shedding:
    """Decide over *now* how much to refuse, for *accept*, the share of what is sent that the target is to accept.

    A target that is back is noticed by calls that it accepts in a row: as soon as there are more of them than chance
    gives at the share that it accepted before, and the row lasts longer than those of a quota do, what was is
    forgotten, and all calls are sent again at once.

    >>> shedding = Shedding(0.9)
    >>> shedding.accept(5, now=1.0)
    >>> for _ in range(15): shedding.refuse(now=2.0)
    >>> round(shedding.share(now=2.0), 2)
    0.69
    >>> shedding.accept(14, now=3.0)
    >>> shedding.share(now=3.0)
    0.0
    """

    def __init__(self, accept: float) -> None:
        self.multiple = 1.0 / accept
        self.buckets: deque[Bucket] = deque()
        self.start = 0.0  #: when the first of them began: what is decided does not depend on what the clock says
        self.in_a_row = 0  #: accepted, since the last one was refused
        self.quota = Quota()

    def accept(self, count: int, now: float) -> None:
        """Take so many calls that the target accepted."""
        if not self.in_a_row:
            self.quota.begin(now, shedding=self.share(now) > 0.0)
        bucket = self._bucket(now)
        bucket.sent += count
        bucket.accepted += count
        self.in_a_row += count
        if self._is_back() and not self.quota.explains(now):
            self.buckets.clear()

    def refuse(self, now: float) -> None:
        """Take a call that was sent, and refused as too much."""
        self._bucket(now).sent += 1
        if self.in_a_row:
            self.quota.end(now)
        self.in_a_row = 0

    def fail(self, now: float) -> None:
        """Take a call that was sent and failed, and not as too much: accepted, but no proof that the target is back."""
        bucket = self._bucket(now)
        bucket.sent += 1
        bucket.accepted += 1

    def shed(self, now: float) -> None:
        """Take a call that was not sent."""
        self._bucket(now).shed += 1

    def share(self, now: float, priority: Priority = "normal") -> float:
        """Return which share of the calls of that *priority* is refused now."""
        self._forget(now)
        sent, accepted, shed = self._sums()
        calls = sent + shed
        if calls < MINIMUM:
            return 0.0
        if priority in MORE_TOLERANT:  # what was not sent, for the most part of others, is no word on these
            calls, multiple = sent, self.multiple * MORE_TOLERANT[priority]
        else:
            multiple = self.multiple if priority == "normal" else (1.0 + self.multiple) / 2
        return min(max(0.0, (calls - multiple * accepted) / (calls + 1)), MOST)

    def _is_back(self) -> bool:
        sent, accepted, shed = self._sums()
        before = sent - self.in_a_row
        if self.in_a_row < FEWEST_IN_A_ROW:
            return False
        if before <= 0:  # nothing else is remembered: what was not sent is all that still calls for shedding
            return shed > 0
        usual = (accepted - self.in_a_row) / before
        return usual <= 0.0 or self.in_a_row * math.log(usual) < math.log(BY_CHANCE)

    def _sums(self) -> tuple[int, int, int]:
        buckets = tuple(self.buckets)
        return (
            sum(bucket.sent for bucket in buckets),
            sum(bucket.accepted for bucket in buckets),
            sum(bucket.shed for bucket in buckets),
        )

    def _bucket(self, now: float) -> Bucket:
        self._forget(now)
        if not self.buckets:
            self.start = now
        slot = self._slot(now)
        if not self.buckets or self.buckets[-1].slot < slot:
            self.buckets.append(Bucket(slot))
        return self.buckets[-1]

    def _forget(self, now: float) -> None:
        oldest = self._slot(now) - BUCKETS
        while self.buckets and self.buckets[0].slot <= oldest:
            self.buckets.popleft()

    def _slot(self, now: float) -> int:
        return math.floor((now - self.start) * BUCKETS / SECONDS)
