"""Virtual time as a test holds it in its hands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unbreakable.runtime.virtual import VirtualWorld


class VirtualClock:
    """Read the virtual time, let it pass, set its time of day."""

    def __init__(self, world: VirtualWorld) -> None:
        self._world = world

    def now(self) -> float:
        """Return the virtual seconds since the block was entered, as finely as the clock can tell them."""
        moment = self._world.now()
        digits = int(-math.log10(math.ulp(moment))) - 1  # years, in this block or in one before, cost some
        return round(moment - self._world.start, min(9, digits))

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; whatever is due meanwhile in other threads is done.

        In async code ``await asyncio.sleep(seconds)`` also lets the loop's own tasks go on.
        """
        if not 0 <= seconds < math.inf:
            msg = f"seconds must be 0 or more, and not endless, but was {seconds!r}: time does not run backwards"
            raise ValueError(msg)
        self._world.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Step the time of day, as somebody does who sets a clock that is wrong; nothing passes, all else goes on."""
        self._world.step(seconds)
