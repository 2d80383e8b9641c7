"""Where the work on a connection is done: in the caller's thread, or in another one while the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from unbreakable.nodes.database.lane import Job
from unbreakable.runtime.wait_out import wait_out

GRACE = 5.0  # seconds that a cancelled caller waits for SQLite to stop and undo, before others see to it


class Carrier(Protocol):
    """Do what blocks, in one colour."""

    async def carry(self, job: Job) -> Any:
        """Return what *job* returns; a caller who is cancelled stops it."""

    async def finish(self, work: Callable[[], None]) -> None:
        """Do *work*, whatever happens to the caller meanwhile."""


class InThread:
    """Do it in the caller's thread."""

    async def carry(self, job: Job) -> Any:
        """Return what *job* returns; never suspends."""
        return job.run()

    async def finish(self, work: Callable[[], None]) -> None:
        """Do *work*."""
        work()


class OffLoop:
    """Do it in one of the database's threads; the event loop goes on."""

    def __init__(self, threads: Executor) -> None:
        self.threads = threads

    async def carry(self, job: Job) -> Any:
        """Return what *job* returns; a caller who is cancelled stops it."""
        future = asyncio.get_running_loop().run_in_executor(self.threads, job.run)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            job.stop()
            future.add_done_callback(_unheard)
            raise
        except GeneratorExit:
            job.stop()
            raise

    async def finish(self, work: Callable[[], None]) -> None:
        """Do *work*; wait for its end, at most GRACE; only then raise what cancelled the caller meanwhile."""
        future = asyncio.get_running_loop().run_in_executor(self.threads, work)
        cancelled = await wait_out(future, GRACE)
        if cancelled is not None:
            raise cancelled


def _unheard(future: asyncio.Future[Any]) -> None:
    """Take note of how it ended, for nobody waits for it any more: no "never retrieved" in the log."""
    if not future.cancelled():
        future.exception()


def whoever() -> asyncio.Task[Any] | threading.Thread:
    """Return who is at work here: the task, or where there is none the thread."""
    try:
        return asyncio.current_task() or threading.current_thread()
    except RuntimeError:
        return threading.current_thread()
