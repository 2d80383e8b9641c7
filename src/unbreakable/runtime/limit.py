"""The moment after which work is waited for no longer, though nothing cuts it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from unbreakable.runtime.aio import ASYNCIO
from unbreakable.runtime.watch import Alarm


class Limit(Alarm, ABC):
    """Say when *seconds* are over; the watch itself cuts nothing.

    When *warning* seconds have passed, *warn* is called: the event loop turns, and somebody may want to know that.
    """

    def __init__(self, seconds: float, warning: float, warn: Callable[[], object] | None) -> None:
        now = ASYNCIO.now()
        self.until, self.warn = now + seconds, warn
        self.due = self.until if warn is None else min(self.until, now + warning)

    @abstractmethod
    def over(self) -> None:
        """Tell whoever waits."""

    def respite(self) -> float:
        """Warn, or at the end tell whoever waits; nothing is cut."""
        warn, self.warn = self.warn, None
        if warn is not None:
            warn()
        if self.until > ASYNCIO.now():  # else the warning came late, or with the end
            return self.until
        self.over()
        return math.inf
