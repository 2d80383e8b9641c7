"""Of those who wait for a circuit, one finds out whether the target is back: one who has the time for it."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize(("takes", "most"), [(0.15, 3), (2.0, 60)])
def test_a_probe_is_not_wasted_on_those_in_line_whose_deadline_is_near(takes, most):
    """One that ends without a verdict is followed by one with twice the time, until one can tell that all is well."""

    async def story():
        is_up = False

        async def work():
            await sleep(takes)
            if not is_up:
                raise ConnectionError

        door = ub.protect("target", effects="idempotent", breaker=ub.CircuitBreaker(wait=60.0))(work)

        async def call():
            outcome = await door.outcome()
            return type(outcome.error)

        for _ in range(5):
            await door.outcome()
        is_up, calls = True, []
        for _ in range(600):
            calls.append(asyncio.ensure_future(call()))
            await sleep(0.1)
        ends = await asyncio.gather(*calls)
        return ends.count(ub.errors.DeadlineExceeded), door.node.breaker.state.value

    with virtual_time():
        lost, state = asyncio.run(story())

    assert "closed" == state
    assert lost <= most
