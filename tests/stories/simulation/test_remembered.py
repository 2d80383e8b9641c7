"""What a memory knows of a target is known of it at once: a decision rests on it, and says so."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


@pytest.fixture
def memory():
    """Return the memory of an engine that has made 400 calls, and is closed."""
    known, dice = ub.LocalMemory(), random.Random(1)

    async def partner() -> None:
        await ASYNCIO.sleep(0.05 * dice.lognormvariate(0.0, 0.5))

    async def story() -> None:
        engine = ub.QuantumSimulationEngine(memory=known)
        for _ in range(400):
            await engine.execute_quantum(partner, name="partner", effects="none", deadline=5.0)
        await engine.aclose()

    with virtual_time():
        asyncio.run(story())
        yield known


def test_before_the_first_call_the_memory_is_asked(memory):
    """Its decision is for what the calls are that it knows: with their effects and their deadline."""
    decision = ub.QuantumSimulationEngine(memory=memory).simulate("partner")

    assert 400 == decision.observations
    assert ("none", 5.0) == (decision.plan["effects"], decision.plan["deadline"])
    assert "from 400 attempts" in decision.explain()
    assert None is decision.model_age


def test_after_the_first_call_a_decision_rests_on_what_was_recalled(memory):
    """It has learned nothing itself yet; that was said of all, beside 400 observations."""
    engine = ub.QuantumSimulationEngine(memory=memory)
    before = engine.simulate("partner")
    engine.execute_quantum_sync(lambda: 1, name="partner", effects="none", deadline=5.0)

    told = engine.simulate("partner")
    assert "a guess" not in told.explain()
    assert (before.observations, before.winner) == (told.observations, told.winner)


def test_of_a_target_that_a_memory_does_not_know_there_is_a_guess(memory):
    """So there is where the memory fails."""

    class Broken(ub.LocalMemory):
        def get(self, target):
            raise OSError("gone")

    for each in (memory, Broken()):
        assert "from a guess" in ub.QuantumSimulationEngine(memory=each).simulate("another").explain()
