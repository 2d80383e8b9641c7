"""What a limit goes by: how long attempts took in a window of time, how many were in flight, how many were refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

JITTER = 0.001  # seconds that the machine itself adds now and then: of less nothing is to be learned
SECOND = 1.0  # a window lasts at least so long
FEWEST, MOST = 30, 200  # attempts that it takes to tell a window's latency, the more the less they are alike
FINE = 0.1  # the standard error of a window's level that is aimed at: latencies 10 % apart can be told
STALE, STALE_FOR_SLOW = 60.0, 20.0  # seconds, and times the mean latency, after which one that is not full is dropped
LOOKED_AT = 256  # attempts of a window whose latency is looked at; of the others only the sum


class Reading(NamedTuple):
    """Hold what a window said.

    ``level`` is the mean of the logarithms of the seconds that attempts took: everything twice as slow is ln 2 more,
    and a few that take very long move it little.  None when there were none.
    """

    level: float | None
    error: float  #: the standard error of the level
    in_flight: float  #: how many were at their target on average (Little's law), or held a place, if that is more
    refused: float  #: which share the target refused as too much, or did not answer in time
    full: bool  #: whether somebody found no place
    held: float = 0.0  #: for how many seconds one holds its place, where that goes on after its attempt: a generator's


class Meter:
    """Sum up one window after the other.

    >>> meter = Meter(now=0.0)
    >>> meter.take([0.1] * 200, now=2.0)
    >>> meter.is_full(now=2.0), round(meter.read(now=2.0).in_flight, 3)
    (True, 10.0)
    """

    def __init__(self, now: float) -> None:
        self.spread = 1.0  # of the logarithms, lately
        self.begin(now)

    def begin(self, at: float) -> None:
        """Begin a window at the moment *at*, from which on attempts say how the target is now."""
        self.at, self.count, self.answers, self.looked_at, self.refused = at, 0, 0, 0, 0
        self.sum = self.squares = self.seconds = 0.0
        self.held, self.held_at = 0.0, at
        self.full = False

    def take(self, took: Sequence[float], now: float) -> None:
        """Add attempts that succeeded just now, with the seconds they took."""
        if now < self.at:
            return  # they began before what is looked at
        self.count += len(took)
        self.seconds += sum(took)
        if self.looked_at < LOOKED_AT:
            levels = [math.log(seconds + JITTER) for seconds in took]
            self.looked_at += len(levels)
            self.sum += sum(levels)
            self.squares += sum(level * level for level in levels)

    def answer(self, seconds: float, now: float) -> None:
        """Note an attempt that was answered by a no after so many *seconds*: it was in flight, and not too much.

        How long successes take it does not tell: many a no comes at once.
        """
        if now >= self.at:
            self.answers += 1
            self.seconds += seconds

    def refuse(self, now: float) -> None:
        """Note an attempt that the target refused as too much."""
        self.refused += now >= self.at

    def cut(self, seconds: float, now: float) -> None:
        """Note an attempt that was not answered in so many *seconds*: it would have taken longer."""
        if now >= self.at:
            self.take([seconds], now)
            self.count, self.refused = self.count - 1, self.refused + 1

    def hold(self, places: int, now: float) -> None:
        """Note that so many *places* were held until now: those of generators are, long after their attempts."""
        if now > self.held_at:
            self.held, self.held_at = self.held + places * (now - self.held_at), now

    def is_full(self, now: float) -> bool:
        """Return whether the window says enough."""
        enough = min(max(FEWEST, (self.spread / FINE) ** 2), MOST)
        return now - self.at >= SECOND and self.count + self.refused >= enough

    def is_stale(self, now: float) -> bool:
        """Return whether the window began too long ago to say how the target is now."""
        mean = max(self.seconds, self.held) / max(1, self.count + self.answers)
        return now - self.at > max(STALE, STALE_FOR_SLOW * mean)

    def read(self, now: float) -> Reading:
        """Return what the window said."""
        level, error, n = None, math.inf, self.looked_at
        if n:
            level = self.sum / n
            deviation = math.sqrt(max(0.0, self.squares / n - level * level))
            self.spread += 0.3 * (deviation - self.spread)
            error = max(deviation, 0.5 * self.spread) / math.sqrt(n)
        in_flight = max(self.seconds, self.held) / max(now - self.at, SECOND)
        refused = self.refused / max(1, self.count + self.answers + self.refused)
        held = self.held / max(1, self.count)
        return Reading(level, error, in_flight, refused, self.full, held)
