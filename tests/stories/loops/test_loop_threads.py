"""An operation in a thread of its own may block it for ever; the loop goes on without it."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def block(seconds):
    """Hold the thread that long: nothing can end it."""
    time.sleep(seconds)  # noqa: TID251 - user code


def test_an_iteration_that_blocks_its_thread_is_left_behind_in_it(play):
    """The loop goes on with another thread at the next tick after the deadline."""

    async def story(stage):
        moments = []

        def work(ctx):
            moments.append(stage.now())
            if ctx.iteration == 1:
                block(60.0)

        loop = stage.engine.create_loop(work, interval=2.0, max_iterations=3, deadline=5.0, isolation="thread")
        loop.start()
        await stage.sleep(8.5)
        during = loop.get_status()
        await stage.wait(loop)
        await stage.sleep(60.0)
        return moments, during, loop.get_status()

    moments, during, after = play(story)

    assert [0.0, 6.0, 8.0] == moments
    assert (1, 0) == (during.left_behind, after.left_behind)
    assert "DeadlineExceeded: the deadline came 5.000 s into the attempt" == during.last_error


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
def test_a_thread_serves_iteration_after_iteration(play, asynchronous):
    """Its operation finds its context, its state, and its event loop as it left it."""

    async def story(stage):
        seen = []

        def work(ctx):
            ctx.state["runs"] = ctx.state.get("runs", 0) + 1
            block(1.0)
            seen.append((ctx.iteration, ctx.tick.number, ctx.state["runs"]))

        async def work_async(ctx):
            ctx.state.setdefault("loop", id(asyncio.get_running_loop()))
            await ASYNCIO.sleep(1.0)
            ctx.state["runs"] = ctx.state.get("runs", 0) + 1
            same = ctx.state["loop"] == id(asyncio.get_running_loop())
            seen.append((ctx.iteration, ctx.tick.number, ctx.state["runs"] if same else None))

        loop = stage.engine.create_loop(
            work_async if asynchronous else work, interval=2.0, max_iterations=3, isolation="thread"
        )
        loop.start()
        await stage.wait(loop)
        return seen, loop.get_status().performance

    seen, performance = play(story)

    assert [(1, 0, 1), (2, 1, 2), (3, 2, 3)] == seen
    assert (1.0, 1.0) == (performance.success_rate, pytest.approx(performance.avg_iteration_time))


def test_an_async_operation_may_block_in_a_thread_and_hold_up_nobody(play):
    """What would block an event loop blocks one that nobody else is on."""

    async def story(stage):
        moments = []

        async def work(ctx):
            block(5.0)

        async def other(ctx):
            moments.append(stage.now())

        stage.engine.create_loop(work, interval=10.0, isolation="thread").start()
        loop = stage.loop(other, name="other", max_iterations=5)
        loop.start()
        await stage.wait(loop)
        return moments

    assert [0.0, 1.0, 2.0, 3.0, 4.0] == play(story)


def test_a_hung_async_operation_in_a_thread_is_cancelled_and_its_thread_ends(play):
    """What awaits can be cancelled there, too."""

    async def story(stage):
        ends = []

        async def work(ctx):
            if ctx.iteration == 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    ends.append(stage.now())

        loop = stage.engine.create_loop(work, interval=2.0, max_iterations=2, deadline=5.0, isolation="thread")
        loop.start()
        await stage.wait(loop)
        return ends, loop.get_status().left_behind, loop.get_status().consecutive_errors

    assert ([5.0], 0, 0) == play(story)


@pytest.mark.parametrize(
    "error", [ValueError("broken"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError("my own")], ids=repr
)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
def test_whatever_is_raised_in_a_thread_is_a_failed_iteration(play, error, asynchronous):
    """Isolation does not change what an exception means."""

    async def story(stage):
        def work(ctx):
            if ctx.iteration == 1:
                raise error

        async def work_async(ctx):
            work(ctx)

        loop = stage.engine.create_loop(
            work_async if asynchronous else work, max_iterations=3, effects="once", isolation="thread"
        )
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert (3, 0) == (status.current_iteration, status.consecutive_errors)
    assert type(error).__name__ in status.last_error


def test_stopping_leaves_a_hung_thread_behind_and_ends_the_loop(play):
    """Nobody waits for a thread that blocks; nothing of it is repeated."""

    async def story(stage):
        begun = []

        def work():
            begun.append(stage.now())
            block(60.0)

        loop = stage.engine.create_loop(work, deadline=math.inf, effects="idempotent", isolation="thread")
        loop.start()
        await stage.sleep(1.0)
        stopped = await stage.stop(loop, grace=3.0)
        ended = stage.now()
        loop.start()
        await stage.sleep(1.0)
        return stopped, ended, begun, await stage.stop(loop, grace=0.0)

    assert (True, 4.0, [0.0, 4.0], True) == play(story)


def test_an_operation_in_a_thread_may_stop_its_own_loop(play):
    """It is told apart from somebody who would wait for itself."""

    async def story(stage):
        def work():
            answers.append(loop.stop_sync())

        answers = []
        loop = stage.engine.create_loop(work, isolation="thread")
        loop.start()
        await stage.wait(loop)
        return answers, loop.state

    assert ([False], LoopState.STOPPED) == play(story)


def test_a_loop_that_ended_holds_no_thread(play):
    """Its thread ends with it."""

    async def story(stage):
        loop = stage.engine.create_loop(lambda: None, max_iterations=1, isolation="thread")
        loop.start()
        await stage.wait(loop)
        return [path._worker for path in loop._work.paths.every()], loop._work.left_behind

    assert ([None], 0) == play(story)


def test_a_cancellation_from_outside_ends_a_loop_whose_operation_blocks_a_thread():
    """The end of an event loop does not wait for what cannot be cancelled."""
    engine = QuantumLoopEngine()

    async def main():
        loop = engine.create_loop(lambda: block(60.0), deadline=math.inf, isolation="thread")
        loop.start()
        await ASYNCIO.sleep(1.0)
        return loop

    with virtual_time() as clock:
        loop = asyncio.run(main())

        assert (1.0, LoopState.STOPPED, 1) == (clock.now(), loop.state, loop.get_status().left_behind)
        clock.advance(60.0)
        assert 0 == loop.get_status().left_behind
