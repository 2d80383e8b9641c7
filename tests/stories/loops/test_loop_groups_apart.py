"""Loops of one group may run anywhere: on event loops, in threads, or on one event loop after the other."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from unbreakable.loops import QuantumLoopEngine
from unbreakable.loops.events import LoopRestarted
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time


def group_of(engine, hangs=(2,)):
    """Return loops on event loops, in a thread of their own, and one that hangs in some of its iterations."""
    group, told = engine.create_group("family", strategy="one_for_all"), []
    settings = {"group": group, "interval": 10.0, "effects": "once"}

    async def waits(ctx):
        ctx.state["begun"] = ctx.state.get("begun", 0) + 1
        await ASYNCIO.sleep(5.0)
        ctx.state["ended"] = ctx.state["begun"]

    def hang(ctx):
        if ctx.iteration in hangs:
            BLOCKING.world.sleep(1e6)

    sick = engine.create_loop(hang, name="sick", isolation="thread", deadline=1.0, **settings)
    one = engine.create_loop(waits, name="one", **settings)
    two = engine.create_loop(waits, name="two", **settings)
    for loop in (sick, one, two):
        loop.node.on(LoopRestarted, lambda event: told.append((event.node, event.by)))
    return group, (sick, one, two), told


def test_loops_on_different_event_loops_and_threads_are_restarted_together():
    """Whoever is the last to end, wherever that is, makes all anew."""
    with virtual_time():
        engine = QuantumLoopEngine()
        _, (sick, one, two), told = group_of(engine)

        async def main():
            one.start()
            await ASYNCIO.sleep(35.0)
            await engine.aclose()

        sick.start()
        two.start()
        asyncio.run(main())

    assert [(name, "sick") for name in ("sick", "one", "two")] == told
    for loop in (one, two):
        status = loop.get_status()
        assert (1, 1) == (status.restarts, status.ledger.interrupted)
        assert status.ledger.run >= 2
        assert loop._work.slate.verified_state["begun"] == loop._work.slate.verified_state["ended"]


def test_a_loop_whose_event_loop_was_closed_under_it_holds_up_nobody():
    """It was at work, and will never end: the others wait for its grace, and it begins anew elsewhere."""
    with virtual_time() as clock:
        engine = QuantumLoopEngine()
        group, (sick, one, two), told = group_of(engine, hangs=(2, 6))
        event_loop = asyncio.new_event_loop()

        async def main():
            one.start()
            await ASYNCIO.sleep(2.0)

        event_loop.run_until_complete(main())
        task = one.life.carrier._task
        event_loop.close()
        sick.start()
        two.start()
        clock.advance(25.0)
        before = list(told)
        one.start()
        task._log_destroy_pending = False  # asyncio would complain of what this test does on purpose
        del task
        clock.advance(72.0)
        statuses = [loop.get_status() for loop in (sick, one, two)]
        busy = [loop._work.member.busy for loop in (sick, one, two)]
        engine.aclose_sync()

    assert [("sick", "sick"), ("two", "sick")] == before
    assert [(name, "sick") for name in ("sick", "one", "two")] == told[2:]
    assert [2, 1, 2] == [status.restarts for status in statuses]
    assert [0, 1, 0] == busy
    assert 2 == group.get_status().restarts


@pytest.mark.parametrize("is_async", [True, False])
def test_an_iteration_leaves_nothing_to_the_collector(is_async):
    """What may cut it lets go of it at its end: a circle for each would be many in a day."""

    async def wait(ctx):
        await ASYNCIO.sleep(0.0)

    def left_by(iterations):
        engine = QuantumLoopEngine()
        group = engine.create_group("family")
        loop = engine.create_loop(
            wait if is_async else print_nothing, interval=0.0, max_iterations=iterations, group=group
        )

        async def main():
            loop.start()
            await loop.wait()

        gc.collect()
        gc.disable()
        try:
            if is_async:
                asyncio.run(main())
            else:
                loop.start()
                loop.wait_sync()
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return Counter(type(each).__name__ for each in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    with virtual_time():
        left_by(10)
        few, many = left_by(10), left_by(210)

    assert many.total() - few.total() < 100, f"more than one for two iterations: {(many - few).most_common(9)}"


def print_nothing(ctx):
    """Do nothing."""
