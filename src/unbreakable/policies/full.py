"""A target that says that it is full is not down, as long as it answers others: a limit or a throttle sees to that.

What a circuit takes for an outage, refusals in a row, is what a full target does with whatever is too much.  The two
are told apart by what becomes of the rest: of a target that is full some call succeeds within the time that calls take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from unbreakable.errors import BufferFull, BulkheadFull, Kind, LimitReached, Throttled, says_nothing
from unbreakable.outcome import Failure, is_a
from unbreakable.policies.network import http_status
from unbreakable.policies.pushback import THROTTLED

OURS = (BulkheadFull, BufferFull, LimitReached, Throttled)  # said by a protected call further in
UNAVAILABLE = 503
LEAST, TIMES = 1.0, 2.0  # seconds, and times the longest success of late, within which one is due
FADING = 0.95  # of the longest one, with each batch of others


def says_full(failure: Failure) -> bool:
    """Return whether the target refused the attempt as too much: by 429 or 503, or as one of our limits does."""
    error = failure.error
    is_said = failure.kind is THROTTLED
    is_said = is_said or (not says_nothing(error) and (is_a(error, OURS) or http_status(error) == UNAVAILABLE))
    return is_said and not failure.refused  # else it never got there


def is_late(failure: Failure) -> bool:
    """Return whether there was no answer in time."""
    return failure.cut or failure.kind is Kind.TIMEOUT


class Serving:
    """Say whether a target that says that it is full answers others: decisions over *now*, in seconds.

    >>> serving = Serving()
    >>> [serving.is_on(successes, now, most=30.0) for successes, now in ((7, 0.0), (7, 0.9), (8, 1.5), (8, 2.6))]
    [True, True, True, False]
    """

    __slots__ = ("longest", "seen", "since")

    def __init__(self) -> None:
        self.longest = 0.0  #: seconds that a success took, of late
        self.seen, self.since = -1, -math.inf  #: successes when it said so first after the last of them, and the moment

    def take(self, took: Sequence[float]) -> None:
        """Take in how long successes took."""
        self.longest = max(FADING * self.longest, *took) if took else self.longest

    def is_on(self, successes: int, now: float, *, most: float) -> bool:
        """Return whether others are answered, or may yet be, for *most* seconds at most, after so many *successes*."""
        if successes != self.seen:
            self.seen, self.since = successes, now
        return now - self.since < min(max(LEAST, TIMES * self.longest), most)
