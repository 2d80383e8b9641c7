"""Who is told of the end of a call is where its caller is, also when its first attempt is still under way."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize("second", [0.0, 1.0])
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_listener_finds_the_call_around_the_one_that_was_overtaken(second, form):
    """The first attempt is late, another one overtakes it; whoever notes that for the call around needs its input."""
    begun, told = [], []

    @ub.protect("partner", effects="idempotent", timeout=ub.Timeout(2.0, learned=True), breaker=False)
    async def ask():
        begun.append(1)
        await sleep(3_600.0 if len(begun) == 1 else second)
        return "answer"

    ask.node.on(ub.events.Healed, lambda event: told.append((ub.current().node.name, ub.current().input)))
    step = ub.FractalNode("step", lambda ctx: ask() if form == "plain" else ask.outcome(), effects="idempotent")

    with virtual_time():
        outcome = asyncio.run(step.execute(context={"booking": "b-1"}))

    assert outcome.ok
    assert [("step", {"booking": "b-1"})] == told
