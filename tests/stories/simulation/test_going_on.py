"""First attempts that go on when they have lost hold places of their target: few of them, and not for long."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from tests.pinned import Pinned

import unbreakable as ub
from unbreakable.policies import Hedge, Plan, Retry
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
FAST, AFTER, DEADLINE = 0.01, 0.02, 60.0


@pytest.fixture
def all_go_on(monkeypatch):
    monkeypatch.setattr("unbreakable.simulation.jobs.RUN_ON", 1.0)


def copying() -> Pinned:
    """Return an engine that sends a copy after 20 ms, and learns nothing else."""
    hedge = Hedge(AFTER, threads=False)
    return Pinned(Plan(effects="none", deadline=DEADLINE, budget=None, hedge=hedge, retry=Retry(2)))


def asked(places: int, deadline: float | None, calls: int = 1_500) -> list[float]:
    """Return how long calls took, 50 a second, at a target with so many *places*, of which 3 of 100 requests hang."""
    engine, pool, dice, took = ub.QuantumSimulationEngine(), asyncio.Semaphore(places), random.Random(2), list[float]()

    async def ask() -> None:
        async with pool:
            await sleep(10_000.0 if dice.random() < 0.03 else 0.02)

    async def one() -> None:
        began = ASYNCIO.now()
        await engine.execute_quantum(ask, effects="none", deadline=deadline)
        took.append(ASYNCIO.now() - began)

    async def story() -> None:
        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.create_task(one()))
            await sleep(0.02)
        await sleep(60.0)  # more than any may take
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with virtual_time():
        asyncio.run(story())
    return sorted(took)


@pytest.mark.parametrize(("places", "deadline"), [(10, None), (4, None), (10, math.inf)])
def test_measuring_leaves_the_places_of_a_small_pool_to_the_calls(places, deadline):
    """Where requests hang, those that were let go on held eight places of ten until the deadline, or for ever."""
    took = asked(places, deadline)

    assert 1_500 == len(took)
    assert 0.1 > took[1_350]


@pytest.mark.usefixtures("all_go_on")
def test_calls_that_lose_together_let_no_more_go_on_than_those_that_lose_one_by_one():
    """Each of them had found room when it began."""
    engine, ended = copying(), []

    async def target(ctx: ub.Context) -> None:
        await sleep(FAST if ctx.rival else 1.0)
        ended.append(ctx.rival)

    async def story() -> None:
        await asyncio.gather(*(engine.execute_quantum(target, effects="none") for _ in range(5)))
        await sleep(2.0)

    with virtual_time():
        asyncio.run(story())
    assert engine.job.running.most == ended.count(0)


@pytest.mark.usefixtures("all_go_on")
def test_what_hangs_is_waited_for_once_in_a_while_only():
    """One that had not ended after a hundred times as long as its call leaves the next ones three times the usual."""
    engine, places = copying(), list[tuple[float, float]]()

    async def target(ctx: ub.Context) -> None:
        began = ASYNCIO.now()
        try:
            await sleep(FAST if ctx.rival or not ctx.input else 10 * DEADLINE)
        finally:
            if not ctx.rival and ctx.input:
                places.append((began, ASYNCIO.now() - began))

    async def story() -> None:
        for number in range(200):
            await engine.execute_quantum(target, number % 10 == 9, effects="none")
            await sleep(1.0)

    with virtual_time():
        asyncio.run(story())
    began, longest = max(places, key=lambda place: place[1])
    assert pytest.approx(100 * (AFTER + FAST)) == longest
    assert all(seconds < 0.1 for begins, seconds in places if began < begins < began + 20 * longest)
    assert 2 < sum(seconds == pytest.approx(longest) for _, seconds in places) < 6
    alone = engine.job.pairs._piles[1]
    assert 20 == sum(seconds == math.inf for seconds in alone)
