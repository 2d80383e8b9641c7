"""Where the work on a connection is done: in the caller's thread, or in another one while the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from sqlalchemy import Connection

from unbreakable.nodes.database.lane import Job, Lane
from unbreakable.nodes.database.trouble import INTERRUPTED, LOCK_BACKOFF, code_of, is_locked
from unbreakable.policies import Context
from unbreakable.policies.timeout import cut

GRACE = 5.0  # seconds that a cancelled caller waits for SQLite to stop and undo, before others see to it


class Carrier(Protocol):
    """Do what blocks, in one colour."""

    async def carry(self, job: Job) -> Any:
        """Return what *job* returns; a caller who is cancelled stops it and waits for its end."""

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
        """Return what *job* returns; a caller who is cancelled stops it and waits for its end, at most GRACE."""
        future = asyncio.get_running_loop().run_in_executor(self.threads, job.run)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            job.stop()
            await ended(future)
            raise

    async def finish(self, work: Callable[[], None]) -> None:
        """Do *work*; wait for its end, at most GRACE, even when the caller is cancelled."""
        await ended(asyncio.get_running_loop().run_in_executor(self.threads, work))


async def ended(future: asyncio.Future[Any]) -> None:
    """Wait for the end of *future*, at most GRACE; only then raise what cancelled the caller meanwhile."""
    loop, cancelled = asyncio.get_running_loop(), None
    until = loop.time() + GRACE
    while not future.done() and loop.time() < until:
        try:
            await asyncio.wait({future}, timeout=until - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def whoever() -> asyncio.Task[Any] | threading.Thread:
    """Return who is at work here: the task, or where there is none the thread."""
    try:
        return asyncio.current_task() or threading.current_thread()
    except RuntimeError:
        return threading.current_thread()


async def patiently(
    carrier: Carrier,
    ctx: Context,
    lane: Lane,
    work: Callable[[Connection], Any],
    until: float,
    *,
    stoppable: bool = True,
) -> Any:
    """Return what *work* returns; while somebody else holds SQLite's lock, wait for it, up to the moment *until*."""
    started, number = ctx.runtime.now(), 0
    while True:
        try:
            value = await carrier.carry(Job(lane, work, ctx.runtime, until, stoppable=stoppable))
            break
        except Exception as error:
            now = ctx.runtime.now()
            if code_of(error) == INTERRUPTED and now >= until:
                raise cut(ctx, started).error from error
            if not is_locked(error):
                raise
            number += 1
            pause = LOCK_BACKOFF.pause(number, ctx.runtime.random())
            if now + pause >= until:
                error.add_note(f"{lane.place}: waited {now - started:.3f} s for it")
                raise
        await ctx.runtime.sleep(pause)
    if number and ctx.notebook is not None:
        ctx.notebook.tell(f"waited {ctx.runtime.now() - started:.3f} s for the lock of {lane.place}")
    return value
