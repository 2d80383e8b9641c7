"""A number that only grows, and whoever waits for it to get somewhere."""

from __future__ import annotations

import math
from collections.abc import Callable

from unbreakable.runtime import Runtime, Waiter, new_lock


class Milestone:
    """Let threads and tasks wait until ``value`` has reached a number."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self._lock = new_lock()
        self._waiting: dict[Waiter, int] = {}

    def reach(self, value: int) -> None:
        """Let the number be at least *value*."""
        with self._lock:
            self.value = max(self.value, value)
        for waiter in list(self._waiting):
            if self._waiting.get(waiter, math.inf) <= self.value:
                self._waiting.pop(waiter, None)
                waiter.wake()

    @property
    def first(self) -> Waiter | None:
        """Return who waits for longest and can still be woken."""
        return next((waiter for waiter in list(self._waiting) if waiter.alive()), None)

    async def wait(
        self, number: int, runtime: Runtime, seconds: float, begin: Callable[[], None] | None = None
    ) -> bool:
        """Wait until *number* is reached, at most *seconds*, or until woken otherwise; return whether it is.

        *begin*, if any, is called as soon as whoever makes progress would see that somebody waits.
        """
        if self.value >= number or seconds <= 0:
            return self.value >= number
        waiter = runtime.waiter()
        try:
            # Be there to be woken first, then look.  No lock is held: whoever makes progress would wait for a thread
            # that a handler of signals has interrupted with it, and the handler for the progress.
            self._waiting[waiter] = number
            if self.value < number:
                if begin is not None:
                    begin()
                await runtime.wait(waiter, seconds)
        finally:
            self._waiting.pop(waiter, None)
        return self.value >= number
