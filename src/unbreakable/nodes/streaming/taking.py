"""Items are waited for, until there is a batch of them."""

from __future__ import annotations

import math

from unbreakable.nodes.streaming.batching import Batching
from unbreakable.nodes.streaming.buffer import Buffer, Lease
from unbreakable.nodes.streaming.confirming import Confirming
from unbreakable.runtime import Runtime, Waiter

LOOK_AGAIN = 1.0  # seconds


class Taking:
    """Take batches from *buffer*, for one consumer; ``stop`` may be called from any thread.

    With *confirming*, items whose putters have given up are confirmed by whoever waits for items.
    """

    def __init__(self, buffer: Buffer, batching: Batching, confirming: Confirming | None) -> None:
        self.buffer, self._batching, self._confirming = buffer, batching, confirming
        self.is_stopping = self.is_replaced = False
        self._waiter: Waiter | None = None

    def stop(self) -> None:
        """Let whatever is waited for end now."""
        self.is_stopping = True
        waiter = self._waiter
        if waiter is not None:
            waiter.wake()

    async def idle(self, runtime: Runtime) -> bool:
        """Return False at once when something is in the line; else let go of who handles it, and wait for the next."""
        if not self.buffer.is_empty:
            return False
        self._waiter = waiter = runtime.waiter()
        if not self.buffer.let_go(waiter):
            return False
        if not self.is_stopping:
            await runtime.wait(waiter, math.inf)
        return True

    async def take(self, runtime: Runtime, most: int | None = None, seconds: float = math.inf) -> Lease | None:
        """Wait for a batch, of at most *most* items if that is given, and return it.

        Return None when stopped, or when nothing can be taken within *seconds*.  Raises StateError when the disk cannot
        be read.
        """
        most = most or self._batching.most
        if not await self._wait_for(1, runtime, seconds):
            return None
        if self._batching.linger > 0:
            await self._wait_for(most, runtime, self._batching.linger)
        while not self.is_stopping:
            lease = self.buffer.take(most)
            if lease is not None or not await self._wait_for(1, runtime, seconds):
                return lease
        return None

    async def _wait_for(self, count: int, runtime: Runtime, seconds: float) -> bool:
        """Wait until *count* items are there, at most *seconds*."""
        until = runtime.now() + seconds
        while True:
            # Be there to be woken first, then look: nothing that happens in between is slept through.
            self._waiter = waiter = runtime.waiter()
            self.buffer.call(waiter, count)
            is_there, left = self.buffer.ready() >= count, until - runtime.now()
            if is_there or self.is_stopping or left <= 0:
                return is_there and not self.is_stopping
            if self._confirming is None:
                await runtime.wait(waiter, left)
            elif not await runtime.wait(waiter, min(left, LOOK_AGAIN)):
                await self._confirming.wait(self.buffer.last, runtime, min(left, LOOK_AGAIN))

    async def rest(self, runtime: Runtime, seconds: float) -> None:
        """Wait for *seconds*, or until stopped."""
        self._waiter = waiter = runtime.waiter()
        if not self.is_stopping:
            await runtime.wait(waiter, seconds)
