"""When a loop's ticks are, on a grid that never drifts.

Tick n lies at origin + n × interval: nothing is ever added up, so that nothing drifts.  How many ticks lie before a
moment is arithmetic; nobody goes through them one by one.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ClassVar, NamedTuple

# Timers may fire a clock tick early; that is no reason to wait again.
EARLY = 1e-6
_new_tuple = tuple.__new__


class Tick(NamedTuple):
    """One moment at which a loop should run.

    *number* counts from 0 since the loop's start, *nominal* is its moment in seconds of the runtime's clock, *actual*
    when its iteration began, *missed* how many ticks just before it had none.  *epoch* is the start of *loop* that the
    number counts from: no other start of any loop has the same.  *date* is the time of day of a tick by the calendar.
    """

    number: int
    nominal: float
    actual: float = math.nan
    missed: int = 0
    loop: str = ""
    epoch: str = ""
    date: dt.datetime | None = None

    @property
    def id(self) -> str:
        """The tick's name, the same in each attempt at its iteration, and of no other tick: an idempotency key.

        One by the calendar is named after its time, so that it is the same in a program that is started again.

        >>> Tick(number=3, nominal=6.0, loop="tidy", epoch="c0ffee-1").id
        'tidy/c0ffee-1/3'
        """
        return f"{self.loop}/{f'{self.epoch}/{self.number}' if self.date is None else self.date.isoformat()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Ticks every *interval* seconds from *origin* on; an interval of 0 means at once, again and again.

    Each tick is later than that by its own share of *jitter* seconds, at most the interval: always the same one for the
    same number of the same *loop*, so that many loops of one interval do not come at once.
    """

    origin: float
    interval: float
    jitter: float = 0.0
    loop: str = ""
    epoch: str = ""
    is_endless_run: bool = field(init=False)  #: whether tick follows tick at once; so it does below a microsecond, too

    grace: ClassVar[float] = math.inf  #: seconds by which a tick may be late; the latest of a grid is never too late
    look_again: ClassVar[float] = math.inf  #: seconds after which the time of the next tick may be another one: never

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_endless_run", self.interval < EARLY)

    def watch(self, who: Any) -> None:
        """Let *who* be woken when the time of day is set, which is nothing to a grid."""

    def look(self, now: float, number: int) -> bool:
        """Return whether tick *number* may be due *now*, for somebody who has not looked for a while."""
        return not self.is_endless_run and now >= self.origin + number * self.interval - 2 * EARLY

    def moment(self, number: int) -> float:
        """Return when tick *number* is."""
        moment = self.origin + number * self.interval
        return moment + self.jitter * share(self.loop, number) if self.jitter else moment

    def before(self, moment: float) -> int:
        """Return how many ticks lie before *moment*: the number of the first one that does not."""
        if moment <= self.origin:
            return 0
        number = max(0, math.ceil((moment - self.jitter - EARLY - self.origin) / self.interval))
        while self.jitter and self.moment(number) < moment - EARLY:
            number += 1  # twice at most
        return number

    def due(self, now: float) -> int:
        """Return how many ticks are due at *now*."""
        return self.before(now + 2 * EARLY)

    @property
    def by(self) -> list[Any]:
        """What makes the ticks what they are, but for their origin, as JSON has it."""
        return [self.interval, self.jitter]

    def anchor(self, number: int, ahead: float) -> tuple[int, float]:
        """Return a tick from which on all can be told that follow tick *number*: its own number, and its time of day.

        The time of day is *ahead* of the clock that loops wait by.
        """
        return 0, self.origin + ahead

    def tick(self, number: int, now: float, missed: int = 0) -> Tick:
        """Return tick *number*, whose iteration begins *now*."""
        nominal = now if self.is_endless_run else self.moment(number)
        return _new_tuple(Tick, (number, nominal, now, missed, self.loop, self.epoch, None))  # in half the time


def share(loop: str, number: int) -> float:
    """Return the place of tick *number* of *loop* in its jitter, in 0..1."""
    digest = blake2b(f"{loop}/{number}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
