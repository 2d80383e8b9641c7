"""What one turn of an event loop has to write goes into one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class LoopBatch(Generic[T]):
    """Gather the writes of everything that runs in one turn of *loop*; each waits until its own are committed.

    The commit is made on the loop itself: with durability "process" that is cheaper than handing it to a thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, commit: Callable[[Sequence[T]], None]) -> None:
        self.loop, self._commit = loop, commit
        self._waiting: list[tuple[Sequence[T], asyncio.Future[None]]] = []

    async def write(self, entries: Sequence[T]) -> None:
        """Return once *entries* are committed; raise what kept them from it."""
        done: asyncio.Future[None] = self.loop.create_future()
        if not self._waiting:
            self.loop.call_soon(self._flush)
        self._waiting.append((entries, done))
        await done

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self._commit([entry for entries, _ in waiting for entry in entries])
        except Exception as error:
            if len(waiting) == 1:
                _settle(waiting[0][1], error)
            else:
                self._flush_each(waiting)
        else:
            for _, done in waiting:
                _settle(done, None)

    def _flush_each(self, waiting: list[tuple[Sequence[T], asyncio.Future[None]]]) -> None:
        """Commit one by one, so that what cannot be written does not take the others with it."""
        for entries, done in waiting:
            try:
                self._commit(entries)
            except Exception as error:
                _settle(done, error)
            else:
                _settle(done, None)


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return  # whoever waited was cancelled; what they wrote is committed all the same
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
