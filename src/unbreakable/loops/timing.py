"""When a loop is to run, and what becomes of ticks that it cannot run at their time, as its maker has said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from unbreakable.loops.control import Missed, Overlap
from unbreakable.loops.schedule import EARLY, Schedule
from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.runtime import BLOCKING

if TYPE_CHECKING:
    from unbreakable.loops.calendar import Calendar, Times
    from unbreakable.loops.checkpoint import Checkpoint


USUAL = 1.0  # seconds from one tick to the next, unless something else is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Hold the checked settings of one loop; *interval* and *jitter* are in seconds.

    With *times* of the calendar the interval is the least that lies between two of them.
    """

    interval: float
    jitter: float = 0.0
    overlap: Overlap = "skip"
    missed: Missed = "skip"
    times: Times | None = None

    def schedule(self, origin: float, loop: str, epoch: str) -> Schedule | Calendar:
        """Return the ticks of the start of *loop* that is called *epoch*."""
        if self.times is None:
            return Schedule(origin=origin, interval=self.interval, jitter=self.jitter, loop=loop, epoch=epoch)
        from unbreakable.loops.calendar import Calendar

        return Calendar(self.times, origin, ahead, jitter=self.jitter, loop=loop, epoch=epoch)

    def resumed(self, kept: Checkpoint, loop: str) -> Schedule | Calendar:
        """Return the ticks that *loop* had in an earlier process.

        If the time of day was set back meanwhile, a grid goes on as if no time had passed.
        """
        if self.times is None:
            set_back = max(0.0, kept.wall - BLOCKING.wall())
            return self.schedule(kept.origin - ahead() - set_back, loop, kept.epoch)
        from unbreakable.loops.calendar import Calendar

        return Calendar(
            self.times,
            kept.origin - ahead(),
            ahead,
            jitter=self.jitter,
            loop=loop,
            epoch=kept.epoch,
            first=kept.first,
            known=kept.origin,
            looked=kept.wall,
        )


def timing(interval: float, schedule: Any, jitter: float, overlap: Any, missed: Any) -> Timing:
    """Return the settings as they are kept; raise ConfigurationError for one that says nothing."""
    _refuse_both(interval != USUAL, schedule)
    check.seconds("interval", interval)
    check.seconds("jitter", jitter)
    for name, value, kind in (("overlap", overlap, Overlap), ("missed", missed, Missed)):
        if value not in get_args(kind):
            raise refuse(name, " or ".join(repr(each) for each in get_args(kind)), value)
    if overlap == "allow_all" and interval < EARLY and schedule is None:
        raise refuse("overlap", "another one where the interval is 0: there is always a tick to begin", overlap)
    times = None
    if schedule is not None:
        from unbreakable.loops.calendar import times_of, usual_gap

        times = times_of(schedule, BLOCKING.wall())
        interval = usual_gap(times, BLOCKING.wall())
    if jitter > interval:
        raise refuse("jitter", f"at most the interval, {interval:g} seconds: a tick stays before the next one", jitter)
    return Timing(interval=float(interval), jitter=float(jitter), overlap=overlap, missed=missed, times=times)


def changed(before: Timing, interval: Any, schedule: Any, jitter: Any, overlap: Any, missed: Any) -> Timing:
    """Return *before* with what is not None of the others; raise ConfigurationError as ``timing`` does."""
    _refuse_both(interval is not None, schedule)
    kept = before.interval if schedule is None else USUAL
    after = timing(
        kept if interval is None else interval,
        schedule,
        before.jitter if jitter is None else jitter,
        before.overlap if overlap is None else overlap,
        before.missed if missed is None else missed,
    )
    return replace(after, times=before.times) if interval is None and schedule is None else after


def _refuse_both(is_given: bool, schedule: Any) -> None:
    """Refuse a *schedule* where an interval *is_given*."""
    if is_given and schedule is not None:
        raise refuse("schedule", "None where an interval is given: a loop goes by one of them", schedule)


def ahead() -> float:
    """Return how far the time of day is ahead of the clock that loops wait by."""
    return BLOCKING.wall() - BLOCKING.now()
