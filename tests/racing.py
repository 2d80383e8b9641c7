"""Ways to do a job that can be raced, and whether they are."""

from __future__ import annotations

import asyncio
import contextlib
import time

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Ways:
    """Be several ways to do a job: how long each takes and how it ends can be changed at any time."""

    def __init__(self, **seconds: float) -> None:
        self.seconds, self.errors = seconds, {}
        self.begun, self.ended, self.cancelled = [], [], []

    def way(self, name: str):
        async def work() -> str:
            self.begun.append(name)
            try:
                await sleep(self.seconds[name])
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if name in self.errors:
                raise self.errors[name]
            self.ended.append(name)
            return name

        return work

    def plain(self, name: str):
        def work() -> str:
            self.begun.append(name)
            time.sleep(self.seconds[name])  # noqa: TID251 - virtual time
            if name in self.errors:
                raise self.errors[name]
            self.ended.append(name)
            return name

        return work

    def how(self, make, **more):
        others = {name: make(name) for name in self.seconds if name != "primary"}
        return {"name": "job", "effects": "none", "alternatives": others, "race": True, **more}

    async def ask(self, engine: ub.QuantumSimulationEngine, **more) -> str:
        return await engine.execute_quantum(self.way("primary"), **self.how(self.way, **more))

    def ask_plainly(self, engine: ub.QuantumSimulationEngine, **more) -> str:
        return engine.execute_quantum_sync(self.plain("primary"), **self.how(self.plain, **more))

    async def often(self, engine: ub.QuantumSimulationEngine, times: int, pause: float = 0.0, **more) -> None:
        for _ in range(times):
            with contextlib.suppress(Exception):
                await self.ask(engine, **more)
            if pause:
                await sleep(pause)

    def clear(self) -> None:
        for each in (self.begun, self.ended, self.cancelled):
            each.clear()


def play(story):
    with virtual_time() as clock:
        return asyncio.run(story(clock))


async def raced(ways: Ways, engine: ub.QuantumSimulationEngine) -> bool:
    """Return whether the next call is raced."""
    ways.clear()
    with contextlib.suppress(Exception):
        await ways.ask(engine)
    return len(ways.begun) > 1


def of(engine: ub.QuantumSimulationEngine) -> ub.FractalNode:
    [(node, _)] = engine._jobs.values()
    return node
