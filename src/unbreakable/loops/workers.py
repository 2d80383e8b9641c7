"""Who runs an operation apart from the loop: a thread, or a process, of which the loop can let go."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Protocol

from unbreakable.fractal.operation import Operation
from unbreakable.loops.bench import Bench
from unbreakable.loops.hand import Hand
from unbreakable.policies import Context
from unbreakable.runtime import Runtime


class Worker(Protocol):
    """Somebody who makes one attempt after another, until let go of."""

    shares_state: ClassVar[bool]  #: whether it writes in the very dictionary that the loop holds

    @property
    def is_fit(self) -> bool:
        """Whether another attempt can be given to it."""

    @property
    def is_alive(self) -> bool:
        """Whether anything of it is still there."""

    @property
    def left_undone(self) -> bool:
        """Whether an attempt was in progress when it was let go of."""

    async def ready(self, runtime: Runtime, seconds: float) -> int:
        """Wait until it is ready to work, at most *seconds*; return the number of the process started for it, or 0."""

    async def attempt(self, runtime: Runtime, ctx: Context) -> Any:
        """Run the operation within *ctx*; raise TimeUp when the attempt's time is up, or it was cut."""

    def cut(self) -> None:
        """End what it does as far as that is possible, from any thread, and let go of it."""

    def close(self) -> None:
        """Let it end, which is not at work."""

    async def end(self, runtime: Runtime, seconds: float) -> None:
        """Wait until nothing of it is left, at most *seconds*; not at all if it cannot be ended."""

    def forget(self) -> None:
        """Leave it to the parent process: after a fork it is none of ours."""


class ThreadWorker:
    """Run *operation* in a thread, an async one on an event loop of that thread.

    A thread cannot be stopped: one that is cut is left behind.  What is awaited in it is cancelled.
    """

    shares_state: ClassVar[bool] = True

    def __init__(self, name: str, operation: Operation[Any]) -> None:
        self._bench = Bench(operation)
        self._hand = Hand(f"unbreakable {name}", self._bench.close)

    @property
    def is_fit(self) -> bool:
        """Whether another attempt can be given to it."""
        return not self._hand.is_let_go

    @property
    def is_alive(self) -> bool:
        """Whether its thread is still there."""
        return self._hand.is_alive

    @property
    def left_undone(self) -> bool:
        """Whether an attempt was in progress when it was let go of."""
        return self._hand.left_undone

    async def ready(self, runtime: Runtime, seconds: float) -> int:
        """Return at once: the thread begins with the first attempt."""
        return 0

    async def attempt(self, runtime: Runtime, ctx: Context) -> Any:
        """Run the operation within *ctx*."""
        return await self._hand.do(runtime, functools.partial(self._bench.run, ctx.arguments), ctx.remaining())

    def cut(self) -> None:
        """Cancel what is awaited, and leave the thread behind."""
        self._hand.let_go()
        self._bench.cancel()

    def close(self) -> None:
        """Let the thread end."""
        self._hand.let_go()

    async def end(self, runtime: Runtime, seconds: float) -> None:
        """Wait for the end of the thread, unless it is blocked for nobody knows how long."""
        if self._bench.is_async or not self.left_undone:
            await self._hand.end(runtime, seconds)

    def forget(self) -> None:
        """Do nothing: a forked child has none of the parent's threads."""
