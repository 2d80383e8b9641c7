"""Nothing is raced while anything says that its target has too much to do, is down or is no longer what it was."""

from __future__ import annotations

import asyncio

from tests.racing import Ways, of, play, raced, sleep

import unbreakable as ub
from unbreakable.policies.rests import Rests


def test_nothing_is_raced_while_the_circuit_is_not_closed():
    """Open nothing is sent, and what looks whether the target is back, or comes back little by little, goes alone."""

    async def story(clock):
        ways, engine = Ways(primary=0.1, replica=0.2), ub.QuantumSimulationEngine()
        await ways.often(engine, 200, race=False)  # which earns what failures will cost
        assert await raced(ways, engine)
        of(engine).breaker.force_open()
        assert not await raced(ways, engine)
        of(engine).breaker.reset()
        ways.errors.update(primary=OSError(), replica=OSError())
        await ways.often(engine, 30)
        assert "open" == of(engine).breaker.state.value
        ways.errors.clear()
        await sleep(31.0)
        of(engine).target.rests = Rests()  # so that nothing else speaks against it
        assert not await raced(ways, engine)
        assert "closed" == of(engine).breaker.state.value
        assert any([await raced(ways, engine) for _ in range(60)])  # once the budget has recovered, too

    play(story)


def test_nothing_is_raced_while_a_target_wants_to_be_left_alone():
    """Once it has said for how long, it gets no copies until that is over, and a minute is, whoever it told."""

    class Busy(Exception):
        http_status, retry_after = 429, 20.0

    async def story(clock):
        ways, engine = Ways(primary=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 50, race=False)
        assert await raced(ways, engine)
        ways.errors["primary"] = Busy()
        asked = asyncio.ensure_future(ways.ask(engine))
        await sleep(1.0)
        ways.errors.clear()
        of(engine).target.rests = Rests()
        assert not await raced(ways, engine)
        await asked
        await sleep(20.0)
        assert not await raced(ways, engine)
        await sleep(40.0)
        assert await raced(ways, engine)

    play(story)


def test_a_way_that_failed_last_is_not_raced():
    """It has to work once by itself before it is asked for nothing."""

    async def story(clock):
        ways, engine = Ways(primary=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 50, race=False)
        ways.errors["primary"] = OSError()
        await ways.often(engine, 1, race=False)
        ways.errors.clear()
        assert not await raced(ways, engine)
        assert await raced(ways, engine)

    play(story)


def test_nothing_is_raced_after_a_drift_until_there_is_a_plan():
    """What was learned is no longer so, and a target that became slow may be one that has too much to do."""

    async def story(clock):
        ways, engine = Ways(primary=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 50, race=False)
        assert await raced(ways, engine)
        target = of(engine).target
        target.traffic, target.fold_at = type(target.traffic)(), 40  # as after an alarm
        target.adopt(target.cold)
        assert not await raced(ways, engine)
        await ways.often(engine, 90, race=False)
        assert target.plan.observations
        return await raced(ways, engine)

    assert play(story)
