"""When a loop is to run, and what becomes of ticks that it cannot run at their time, as its maker has said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from unbreakable.loops.control import Missed, Overlap
from unbreakable.loops.schedule import Schedule
from unbreakable.policies import check
from unbreakable.policies.check import refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Hold the checked settings of one loop; *interval* and *jitter* are in seconds."""

    interval: float
    jitter: float = 0.0
    overlap: Overlap = "skip"
    missed: Missed = "skip"

    def schedule(self, origin: float, loop: str, epoch: str) -> Schedule:
        """Return the ticks of the start of *loop* that is called *epoch*."""
        return Schedule(origin=origin, interval=self.interval, jitter=self.jitter, loop=loop, epoch=epoch)


def timing(interval: float, jitter: float, overlap: Any, missed: Any) -> Timing:
    """Return the settings as they are kept; raise ConfigurationError for one that says nothing."""
    check.seconds("interval", interval)
    check.seconds("jitter", jitter)
    if jitter > interval:
        raise refuse("jitter", f"at most the interval, {interval:g} seconds: a tick stays before the next one", jitter)
    for name, value, kind in (("overlap", overlap, Overlap), ("missed", missed, Missed)):
        if value not in get_args(kind):
            raise refuse(name, " or ".join(repr(each) for each in get_args(kind)), value)
    return Timing(interval=float(interval), jitter=float(jitter), overlap=overlap, missed=missed)
