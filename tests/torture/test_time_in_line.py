"""Who stands in line for a place has less time for the attempt; what that says of the target."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize(
    "policy", [{"bulkhead": ub.Bulkhead(4, wait=25.0)}, {"limit": ub.AdaptiveLimit(first=4, wait=25.0)}]
)
def test_a_circuit_hears_of_a_hang_behind_a_line(policy):
    """Who stood in line has less than the call's whole time for the attempt, and more than any answer takes."""

    @ub.protect("target", deadline=30.0, retry=False, **policy)
    async def hang():
        await sleep(3_600.0)

    async def call():
        return type((await hang.outcome()).error).__name__

    async def story():
        calls = []
        for _ in range(60):
            calls.append(asyncio.ensure_future(call()))
            await sleep(2.0)
        return Counter(await asyncio.gather(*calls))

    with virtual_time():
        ends = asyncio.run(story())

    assert ends["CircuitOpen"] > 30


def test_who_gets_little_time_behind_a_line_blames_nobody():
    """A target that answers all that it has time for is not left in peace for those that came too late."""

    @ub.protect("target", deadline=25.0, retry=False, bulkhead=ub.Bulkhead(10, wait=24.0))
    async def slow():
        await sleep(10.0)

    async def call():
        return type((await slow.outcome()).error).__name__

    async def story():
        first = Counter(await asyncio.gather(*(call() for _ in range(30))))
        return first, await call()

    with virtual_time():
        ends = asyncio.run(story())

    assert ({"NoneType": 20, "DeadlineExceeded": 10}, "NoneType") == ends
