"""A number that only grows, and whoever waits for it to get somewhere."""

from __future__ import annotations

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
            arrived = [waiter for waiter, number in self._waiting.items() if number <= self.value]
            for waiter in arrived:
                del self._waiting[waiter]
        for waiter in arrived:
            waiter.wake()

    @property
    def first(self) -> Waiter | None:
        """Return who waits for longest and can still be woken."""
        with self._lock:
            return next((waiter for waiter in self._waiting if waiter.alive()), None)

    async def wait(
        self, number: int, runtime: Runtime, seconds: float, begin: Callable[[], None] | None = None
    ) -> bool:
        """Wait until *number* is reached, at most *seconds*, or until woken otherwise; return whether it is.

        *begin*, if any, is called as soon as whoever makes progress would see that somebody waits.
        """
        waiter = runtime.waiter()
        with self._lock:
            if self.value >= number or seconds <= 0:
                return self.value >= number
            self._waiting[waiter] = number
        try:
            if begin is not None:
                begin()
            await runtime.wait(waiter, seconds)
        finally:
            with self._lock:
                self._waiting.pop(waiter, None)
        return self.value >= number
