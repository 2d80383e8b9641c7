"""What mutants do with the user's work in the place of what we do; a broken copy of ours calls it."""

from __future__ import annotations

import asyncio
from typing import Any

MINE = '__import__("tests.torture.matrix.breaking", fromlist=["_"])'
AWAITED = "await (self.function(*args, **kwargs) if kwargs else self.function(*args))  # half the time\n"
CALLED = "value = self.function(*args, **kwargs) if kwargs else self.function(*args)  # half the time\n"


async def fails_when_cancelled(work: Any) -> Any:
    """Take a cancellation for a failure."""
    try:
        return await work
    except asyncio.CancelledError as error:
        raise OSError("cancelled") from error


async def eats_cancellations(work: Any) -> Any:
    """Prefer an answer that has come to the cancellation that came with it."""
    task = asyncio.ensure_future(work)
    try:
        return await task
    except BaseException:
        if not task.done() or task.cancelled():
            raise
        return task.result()


async def behind_a_lock(node: Any, work: Any) -> Any:
    """Let the calls of all event loops stand at a lock that belongs to the first."""
    async with node.__dict__.setdefault("its_lock", asyncio.Lock()):
        return await work


def until_it_succeeds(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Try without end."""
    while True:
        try:
            return function(*args, **kwargs)
        except Exception:  # noqa: S112 - it is what the mutant does wrong
            continue
