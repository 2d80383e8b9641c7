"""Iterations on an event loop that never wait have no task of their own, and are iterations like all others."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


async def test_all_others_have_their_turn_between_two_of_them():
    """A loop that never waits keeps nobody from the event loop."""
    done, seen = [], []

    async def work():
        done.append(1)

    loop = ub.QuantumLoopEngine().create_loop(work, name="busy", interval=0, max_iterations=200)
    loop.start()
    while loop.is_running:
        seen.append(len(done))
        await asyncio.tasks.sleep(0)
    assert len(set(seen)) >= 100
    assert 200 == len(done)


def test_one_that_hangs_after_many_that_did_not_is_cut_at_its_deadline():
    """What was begun in the name of a task that stood by is left behind as any other."""
    ran = []

    async def work(ctx):
        ran.append(ctx.iteration)
        while ctx.iteration == 20 and ran.count("cancelled") < 3:  # it would not even heed the end of its event loop
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ran.append("cancelled")

    async def main():
        loop = ub.QuantumLoopEngine().create_loop(
            work, name="hangs", interval=1.0, deadline=2.0, max_iterations=25, effects="once"
        )
        loop.start()
        await loop.wait()
        return loop.get_status()

    with virtual_time():
        status = asyncio.run(main())
    assert 5 == len([number for number in ran if number != "cancelled" and number > 20])
    assert "cancelled" in ran
    assert (24, 1) == (status.ledger["run"], status.ledger["failed"])


@pytest.mark.parametrize("leave", ["stops", "is cancelled"])
async def test_when_the_loop_ends_no_task_of_it_is_left(leave):
    """Neither one that stood by."""

    async def work():
        pass

    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(work, name="leaves", interval=0)
    loop.start()
    while loop.get_status().current_iteration < 10:
        await asyncio.tasks.sleep(0)
    if leave == "stops":
        await loop.stop()
    else:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    await loop.wait()
    await asyncio.tasks.sleep(0)
    assert {asyncio.current_task()} == asyncio.all_tasks()
