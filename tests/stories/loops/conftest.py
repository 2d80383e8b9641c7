"""A stage on which a loop's story is played on each driver, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from unbreakable.loops import QuantumLoop, QuantumLoopEngine
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import VirtualClock, virtual_time

DRIVERS = ["event loop", "thread", "thread with event loop"]


class Stage:
    """Let one story be told in each colour; what differs between them is here."""

    def __init__(self, driver: str, clock: VirtualClock) -> None:
        self.clock = clock
        self.is_async = driver == "event loop"
        self.can_cancel = driver != "thread"
        self.runtime = ASYNCIO if self.is_async else BLOCKING
        self.works_on = ASYNCIO if self.can_cancel else BLOCKING
        self.engine = QuantumLoopEngine()

    def loop(self, work: Callable[..., Awaitable[Any]], **settings: Any) -> QuantumLoop:
        """Return a loop over *work*, which uses ``work_for`` to take its time."""
        return self.engine.create_loop(self.operation(work), **{"name": "work", **settings})

    def down(self) -> tuple[QuantumLoop, list[str]]:
        """Start a loop whose operation always fails, with a substitute; return it, and what runs in it."""
        ran: list[str] = []

        async def work(ctx: Any) -> None:
            ran.append("work")
            raise ConnectionError("down")

        async def care(ctx: Any) -> None:
            ran.append("care")

        loop = self.loop(work, effects="once", on_survival=self.operation(care))
        loop.start()
        return loop, ran

    def operation(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """Return *work* in this stage's colour."""

        def plain(ctx):
            return run_blocking(work(ctx))

        return work if self.can_cancel else plain

    async def work_for(self, seconds: float) -> None:
        await self.works_on.sleep(seconds)

    async def sleep(self, seconds: float) -> None:
        await self.runtime.sleep(seconds)

    async def wait(self, loop: QuantumLoop) -> None:
        if self.is_async:
            await loop.wait()
        else:
            loop.wait_sync()

    async def stop(self, loop: QuantumLoop, grace: float = 10.0) -> bool:
        return await loop.stop(grace) if self.is_async else loop.stop_sync(grace)

    async def close(self) -> None:
        if self.is_async:
            await self.engine.aclose()
        else:
            self.engine.aclose_sync()

    def now(self) -> float:
        return round(self.clock.now(), 3)


def counts(loop: QuantumLoop) -> dict[str, int]:
    """Return what the loop's ledger says, without what it says nothing about."""
    return {fate: count for fate, count in loop.get_status().ledger.items() if count}


@pytest.fixture(params=DRIVERS)
def play(request):
    """Return a function that plays a story on one driver, in virtual time unless something in it never waits."""

    def play(story: Callable[[Stage], Awaitable[Any]], time: Callable[[], Any] = virtual_time) -> Any:
        async def told(stage: Stage) -> Any:
            try:
                return await story(stage)
            finally:
                await stage.close()

        with time() as clock:
            stage = Stage(request.param, clock)
            return asyncio.run(told(stage)) if stage.is_async else run_blocking(told(stage))

    return play


@pytest.fixture(autouse=True)
def take_no_time_from_others(present):
    """Hangs of these stories last for years, which pass when an event loop is closed over them."""
