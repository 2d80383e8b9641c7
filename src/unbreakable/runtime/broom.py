"""What closed event loops have left behind is swept out now and then, so that no call pays for more than its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable

from unbreakable.runtime.rival import context_of

LEAST = 16  # things that are not worth a sweep


class Broom:
    """Tell when to sweep: whenever there is twice as much as the last sweep has left."""

    __slots__ = ("_due_at",)

    def __init__(self) -> None:
        self._due_at = LEAST

    def is_due(self, count: int) -> bool:
        """Return whether *count* things are enough for a sweep."""
        return count >= self._due_at

    def swept(self, left: int) -> None:
        """Note how many things a sweep has *left*."""
        self._due_at = max(LEAST, 2 * left)


def end_held(loop: asyncio.AbstractEventLoop, is_ours: Callable[[contextvars.Context], bool]) -> bool:
    """End those tasks of the closed *loop* that are ours by their context variables; return whether there were any.

    The collector does so with what nobody holds.  But a set of background tasks, say, has them, for ever.
    """
    ours = [task for task in asyncio.all_tasks(loop) if is_ours(context_of(task))]
    for task in ours:
        with contextlib.suppress(Exception, asyncio.CancelledError):  # clean-up that waits for something, or fails
            context_of(task).run(task.get_coro().close)
    return bool(ours)
