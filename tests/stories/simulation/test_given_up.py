"""What was not waited for is known all the same: it would have taken longer than that."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
QUICK, HANG, PATIENCE = 0.1, 1000.0, 5.0
CALLS, EVERY = 600, 5  # every fifth call hangs


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


def target(hangs):
    """Return work that is quick, but hangs where *hangs* says so of its number."""
    numbers = iter(range(10**6))

    async def work():
        await sleep(HANG if hangs(next(numbers)) else QUICK)

    return work


def known(memory, name="target"):
    """Return what an engine that has the same memory predicts of calls that wait for as long as it takes."""
    waits = ub.Strategy("waits", retry=False, timeout=False, hedge=False)
    engine = ub.QuantumSimulationEngine(universe_count=8, memory=memory, strategies=[waits])
    asyncio.run(engine.execute_quantum(target(lambda number: False), name=name, effects="none"))
    universes = {universe.strategy: universe.prediction for universe in engine.simulate(name).universes}
    return universes["waits"]


async def given_up(call):
    try:
        await asyncio.wait_for(call(), PATIENCE)
    except TimeoutError:
        return 1
    return 0


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_calls_that_their_callers_gave_up_count_as_longer(form):
    """One call in five that is cancelled at 5 s is one in five that takes longer, not four in four that take 0.1 s."""
    memory = ub.LocalMemory()
    options = {"timeout": False, "hedge": False, "retry": False, "deadline": 10 * HANG}
    door = ub.protect("target", effects="none", memory=memory, **options)(target(lambda number: number % EVERY == 0))

    async def story():
        return sum([await given_up(door if form == "plain" else door.outcome) for _ in range(CALLS)])

    cancelled = asyncio.run(story())
    door.node.aclose_sync()
    prediction = known(memory)

    assert CALLS // EVERY == cancelled
    assert CALLS <= memory.summary().learnings
    assert prediction.p50 == pytest.approx(QUICK, rel=0.05)
    assert prediction.success == pytest.approx(1 - 1 / EVERY, abs=0.02)
    assert (CALLS - cancelled, 0) == (door.node.get_status().success_count, door.node.get_status().failure_count)


def test_copies_that_lost_their_race_count_as_longer():
    """An attempt that was still under way when its copy came back says that the target hangs now and then."""
    memory = ub.LocalMemory()
    options = {"timeout": False, "hedge": ub.Hedge(after=PATIENCE), "budget": False, "deadline": 10 * HANG}
    door = ub.protect("target", effects="none", memory=memory, **options)(target(lambda number: number % EVERY == 0))

    async def story():
        for _ in range(CALLS):
            await door()

    asyncio.run(story())
    door.node.aclose_sync()
    losers = memory.summary().learnings - CALLS
    prediction = known(memory)

    assert losers == pytest.approx(CALLS / (EVERY - 1), rel=0.05)
    assert CALLS == door.node.get_status().success_count
    assert prediction.p50 == pytest.approx(QUICK, rel=0.05)
    assert prediction.success == pytest.approx(1 - 1 / (EVERY - 1), abs=0.02)  # of first attempts: no copy hangs
