"""Who asks how long he has is told no guess that he could fail by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal.target import COLD
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
NO_INCOME = {"ratio": 0.0, "floor": 0.0}


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


class Service:
    """Answer after ``latency`` seconds; who asks keeps to what remains."""

    def __init__(self) -> None:
        self.latency, self.told = 0.01, []

    async def ask(self) -> None:
        self.told.append(ub.current().remaining())
        async with asyncio.timeout(self.told[-1]):
            await sleep(self.latency)


# ── async ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def learned(call: Any) -> None:
    for _ in range(2 * COLD):
        await call()
    await sleep(0.001)
    assert 0.5 == call.node.get_status().plan["timeout"]


@pytest.mark.parametrize("form", ["plain", "outcome"])
@pytest.mark.parametrize("seconds", [2.0, 20.0])
def test_async_code_that_keeps_to_what_remains_does_not_fail_by_a_learned_limit(seconds, form):
    """Twenty calls meet a service that became slow, and a budget for ten repeats: all are answered."""
    service = Service()
    call = ub.protect("partner", effects="none", budget=ub.RetryBudget(**NO_INCOME))(service.ask)

    async def main():
        await learned(call)
        service.latency = seconds
        await asyncio.gather(*(call() if form == "plain" else call.outcome() for _ in range(20)))

    asyncio.run(main())

    assert ("closed", 0) == (call.node.get_status().breaker, call.node.get_status().failure_count)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_on_an_event_loop_nobody_is_told_of_a_guess(form):
    """The watch cuts when a learned limit is due; what remains is the time to the deadline."""
    service = Service()
    call = ub.protect("partner", effects="none", deadline=9.0)(service.ask)

    async def main():
        await learned(call)
        await (call() if form == "plain" else call.outcome())

    asyncio.run(main())

    assert [9.0] * 5 == pytest.approx(service.told[-5:], abs=0.01)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_who_is_cut_by_a_learned_limit_has_no_time_left(form):
    """An operation that looks what ended it finds its own time up, though the call goes on."""
    left, latency = [], [0.01]

    @ub.protect("partner", effects="none", hedge=False)
    async def call():
        try:
            await sleep(latency[0])
        except asyncio.CancelledError:
            left.append(ub.current().remaining())
            latency[0] = 0.01
            raise

    async def main():
        await learned(call)
        latency[0] = 9.0
        await (call() if form == "plain" else call.outcome())

    asyncio.run(main())

    assert [True] == [seconds <= 0.0 for seconds in left]
