"""An iteration that hangs in the loop itself costs its deadline; the loop goes on without it."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest

from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.loops.events import IterationLeftBehind
from unbreakable.loops.strays import MOST
from unbreakable.runtime import ASYNCIO, TimeUp
from unbreakable.testing import virtual_time


async def swallow(seconds):
    """Take that long, however often somebody cancels it."""
    until = ASYNCIO.now() + seconds
    while ASYNCIO.now() < until:
        with contextlib.suppress(asyncio.CancelledError):
            await ASYNCIO.sleep(until - ASYNCIO.now())


awaited = pytest.mark.parametrize("play", ["event loop", "thread with event loop"], indirect=True)


@awaited
def test_an_iteration_that_swallows_its_cancellation_is_left_behind(play):
    """Half a second after its deadline the loop goes on, on its grid, and the hung one hangs on its own."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            if ctx.iteration == 1:
                await swallow(60.0)

        loop = stage.loop(work, interval=2.0, max_iterations=4, deadline=5.0)
        heard = []
        loop.node.on(IterationLeftBehind, heard.append)
        loop.start()
        await stage.sleep(10.5)
        during = loop.get_status()
        await stage.wait(loop)
        await stage.sleep(60.0)
        return moments, during, loop.get_status(), [event.count for event in heard]

    moments, during, after, heard = play(story)

    assert [0.0, 6.0, 8.0, 10.0] == moments
    assert (1, 0) == (during.left_behind, after.left_behind)
    assert "left behind" in during.last_error
    assert 0.75 == after.performance.success_rate
    assert [1] == heard


@awaited
def test_what_was_left_behind_does_not_keep_the_loop_from_its_end(play):
    """A loop whose iterations are done has ended, and starts again, whatever still hangs of them."""

    async def story(stage):
        stuck = [True]

        async def work():
            while stuck:
                await swallow(5.0)

        loop = stage.loop(work, interval=2.0, max_iterations=2, deadline=5.0)
        loop.start()
        with contextlib.suppress(TimeUp):
            await stage.runtime.within(60.0, lambda: stage.wait(loop))
        first, ended_at = loop.state, stage.now()
        stuck.clear()
        loop.start()
        await stage.wait(loop)
        return first, ended_at, loop.get_status()

    first, ended_at, after = play(story)

    assert LoopState.FINISHED == first
    assert 11.5 <= ended_at <= 12.5
    assert (LoopState.FINISHED, 4) == (after.state, after.current_iteration)


def test_what_an_iteration_has_open_is_closed_before_its_loop_has_ended():
    """A program that ends when its loop does has given back what its generators hold."""
    kept, closed = [], []

    async def rows():
        try:
            yield 1
        finally:
            await asyncio.sleep(0.2)  # noqa: TID251 - virtual
            closed.append(1)

    async def work():
        kept.append(rows())
        await anext(kept[-1])

    with virtual_time(), QuantumLoopEngine() as engine:
        engine.create_loop(work, interval=0.0, max_iterations=1).start()
        engine.run()
        assert [1] == closed


@awaited
def test_iterations_left_behind_are_bounded(play):
    """When too many hang the loop only probes, and gives up the oldest for it; it is itself again when they end."""

    async def story(stage):
        begun, stuck = [], [True]

        async def work(ctx):
            begun.append(stage.now())
            if stuck:
                await swallow(5_000.0)

        loop = stage.loop(work, interval=1.0, deadline=0.5, effects="once")
        loop.start()
        await stage.sleep(3_000.0)
        during, hung = loop.get_status(), len(begun)
        stuck.clear()
        await stage.sleep(6_000.0)
        after = loop.get_status()
        await stage.stop(loop)
        return during, hung, after, stage.runtime

    during, hung, after, _ = play(story)

    assert 3_000 / 17 < hung < 3_000 / 16 + MOST
    assert (MOST, hung - MOST) == (during.left_behind, during.given_up)
    assert (True, True) == (during.surviving, during.is_running)
    assert (0, 0, False) == (after.left_behind, after.consecutive_errors, after.surviving)


@awaited
def test_the_substitute_runs_though_too_many_iterations_hang(play):
    """What the operation holds is no reason to keep the substitute from its work."""

    async def story(stage):
        cared = []

        async def work(ctx):
            await swallow(1e6)

        async def care(ctx):
            cared.append(stage.now())

        loop = stage.loop(work, interval=1.0, deadline=0.5, effects="once", on_survival=care)
        loop.start()
        await stage.sleep(600.0)
        status = loop.get_status()
        await stage.stop(loop)
        return len(cared), status

    cared, status = play(story)

    assert (True, MOST) == (status.surviving, status.left_behind)
    assert cared >= 10
    assert 0.0 == status.performance.success_rate


@awaited
def test_an_iteration_left_behind_cannot_reach_the_state(play):
    """What it still writes is its own; the loop goes on with what was verified."""

    async def story(stage):
        seen = []

        async def work(ctx):
            if ctx.iteration == 2:
                ctx.state["numbers"].append("begun")
                await swallow(20.0)
                ctx.state["numbers"].append("late")
            else:
                ctx.state.setdefault("numbers", []).append(ctx.iteration)
                seen.append(list(ctx.state["numbers"]))

        loop = stage.loop(work, interval=10.0, max_iterations=4, deadline=5.0)
        loop.start()
        await stage.wait(loop)
        return seen

    assert [[1], [1, 3], [1, 3, 4]] == play(story)


@awaited
def test_one_left_behind_that_ends_does_not_count_again(play):
    """Its end is nobody's news: it was counted when it was cut."""

    async def story(stage):
        async def work(ctx):
            if ctx.iteration == 1:
                await swallow(7.5)
                raise ValueError("late")
            await stage.work_for(5.0)

        loop = stage.loop(work, interval=1.0, max_iterations=2, deadline=6.0)
        loop.start()
        await stage.sleep(9.0)
        during = loop.get_status()
        await stage.wait(loop)
        return during, loop.get_status()

    during, after = play(story)

    assert "left behind" in during.last_error
    assert (0.5, 0) == (after.performance.success_rate, after.consecutive_errors)


@awaited
def test_a_loop_stopped_in_a_hang_ends_with_it(play):
    """Stopping cuts it before its deadline."""

    async def story(stage):
        async def work(ctx):
            await asyncio.Event().wait()

        loop = stage.loop(work, deadline=math.inf)
        loop.start()
        await stage.sleep(1.0)
        return await stage.stop(loop, grace=3.0), stage.now(), loop.state

    assert (True, 4.0, LoopState.STOPPED) == play(story)


@awaited
def test_an_operation_that_cancels_its_own_task_ends_its_iteration_only(play):
    """An iteration has a task of its own."""

    async def story(stage):
        async def work(ctx):
            if ctx.iteration == 1:
                asyncio.current_task().cancel()
                await stage.work_for(1.0)

        loop = stage.loop(work, max_iterations=3)
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert (LoopState.FINISHED, 3, 0) == (status.state, status.current_iteration, status.consecutive_errors)
    assert "CancelledError" in status.last_error
