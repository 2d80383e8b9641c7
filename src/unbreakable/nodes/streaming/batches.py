"""Batches for whoever iterates over them: one is dealt with when the next is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Self

from unbreakable.errors import BufferFull, Rejected
from unbreakable.nodes.streaming.aside import DeadLetters
from unbreakable.nodes.streaming.batching import Batch
from unbreakable.nodes.streaming.buffer import Lease
from unbreakable.nodes.streaming.codec import Codec, decoded
from unbreakable.nodes.streaming.taking import Taking
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime, run_blocking


class Batches:
    """Iterate over batches, with ``async for`` or ``for``, until the stream is closed.

    Only the newest iterator of a stream is given batches: what an older one holds is delivered once more, and it raises
    Rejected.  *enter* makes it the newest, when the first batch is asked for.
    """

    def __init__(self, enter: Callable[[], tuple[Taking, DeadLetters, Codec]]) -> None:
        self._enter = enter
        self._parts: tuple[Taking, DeadLetters, Codec] | None = None
        self._last: Batch | None = None

    async def _next(self, runtime: Runtime) -> Batch | None:
        if self._parts is None:
            self._parts = self._enter()
        taking, letters, codec = self._parts
        if self._last is not None:
            self._last.ack()
            self._last = None
        while (lease := await taking.take(runtime)) is not None:
            self._last = _batch(lease, taking, letters, codec)
            if self._last is not None:
                return self._last
        if taking.is_replaced:
            raise Rejected("the batches of this stream go to a newer iterator")
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        batch = await self._next(ASYNCIO)
        if batch is None:
            raise StopAsyncIteration
        return batch


class SyncBatches(Batches):
    """The same for sync code."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        batch = run_blocking(self._next(BLOCKING))
        if batch is None:
            raise StopIteration
        return batch


def _batch(lease: Lease, taking: Taking, letters: DeadLetters, codec: Codec) -> Batch | None:
    """Return what was taken as its reader sees it; set aside what cannot be decoded, which gives None."""
    items = decoded(lease.entries, codec)
    entries = lease.entries[: len(items)]
    if entries:
        ack = partial(taking.buffer.settle, lease, entries[-1].number)
        return Batch(items, tuple(entry.id for entry in entries), ack)
    first = lease.entries[0]
    if first in letters:
        taking.buffer.forget(lease, first.number)
    elif not letters.add(first, "it cannot be decoded", 1):
        raise BufferFull(letters.trouble or "")
    else:
        taking.buffer.bury(lease, first.number)
    return None
