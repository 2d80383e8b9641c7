"""A stage on which a story is played on each driver, in virtual time and in real time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

SOON = 10.0  # seconds that something which happens at once is given


class Stage:
    """One driver, in virtual time or in real time."""

    def __init__(self, driver: str) -> None:
        colour, _, time = driver.partition(" in ")
        self.runtime: Any = ASYNCIO if colour == "asyncio" else BLOCKING
        self.virtual = time == "virtual time"
        self.people: list[Any] = []

    def play(self, story: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return what the story returns on this driver."""
        with virtual_time() if self.virtual else contextlib.nullcontext():
            if self.runtime.preemptive:
                return asyncio.run(story(self.runtime))
            return run_blocking(story(self.runtime))

    def start(self, step: Callable[[], Awaitable[Any]]) -> None:
        """Let somebody do *step* at the same time as the story goes on."""
        end = self.runtime.waiter()
        self.people.append(end)

        async def member() -> None:
            try:
                await step()
            finally:
                end.wake()

        if self.runtime.preemptive:
            self.runtime._branch(member())
        else:
            self.runtime.world.spawn(lambda: run_blocking(member()), "somebody")

    async def everybody(self) -> None:
        """Go on when whoever was started has come back."""
        for end in self.people:
            assert await self.runtime.wait(end, SOON), "somebody does not come back"

    async def until(self, done: Callable[[], bool]) -> None:
        """Go on as soon as *done* is true."""
        over = self.runtime.now() + SOON
        while not done():
            assert self.runtime.now() < over, "it never happened"
            await self.runtime.sleep(0.001)


@pytest.fixture(
    params=["asyncio in virtual time", "blocking in virtual time", "asyncio in real time", "blocking in real time"]
)
def stage(request):
    """Return a stage for each driver."""
    return Stage(request.param)
