"""Who cancelled what: a task from outside, or the work in it by itself."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

GROUPS_FORGET = sys.version_info < (3, 13)  # to take back what they asked for: later Pythons are not looked into
_LEAVES_GROUP = asyncio.TaskGroup.__aexit__.__code__ if GROUPS_FORGET else None
_MEMBER_ENDED = asyncio.TaskGroup._on_task_done.__code__ if GROUPS_FORGET else None  # noqa: SLF001


class OwnTask(asyncio.Task[Any]):
    """A task of our own, which knows that a cancellation by a task group within it is nobody else's.

    Before Python 3.13 a group does not take that back when a member fails as the group waits at the end of its block.
    """

    _by_groups = 0

    @classmethod
    def make(cls, event_loop: asyncio.AbstractEventLoop, coroutine: Any, **others: Any) -> OwnTask:
        """Return a new task: a task factory for *event_loop*."""
        return cls(coroutine, loop=event_loop, **others)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the task."""
        self._by_groups += sys._getframe(1).f_code in (_MEMBER_ENDED, _LEAVES_GROUP)  # noqa: SLF001
        return super().cancel(msg)

    def uncancel(self) -> int:
        """Take back one cancellation; return how many are left that were asked for from outside."""
        self._by_groups -= sys._getframe(1).f_code is _LEAVES_GROUP  # noqa: SLF001
        return super().uncancel() - self._by_groups

    def cancelling(self) -> int:
        """Return how many cancellations were asked for from outside, and not taken back."""
        return super().cancelling() - self._by_groups


class Mark:
    """Remember in which task something began, to tell afterwards who cancelled what.

    >>> Mark().is_from_outside(asyncio.CancelledError())  # nobody cancelled us: the work raised it
    False
    """

    __slots__ = ("_cancels", "_task")

    def __init__(self) -> None:
        loop = running_event_loop()
        self._task = None if loop is None else asyncio.current_task(loop)
        self._cancels = self._task.cancelling() if self._task is not None else 0

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked to cancel the task since, and did not take it back."""
        return self._task is not None and self._task.cancelling() > self._cancels

    def take_back(self) -> None:
        """Take back what has been asked for since."""
        while self.is_cancelled:
            self._task.uncancel()  # type: ignore[union-attr] # it is cancelled

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
