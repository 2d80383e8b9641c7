"""Failures that come sooner than answers: the first five that are back are no outage while dozens are out."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen
from unbreakable.policies.states import State
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Target:
    """Answer after a second or so; fail at once where *fails* says so."""

    def __init__(self, fails):
        self.fails, self.asked = fails, 0

    async def __call__(self):
        self.asked += 1
        if self.fails(self.asked):
            await sleep(0.02)
            raise ConnectionError("reset")
        await sleep(1.0)


async def played(protected, calls, gap):
    """Return the outcomes of so many *calls*, one each *gap* seconds whatever becomes of those before."""
    tasks = []
    for _ in range(calls):
        tasks.append(asyncio.ensure_future(protected.outcome()))
        await sleep(gap)
    return await asyncio.gather(*tasks)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("options", [{"effects": "idempotent"}, {}, {"deadline": math.inf}])
def test_a_target_that_answers_nine_of_ten_is_not_shut_out(seed, options):
    """Cold, and from call to call, five failures in a row come back before the first answer does."""
    dice = random.Random(seed)
    target = Target(lambda number: dice.random() < 0.1)
    with virtual_time():
        outcomes = asyncio.run(played(ub.protect("partner", **options)(target.__call__), 1_500, 0.01))
    assert [] == [outcome for outcome in outcomes if isinstance(outcome.error, CircuitOpen)]


def test_one_that_fails_at_once_is_left_in_peace_after_five():
    """Nothing else is out that might be answered yet."""
    target = Target(lambda number: True)
    with virtual_time():
        protected = ub.protect("partner", retry=False)(target.__call__)
        asyncio.run(played(protected, 100, 0.1))
    assert 5 == target.asked
    assert State.OPEN is protected.node.breaker.state


def test_one_that_dies_under_its_calls_is_left_in_peace_once_as_many_have_failed():
    """Those that hang are as many as have to fail; then it opens, and not when they come to their end."""
    target = Target(lambda number: number > 1_000)

    async def call():
        if target.asked < 20:
            target.asked += 1
            await sleep(1e6)
        else:
            await Target.__call__(target)

    target.fails = lambda number: True
    with virtual_time():
        protected = ub.protect("partner", retry=False, deadline=30.0)(call)
        asyncio.run(played(protected, 100, 0.1))
    assert 40 == target.asked


@pytest.mark.parametrize(("options", "asked"), [({}, 610), ({"timeout": ub.Timeout(2.0), "retry": False}, 50)])
def test_one_that_hangs_is_left_in_peace_when_five_had_their_time(options, asked):
    """What went out after the first of them cannot have been answered sooner, and says nothing."""

    async def hang():
        target.asked += 1
        await sleep(1e6)

    target = Target(None)
    with virtual_time():
        asyncio.run(played(ub.protect("partner", **options)(hang), 1_000, 0.05))
    assert asked >= target.asked


def test_what_is_not_out_any_more_is_not_waited_for():
    """Callers went away: it is asked again who is out, with each twice as many failures."""
    target = Target(None)

    async def call():
        target.asked += 1
        if target.asked <= 300:
            await sleep(1e6)
        raise ConnectionError("down")

    async def story():
        protected = ub.protect("partner", retry=False)(call)
        burst = [asyncio.ensure_future(protected.outcome()) for _ in range(300)]
        await sleep(0.1)
        for _ in range(5):
            await protected.outcome()
        for task in burst:
            task.cancel()
        await asyncio.gather(*burst, return_exceptions=True)
        for _ in range(100):
            await protected.outcome()

    with virtual_time():
        asyncio.run(story())
    assert 310 == target.asked


def test_a_circuit_that_is_pinned_opens_at_its_number():
    """Who says five means five."""
    target = Target(lambda number: 20 < number <= 25)
    with virtual_time():
        protected = ub.protect("partner", retry=False, breaker=ub.CircuitBreaker(5))(target.__call__)
        outcomes = asyncio.run(played(protected, 30, 0.01))
    assert any(isinstance(outcome.error, CircuitOpen) for outcome in outcomes)
