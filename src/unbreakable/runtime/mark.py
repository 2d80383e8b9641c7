"""Who cancelled what: a task from outside, or the work in it by itself."""

from __future__ import annotations

import asyncio


class Mark:
    """Remember in which task something began, to tell afterwards who cancelled what.

    >>> Mark().is_from_outside(asyncio.CancelledError())  # nobody cancelled us: the work raised it
    False
    """

    __slots__ = ("_cancels", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task() if running_event_loop() is not None else None
        self._cancels = self._task.cancelling() if self._task is not None else 0

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked to cancel the task since, and did not take it back."""
        return self._task is not None and self._task.cancelling() > self._cancels

    def is_from_outside(self, error: BaseException) -> bool:
        """Return whether *error* was thrown into the work, by a cancellation or because its coroutine is closed."""
        if isinstance(error, asyncio.CancelledError):
            return self.is_cancelled
        if isinstance(error, GeneratorExit) and self._task is not None:
            return running_event_loop() is None or asyncio.current_task() is not self._task
        return False


def running_event_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that is running in this thread, if any."""
    return asyncio._get_running_loop()  # noqa: SLF001 - the public one raises, which costs more than it tells
