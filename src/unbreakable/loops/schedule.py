"""When a loop's next tick is, on a grid that never drifts.

Tick n lies at origin + n × interval: nothing is ever added up, so that nothing drifts.  Ticks that lie too far back are
skipped by arithmetic, never one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Timers may fire a clock tick early; that is no reason to wait again.
EARLY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One moment at which a loop should run.

    *number* counts from 0 since the loop's start, *nominal* is its moment in seconds of the runtime's clock, *missed*
    is how many ticks just before it were skipped.
    """

    number: int
    nominal: float
    missed: int = 0

    def is_due(self, now: float) -> bool:
        """Return whether its moment has come."""
        return now >= self.nominal - EARLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Ticks every *interval* seconds from *origin* on; an interval of 0 means at once, again and again."""

    origin: float
    interval: float

    @property
    def is_endless_run(self) -> bool:
        """Whether tick follows tick at once; so it does below a microsecond, too."""
        return self.interval < EARLY

    def first(self) -> Tick:
        """Return the tick at the origin."""
        return Tick(number=0, nominal=self.origin)

    def after(self, number: int, now: float) -> Tick:
        """Return the first tick after tick *number* that does not lie before *now*."""
        if self.is_endless_run:
            return Tick(number=number + 1, nominal=now)
        place = math.ceil((now - EARLY - self.origin) / self.interval)
        following = max(number + 1, place)
        return Tick(number=following, nominal=self._moment(following), missed=following - number - 1)

    def late(self, tick: Tick, now: float) -> Tick:
        """Return the tick to run at *now* instead of *tick*, which is due: the latest that is due by now.

        Whoever wakes up late (a busy machine, a suspended one) runs once, then goes on along the grid.
        """
        if self.is_endless_run:
            return tick
        latest = max(tick.number, math.floor((now - self.origin) / self.interval))
        return Tick(number=latest, nominal=self._moment(latest), missed=tick.missed + latest - tick.number)

    def _moment(self, number: int) -> float:
        return self.origin + number * self.interval
