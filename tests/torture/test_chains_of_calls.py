"""Calls that are begun inside others, in tasks, and outlive them: those that are over are not kept."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

import unbreakable as ub
from unbreakable.policies import Context, Plan, deeds
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep
MANY = 60


@pytest.mark.parametrize("how", ["call", "outcome"])
@pytest.mark.parametrize("inside_another", [False, True])
def test_a_chain_of_calls_keeps_only_those_that_go_on(how, inside_another):
    """However many runs there were, each begun in the one before, those that are over are garbage."""
    known, tasks = weakref.WeakSet(), []

    @ub.protect("job", hedge=False)
    async def job(number):
        known.add(ub.current())
        if number < MANY:
            tasks.append(asyncio.create_task((job.outcome if how == "outcome" else job)(number + 1)))
        for _ in range(3):  # until the next one has begun
            await sleep(0)
        if number == MANY:
            gc.collect()
        return len(known)

    async def story():
        left = await job(0)
        while tasks:  # more come up meanwhile
            left = await tasks.pop(0)
        return left if how == "call" else left.value

    assert 10 > asyncio.run(ub.protect("around", hedge=False)(story)() if inside_another else story())


def over(above):
    """Return a call inside the one *above* that has ended before it."""
    scope = Context()
    scope.live, scope.above, scope.plan = False, above, Plan()
    return scope


def test_what_a_call_was_part_of_is_forgotten_once_both_are_over():
    """Above a call that is over is the nearest one that is not; while that goes on it stays where it is."""
    outermost, inner = Context(), Context()
    inner.above = over(over(outermost))
    inner.end()

    assert outermost is inner.above

    outermost.live = False
    inner.end()

    assert inner.above is None


def test_what_is_left_at_work_is_known_to_who_still_may_wait_for_it():
    """A call inside one that is over tells the nearest one that is not of what it has left, and that alone keeps it."""
    outermost, at_work, inner = Context(), Context(), Context()
    between = over(outermost)
    inner.above, inner.plan, at_work.plan = between, Plan(), Plan()
    outermost.deeds.left.add(between)
    inner.deeds.at_work.add(at_work)
    deeds.tell_outside(inner)

    assert (True, set()) == (at_work in outermost.deeds.left, between.deeds.left)

    outermost.deeds.take(outermost.deeds)

    assert {at_work} == outermost.deeds.left
