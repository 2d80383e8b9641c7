"""Event loops are closed over calls whose tasks somebody holds, as Python tells its users to: a set of them, say."""

from __future__ import annotations

import asyncio

import pytest
from tests.torture.test_closed_loops import forever, partner_whose_first_mending_hangs

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


async def ok():
    return "ok"


def held_in(*calls):
    """Begin *calls* on an event loop, and close that in the middle of them; return their tasks."""

    async def story():
        begun = {asyncio.ensure_future(call) for call in calls}
        for each in begun:
            each._log_destroy_pending = False
        await ASYNCIO.sleep(0.02)
        return begun

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(story())
    finally:
        loop.close()


class Held:
    """One call of a target with one place, and as that goes wrong."""

    def __init__(self, sort):
        self.sort, options = sort, {"bulkhead": ub.Bulkhead(1), "effects": "none", "breaker": False}
        self.block = lambda: ub.attempts("held", **options)
        function = self.items if sort == "items" else self.work
        self.door = ub.protect("held", hedge=ub.Hedge(0.001) if sort == "hedged" else None, **options)(function)
        self.gate = self.block().node.target.gate if sort == "block" else self.door.node.target.gate

    async def work(self, work):
        return await work()

    async def items(self, work):
        yield await work()
        yield 2

    async def call(self, work):
        if self.sort == "block":
            async for attempt in self.block():
                async with attempt:
                    return await work()
        if self.sort == "items":
            return [item async for item in self.door(work)]
        return await self.door(work)


@pytest.mark.parametrize("sort", ["plain", "hedged", "block", "items"])
def test_a_place_comes_back_from_a_closed_event_loop_whose_tasks_somebody_holds(sort):
    """As a set of background tasks does: the collector never finds them, and the place was taken for ever."""
    job, cleaned = Held(sort), []

    async def hangs():
        try:
            await forever()
        finally:
            cleaned.append(sort)
            if sort in {"plain", "block"}:
                await ASYNCIO.sleep(0)  # which nobody can wait for any more

    held = held_in(job.call(hangs))
    assert 1 == job.gate.inside

    assert "ok" in asyncio.run(job.call(ok))
    assert (0, 1, {sort}) == (job.gate.inside, len(held), set(cleaned))


def test_the_turn_of_a_remedy_comes_back_from_a_closed_event_loop_whose_tasks_somebody_holds():
    """The next call applies it at once: each one waited out its deadline for a turn that nobody took."""
    node, _ = partner_whose_first_mending_hangs()
    held = held_in(node.execute())

    with virtual_time() as clock:
        outcome = asyncio.run(node.execute())
        assert ("flights", 0.0, 1) == (outcome.value, clock.now(), len(held)), outcome.explain()


def test_tasks_of_a_closed_event_loop_that_are_in_no_call_are_left_as_they_are():
    """Whoever holds them may look where they stand; they have none of our places."""
    job = Held("plain")
    held = held_in(job.call(forever), forever())
    asyncio.run(job.call(ok))

    assert [False, True] == sorted(each.get_coro().cr_frame is not None for each in held)


def test_a_race_that_an_event_loop_was_closed_over_ends_quietly():
    """Whoever ends it, as the collector does, is not told that the loop is closed."""
    job = Held("hedged")
    for task in held_in(job.call(forever)):
        task.get_coro().close()
    assert 0 == job.gate.inside
