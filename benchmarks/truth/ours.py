"""The library itself, cold, through its public face, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np  # at hand when the first plan is made, so that every run has the same course
from benchmarks.truth.luck import Luck
from benchmarks.truth.play import Run
from benchmarks.truth.service import Service

import unbreakable as ub
from unbreakable.testing import virtual_time

NAME = "ours"
Ask = Callable[[int], Awaitable[None]]


def ours(luck: Luck, protect: Callable[[Luck, list[Ask]], Ask] | None = None) -> Run:
    """Return what becomes of the calls when they are protected, by *protect* or with nothing but the deadline set."""
    took, fine, errors = np.zeros(luck.calls), np.zeros(luck.calls, bool), Counter[str]()

    async def main() -> Service:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        service = Service(luck, lambda moment, what: loop.call_at(begin + moment, what))
        asks = [request(service, begin, endpoint) for endpoint in range(len(luck.world.endpoints))]
        call = (protect or protected)(luck, asks)

        async def one(number: int) -> None:
            began = loop.time()
            try:
                await call(number)
                fine[number] = True
            except (ub.errors.UnbreakableError, OSError) as error:  # ConnectionError and TimeoutError are of the latter
                errors[type(error).__name__] += 1
            took[number] = loop.time() - began

        tasks = list[asyncio.Task[None]]()
        for number, comes in enumerate(luck.comes.tolist()):
            await asyncio.sleep(begin + comes - loop.time())
            tasks.append(asyncio.ensure_future(one(number)))
        await asyncio.gather(*tasks)
        return service

    with virtual_time(luck.seed):
        service = asyncio.run(main())
    return Run(luck.comes, took, fine, np.asarray(service.made), np.asarray(service.begun), errors)


def request(service: Service, begin: float, endpoint: int) -> Ask:
    """Return the function that makes a request to that endpoint: the user's code, which is protected."""

    async def ask(number: int) -> None:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        service.ask(number, endpoint, loop.time() - begin, lambda fine: answer.done() or answer.set_result(fine))
        if not await answer:
            raise ConnectionError("no answer")

    return ask


def protected(luck: Luck, asks: list[Ask]) -> Ask:
    """Return the protected call: of one endpoint, or of a primary with a replica as its alternative."""
    deadline = luck.world.deadline
    if len(asks) == 1:
        protect = ub.protect("service", effects="none", deadline=deadline)
        return protect(asks[0])
    engine = ub.QuantumSimulationEngine()
    primary, replica = (lambda ctx, ask=ask: ask(ctx.input) for ask in asks)

    async def choose(number: int) -> None:
        how: dict[str, Any] = {"name": "service", "effects": "none", "deadline": deadline}
        await engine.execute_quantum(primary, number, alternatives={"replica": replica}, **how)

    return choose
