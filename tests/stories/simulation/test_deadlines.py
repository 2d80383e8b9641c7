"""A job has the time that its caller gives it, and strategies are weighed for that."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def test_it_comes_when_it_was_said_to():
    """In async and in plain code; the next call of the same job has its own."""
    engine = ub.QuantumSimulationEngine()
    how = {"name": "slow", "effects": "idempotent"}

    async def main():
        for deadline, expected in ((0.5, 0.5), (None, 30.0)):
            began = ASYNCIO.now()
            with pytest.raises(ub.errors.DeadlineExceeded):
                await engine.execute_quantum(lambda: sleep(100.0), deadline=deadline, **how)
            assert expected == pytest.approx(ASYNCIO.now() - began, abs=0.01)

    with virtual_time():
        asyncio.run(main())

        def fail():
            run_blocking(BLOCKING.sleep(0.3))
            raise ConnectionError("down")

        began = BLOCKING.now()
        with pytest.raises(ConnectionError):
            engine.execute_quantum_sync(fail, deadline=0.5, **how)
        assert 0.3 <= BLOCKING.now() - began < 0.7


def test_what_hangs_is_rescued_in_time():
    """One call in a hundred hangs, and there is a tenth of a second: all that the plan is made for are answered."""
    engine, dice, asked = ub.QuantumSimulationEngine(), random.Random(3), []

    async def ask():
        asked.append(1)
        await sleep(1_000.0 if dice.random() < 0.01 else 0.01)
        return "answer"

    async def main(deadline):
        ended = []
        for _ in range(1_500):
            began = ASYNCIO.now()
            try:
                ended.append(await engine.execute_quantum(ask, name="partner", effects="none", deadline=deadline))
            except ub.errors.DeadlineExceeded:
                ended.append("late")
            assert ASYNCIO.now() - began < 0.11
        return ended[500:].count("late")

    with virtual_time(3):
        assert 0 == asyncio.run(main(0.1))
    assert len(asked) < 1.1 * 1_500  # though all others take just as long: a copy is none for each of them


@pytest.mark.parametrize("deadline", [0, -1.0, math.nan, "2 s", [1.0], True])
def test_what_is_no_time_is_refused(deadline):
    """Before anything is executed."""
    engine = ub.QuantumSimulationEngine()

    with pytest.raises(ub.errors.ConfigurationError, match="deadline must be more than 0 seconds"):
        engine.execute_quantum_sync(lambda: 1, deadline=deadline)
    assert 0 == engine.get_quantum_stats().total_executions
