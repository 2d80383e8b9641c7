"""What a loop does next: run, wait or end.

Wishes (pause, resume, trigger, stop) may come from any thread at any moment; the loop itself asks ``decide`` before
each step.  The rules, first match wins:

    stop wished, or all iterations done      End
    trigger wished                           Run now, outside the grid; also when paused
    paused                                   Wait until something is wished; ticks meanwhile are skipped
    the next tick is due                     Run the latest tick that is due
    otherwise                                Wait until the next tick

The next tick is the first of the grid that lies after the rest of a loop that fails; a trigger is not held up by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from unbreakable.loops.schedule import Schedule, Tick


@dataclass(frozen=True, slots=True)
class Run:
    """Run one iteration now; *tick* is None when it was triggered by hand."""

    tick: Tick | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until something is wished, at most *seconds*."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """Iterate no more; *finished* says that all iterations are done."""

    finished: bool


Decision: TypeAlias = Run | Wait | End


class Control:
    """Decide what one run of a loop, from its start to its end, does next.

    *most* is the number of iterations allowed, ``math.inf`` for ever.  ``news`` is True when something was wished after
    the latest decision, which then is out of date.
    """

    __slots__ = ("left", "news", "number", "paused", "rests_until", "schedule", "stopping", "triggered", "upcoming")

    def __init__(self, schedule: Schedule, most: float, *, paused: bool = False) -> None:
        self.schedule = schedule
        self.left = most
        self.paused = paused
        self.stopping = False
        self.triggered = False
        self.news = False
        self.number = -1
        self.rests_until = -math.inf
        self.upcoming: Tick | None = schedule.first()

    # ── wishes: the wish first, then the news of it ──────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Wish that no further iteration begins."""
        self.stopping = True
        self.news = True

    def pause(self, paused: bool) -> None:
        """Wish that ticks are skipped from now on, or no longer."""
        self.paused = paused
        self.news = True

    def trigger(self) -> None:
        """Wish one iteration as soon as none is in progress; several wishes for it are one."""
        self.triggered = True
        self.news = True

    def rest(self, until: float) -> None:
        """Skip the ticks before the moment *until*, as of the iteration that has just ended."""
        self.rests_until = until

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def decide(self, now: float) -> Decision:
        """Return what to do at *now*; a Run is taken as begun."""
        self.news = False
        if self.stopping or self.left <= 0:
            return End(finished=not self.stopping)
        if self.triggered:
            self.triggered = False
            return self._run(None)
        if self.paused:
            self.upcoming = None
            return Wait(math.inf)
        tick = self.next_tick(now)
        if not tick.is_due(now):
            self.upcoming = tick
            return Wait(tick.nominal - now)
        return self._run(self.schedule.late(tick, now))

    def next_tick(self, now: float) -> Tick:
        """Return the tick that is waited for, or would be."""
        return self.upcoming or self.schedule.after(self.number, max(now, self.rests_until))

    @property
    def is_restless(self) -> bool:
        """Whether the next iteration may follow without a wait."""
        return self.triggered or self.schedule.is_endless_run

    def _run(self, tick: Tick | None) -> Run:
        # From here on the next tick is a matter of arithmetic: nothing that the work does can lose it.
        self.upcoming = None
        self.left -= 1
        if tick is not None:
            self.number = tick.number
        return Run(tick)
