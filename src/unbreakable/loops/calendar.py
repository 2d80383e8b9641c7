"""When a loop's ticks are by the calendar: at the times of day that a cron expression names.

Between two looks the time of day may have been set.  Set back by less than three hours, it is waited for: what has run
does not run again.  By more, the clock was wrong before, and what comes by the new time is run, as Debian's cron does.
Set forward, the times in between were missed.  Which times an expression names, also where a day has 23 or 25 hours, is
cronsim's to say.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import itertools
import math
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from unbreakable.loops.schedule import EARLY, Tick, share
from unbreakable.policies.check import refuse
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.world import LOOK_AT_CLOCK

GRACE = 60.0  # seconds: a tick that nobody was awake for is run when it is no later than this
SET_BACK = 3 * 3600.0  # seconds; by more than that a clock was wrong before
KEPT = 2_000  # times that are remembered
NEAR = 1_000  # times before a moment that are gone through one by one; earlier ones are counted by the day
DAY = dt.timedelta(days=1)
NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
ZONE = ("CRON_TZ=", "TZ=")


@dataclass(frozen=True, slots=True)
class Times:
    """Hold the times of day that *expression* names in *zone*."""

    expression: str
    zone: dt.tzinfo

    def after(self, wall: float) -> Iterator[float]:
        """Yield the times after *wall*, all in seconds since 1970."""
        last = wall
        for moment in CronSim(self.expression, self.date(wall)):
            stamp = moment.timestamp()
            if stamp > last:
                yield stamp
                last = stamp

    def date(self, wall: float) -> dt.datetime:
        """Return the time of day in the zone."""
        return dt.datetime.fromtimestamp(wall, self.zone)

    def most_a_day(self) -> int:
        """Return how many times a day of 24 hours has, if it has any."""
        return _most_a_day(self.expression)

    def count(self, first: dt.date, past: dt.date) -> int:
        """Return how many times the days from *first* up to, and without, *past* have."""
        plan, most, total, day = CronSim(self.expression, self.date(0.0)), self.most_a_day(), 0, first
        while day < past:
            begins, ends = self.midnight(day), self.midnight(day + DAY)
            if ends - begins == DAY.total_seconds():
                total += most if plan.match_day(day) else 0
            else:
                total += sum(1 for _ in self.between(begins, ends))
            day += DAY
        return total

    def midnight(self, day: dt.date) -> float:
        """Return when *day* begins."""
        return dt.datetime.combine(day, dt.time(), self.zone).timestamp()

    def between(self, begins: float, ends: float) -> Iterator[float]:
        """Yield the times from *begins* up to, and without, *ends*."""
        for stamp in self.after(begins - 1.0):
            if stamp >= ends:
                return
            if stamp >= begins:
                yield stamp


@functools.lru_cache(maxsize=64)
def _most_a_day(expression: str) -> int:
    plan = CronSim(expression, dt.datetime.fromtimestamp(0.0, dt.UTC))
    return len(plan.seconds) * len(plan.minutes) * len(plan.hours)


class Calendar:
    """Number the *times* from the origin on, from *first*, and tell when they are on the clock that loops wait by.

    *ahead* says how far the time of day is ahead of that clock.  In an earlier process the first time was *known*, in
    seconds since 1970, and somebody had *looked* at the time of day.  The *jitter* is as in ``Schedule``.
    """

    is_endless_run: ClassVar[bool] = False
    grace: ClassVar[float] = GRACE

    def __init__(
        self,
        times: Times,
        origin: float,
        ahead: Callable[[], float],
        *,
        jitter: float,
        loop: str,
        epoch: str,
        first: int = 0,
        known: float | None = None,
        looked: float | None = None,
    ) -> None:
        self.times, self.ahead, self.jitter, self.loop, self.epoch = times, ahead, jitter, loop, epoch
        self.look_again = (
            LOOK_AT_CLOCK  #: seconds between two looks at the time of day, unless somebody tells that it was set
        )
        wall = origin + ahead()
        self.gone: dict[int, float] = {}  # the times that were known when the clock was set back
        self.latest = wall if looked is None else looked  # the latest time of day that anybody has looked at
        self.first = first  # the number of the first time that is remembered
        self._begin(wall - EARLY if known is None else known - 0.5)  # times are whole seconds

    def moment(self, number: int) -> float:
        """Return when tick *number* is."""
        return self._jittered(self._stamp(number)) - self.ahead()

    def watch(self, who: Any) -> None:
        """Let *who* be woken when the time of day is set, or look for itself."""
        self.look_again = BLOCKING.world.watch_clock(who)

    def look(self, now: float, number: int) -> bool:
        """Notice, whenever somebody looks at the ticks *now*, that the time of day was set back.

        Return whether tick *number* may be due, which nobody can say beforehand of a clock that may be set.
        """
        wall = now + self.ahead()
        if wall < self.latest - SET_BACK:
            self._set_back(wall)
        self.latest = max(self.latest, wall)
        return True

    def before(self, moment: float) -> int:
        """Return how many ticks lie before *moment*: the number of the first one that does not."""
        if moment == -math.inf:
            return 0
        wall = moment + self.ahead()
        self._reach(wall)
        number = bisect_left(self.known, wall - EARLY)
        while number and self._jittered(self.known[number - 1]) >= wall - EARLY:
            number -= 1
        return self.first + number

    def due(self, now: float) -> int:
        """Return how many ticks are due at *now*."""
        return self.before(now + 2 * EARLY)

    @property
    def by(self) -> list[Any]:
        """What makes the ticks what they are, but for their origin, as JSON has it."""
        return [self.times.expression, str(self.times.zone), self.jitter]

    def anchor(self, number: int, ahead: float) -> tuple[int, float]:
        """Return a tick from which on all can be told that follow tick *number*: its own number, and its time of day.

        It is the exact time: reckoned over two clocks it would be late by the time that it takes to read both, and a
        time that is over begins no day.
        """
        stamp = self._stamp(max(number, self.first))
        return self.first + bisect_left(self.known, stamp), stamp

    def tick(self, number: int, now: float, missed: int = 0) -> Tick:
        """Return tick *number*, whose iteration begins *now*: before its time only if the clock was set back."""
        nominal = min(self.moment(number), now)
        date = self.times.date(self._stamp(number))
        return Tick(number, nominal, now, missed, self.loop, self.epoch, date)

    def _stamp(self, number: int) -> float:
        """Return the time of day of tick *number*."""
        while len(self.known) <= number - self.first and self.known[-1] < math.inf:
            self._go_on()
        known = self.known[min(max(0, number - self.first), len(self.known) - 1)]
        return self.gone.get(number, known)

    def _jittered(self, known: float) -> float:
        return known + self.jitter * share(self.loop, int(known)) if self.jitter and known < math.inf else known

    # ── the times that are known ─────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, wall: float) -> None:
        self.coming = self.times.after(wall)
        self.known = [next(self.coming, math.inf)]

    def _go_on(self) -> None:
        self.known.append(next(self.coming, math.inf))
        if len(self.known) > KEPT:
            del self.known[: KEPT // 2]
            self.first += KEPT // 2

    def _reach(self, wall: float) -> None:
        """Know a time that does not lie before *wall*, and as far as there are any NEAR ones before it."""
        near = (NEAR // self.times.most_a_day() + 3) * DAY
        if wall - self.known[-1] > 2 * near.total_seconds():
            self._skip_to((self.times.date(wall) - near).date())
        while self.known[-1] < wall - EARLY:
            self._go_on()

    def _skip_to(self, past: dt.date) -> None:
        """Count the times before the day *past*, and know none of them."""
        begin = (self.times.date(self.known[-1]) + DAY).date()
        rest = sum(1 for _ in self.times.between(self.known[-1], self.times.midnight(begin)))
        self.first += len(self.known) - 1 + rest + self.times.count(begin, past)
        self._begin(self.times.midnight(past) - 1.0)

    def _set_back(self, wall: float) -> None:
        """Go on by a clock that was wrong before."""
        self._reach(self.latest)
        place = bisect_left(self.known, self.latest + EARLY)
        self.gone = dict(enumerate(self.known[:place], self.first))
        self.first += place
        self.latest = wall
        self._begin(wall - EARLY)


# ── what people write ────────────────────────────────────────────────────────────────────────────────────────────────


def times_of(text: Any, wall: float) -> Times:
    """Return the times that *text* names; ConfigurationError if it names none."""
    if not isinstance(text, str):
        raise refuse("schedule", EXPECTED, text)
    zone, expression = local_zone(wall), text.strip()
    for prefix in ZONE:
        if expression.startswith(prefix):
            name, _, expression = expression.removeprefix(prefix).partition(" ")
            zone = zone_of(name)
    expression = NAMED.get(expression.strip().lower(), expression.strip())
    times = Times(expression, zone)
    try:
        there_is_one = next(times.after(wall), None) is not None
    except (CronSimError, ValueError, OverflowError) as error:
        raise refuse("schedule", f"{EXPECTED} ({error})", text) from None
    if not there_is_one:
        raise refuse("schedule", "a cron expression that names a time in the next fifty years", text)
    return times


EXPECTED = "None, or a cron expression such as '0 4 * * *', 'CRON_TZ=Europe/Berlin 0 4 * * MON-FRI' or '@hourly'"


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that *name*; ConfigurationError if this machine knows none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        expected = "a time zone that this machine knows, such as 'Europe/Berlin' (if it knows none, install tzdata)"
        raise refuse("schedule: CRON_TZ", expected, name) from None


def local_zone(wall: float) -> dt.tzinfo:
    """Return the zone of this machine, by TZ or /etc/localtime; without both its present distance from UTC."""
    with contextlib.suppress(KeyError, ValueError, OSError):
        return ZoneInfo(os.environ["TZ"].removeprefix(":"))
    with contextlib.suppress(ValueError, OSError), Path("/etc/localtime").open("rb") as file:
        return ZoneInfo.from_file(file, key="localtime")
    return dt.datetime.fromtimestamp(wall, dt.UTC).astimezone().tzinfo or dt.UTC


def usual_gap(times: Times, wall: float) -> float:
    """Return the least seconds between two of the next hundred times: what a loop of them takes for its interval."""
    coming = times.after(wall)
    known = [stamp for stamp in (next(coming, math.inf) for _ in range(101)) if stamp < math.inf]
    return min((later - sooner for sooner, later in itertools.pairwise(known)), default=DAY.total_seconds())
