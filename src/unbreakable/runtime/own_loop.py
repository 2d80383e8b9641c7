"""An event loop of its own for a thread, or a process, that has none."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable
from typing import Any


class OwnEventLoop:
    """Run one awaitable after another on the same event loop, which is made for the first one."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Block until *awaitable* has ended; return its value or raise what it raised."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(self._work(awaitable), context=contextvars.copy_context())
        finally:
            self._task = None

    async def _work(self, awaitable: Awaitable[Any]) -> Any:
        self._task = asyncio.current_task()
        return await awaitable

    def cancel(self) -> None:
        """Cancel what runs, from any thread."""
        task = self._task
        if task is not None:
            with contextlib.suppress(RuntimeError):  # it has ended at this very moment, and its event loop with it
                task.get_loop().call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Close the event loop, in the thread that used it."""
        if self._runner is not None:
            self._runner.close()
