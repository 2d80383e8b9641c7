"""What a loop can do next, and what it tells an iteration that begins."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

from unbreakable.loops.schedule import Tick


class Run(NamedTuple):
    """Run one iteration now; *tick* is None when it was triggered by hand.

    With a *place* it goes on beside others, and its end is told with that.
    """

    tick: Tick | None
    place: int | None = None


class Wait(NamedTuple):
    """Wait until something is wished, at most *seconds*."""

    seconds: float


class End(NamedTuple):
    """Iterate no more; *finished* says that all iterations are done."""

    finished: bool


Decision: TypeAlias = Run | Wait | End


class Cut(NamedTuple):
    """Say when an iteration is to make room for the next tick, and whether it may clean up."""

    at: float
    why: str = ""
    gently: bool = True


NO_CUT = Cut(math.inf)
