"""Two ways to do a job, and partners with several hosts, that fail as a test says; and callers of them."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2

import unbreakable as ub
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep


class Ways:
    """Two ways to do a job, of which those in *down* fail, and those in *late* take longer; *used* counts the asks."""

    def __init__(self, effects: str) -> None:
        self.engine, self.effects = ub.QuantumSimulationEngine(), effects
        self.down: set[str] = set()
        self.late: dict[str, float] = {}
        self.used: Counter[str] = Counter()
        self.primary, self.replica = self._way("primary"), self._way("replica")

    def _way(self, name: str):
        async def work() -> str:
            self.used[name] += 1
            await sleep(self.late.get(name, 0.05))
            if name in self.down:
                raise ConnectionError(name)
            return name

        return work

    async def ask(self) -> str:
        """Do the job once."""
        how = {"name": "job", "effects": self.effects, "alternatives": {"replica": self.replica}}
        return await self.engine.execute_quantum(self.primary, **how)


class Partner(httpx2.AsyncBaseTransport):
    """Hosts "a", "b" and "c": each takes *seconds* to answer, and answers as *trouble* says while there is some.

    An error that is raised comes after so many seconds, in *silent*.
    """

    def __init__(self) -> None:
        self.seconds = {"a": 0.05, "b": 0.05, "c": 0.05}
        self.trouble: dict[str, object] = {}
        self.silent = 0.0
        self.asked: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        self.asked[host] += 1
        trouble = self.trouble.get(host)
        if isinstance(trouble, Exception):
            await sleep(self.silent)
            raise trouble
        await sleep(self.seconds[host])
        return httpx2.Response(200 if trouble is None else trouble, json={})


async def often(call, seconds: float, pace: float) -> Counter[str]:
    """Return how calls ended that began at that *pace*, in seconds, for so many *seconds*."""
    tasks = []
    for _ in range(round(seconds / pace)):
        tasks.append(asyncio.ensure_future(call()))
        await sleep(pace)
    return Counter(type(each).__name__ for each in await asyncio.gather(*tasks, return_exceptions=True))


async def one_by_one(call, seconds: float, pause: float) -> Counter[str]:
    """Return how the calls of one caller ended, who pauses after each."""
    ended, until = Counter(), ASYNCIO.now() + seconds
    while ASYNCIO.now() < until:
        try:
            await call()
            ended["done"] += 1
        except Exception as error:
            ended[type(error).__name__] += 1
        await sleep(pause)
    return ended


async def herd_of_five(call, seconds: float) -> Counter[str]:
    """Return how the calls of five callers ended."""
    return sum(await asyncio.gather(*(one_by_one(call, seconds, 0.3) for _ in range(5))), Counter())
