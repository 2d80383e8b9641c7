"""A stage on which a stream's story is played in each colour, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import VirtualClock, virtual_time

DRIVERS = ["event loop", "thread", "thread with event loop"]


class Stage:
    """Let one story be told in each colour; what differs between them is here."""

    def __init__(self, driver: str, clock: VirtualClock) -> None:
        self.clock, self.is_async = clock, driver == "event loop"
        self.handles_async = driver != "thread"
        self.runtime: Any = ASYNCIO if self.is_async else BLOCKING
        self.handles_on: Any = ASYNCIO if self.handles_async else BLOCKING
        self.opened: list[StreamNode] = []
        self.handled: list[Any] = []

    # ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def handler(self, work: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Any]:
        """Return *work* as a handler of this colour."""
        return work if self.handles_async else lambda item: run_blocking(work(item))

    def stream(self, work: Callable[[Any], Awaitable[Any]] | None = None, **settings: Any) -> StreamNode:
        """Return a stream that is closed when the story is over; by default it notes what it handles."""
        return self.keep(StreamNode(self.handler(work or self.note), **settings))

    def bare(self, **settings: Any) -> StreamNode:
        """Return a stream without a handler."""
        return self.keep(StreamNode(**settings))

    def keep(self, stream: StreamNode) -> StreamNode:
        self.opened.append(stream)
        return stream

    async def note(self, item: Any) -> None:
        self.handled.append(item)

    async def take(self, seconds: float) -> None:
        """Let the handler take its time."""
        await self.handles_on.sleep(seconds)

    # ── what a program does ─────────────────────────────────────────────────────────────────────────────────────────

    async def call(self, stream: StreamNode, verb: str, *args: Any, **kwargs: Any) -> Any:
        if self.is_async:
            return await getattr(stream, verb)(*args, **kwargs)
        return getattr(stream, f"{verb}_sync")(*args, **kwargs)

    async def put(self, stream: StreamNode, *items: Any, **kwargs: Any) -> list[Any]:
        return [await self.call(stream, "put", item, **kwargs) for item in items]

    async def drain(self, stream: StreamNode, *args: Any) -> bool:
        return await self.call(stream, "drain", *args)

    async def close(self, stream: StreamNode, *args: Any) -> Any:
        return await self.call(stream, "aclose", *args)

    async def beside(self, other: Awaitable[Any], story: Awaitable[Any]) -> Any:
        """Let *other* go on in a task, or thread, of its own, and return what *story* returns."""
        if self.is_async:
            task = asyncio.ensure_future(other)
            try:
                return await story
            finally:
                await task
        BLOCKING.world.spawn(lambda: run_blocking(other), "beside")
        return await story

    async def sleep(self, seconds: float) -> None:
        await self.runtime.sleep(seconds)

    def now(self) -> float:
        return round(self.clock.now(), 3)


def balance(stream: StreamNode) -> tuple[int, int]:
    """Return how many items were accepted, and how many are accounted for."""
    status = stream.get_status()
    return status.accepted, (
        status.handled + status.in_memory + status.on_disk + status.dead_letter + status.quarantined
    )


@pytest.fixture(params=DRIVERS)
def play(request):
    """Return a function that plays a story on one driver, in virtual time."""

    def play(story: Callable[[Stage], Awaitable[Any]]) -> Any:
        async def told(stage: Stage) -> Any:
            try:
                return await story(stage)
            finally:
                for stream in stage.opened:
                    await stage.close(stream, 0.0)
                    accepted, accounted = balance(stream)
                    assert accepted == accounted

        with virtual_time() as clock:
            stage = Stage(request.param, clock)
            return asyncio.run(told(stage)) if stage.is_async else run_blocking(told(stage))

    return play
