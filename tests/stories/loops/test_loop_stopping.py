"""How a loop ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math

import pytest

from unbreakable.errors import Rejected
from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.runtime import run_blocking

# ── stopping ────────────────────────────────────────────────────────────────────────────────


def test_stops_at_once_while_it_waits(play):
    """Nobody waits for a tick that will not be run."""

    async def story(stage):
        async def work(ctx):
            pass

        loop = stage.loop(work, interval=3600.0)
        loop.start()
        await stage.sleep(1.0)
        stopped = await stage.stop(loop)
        return stopped, stage.now(), loop.state

    assert (True, 1.0, LoopState.STOPPED) == play(story)


def test_lets_the_iteration_in_progress_finish(play):
    """Stopping is orderly as long as the grace lasts."""

    async def story(stage):
        done = []

        async def work(ctx):
            await stage.work_for(4.0)
            done.append(stage.now())

        loop = stage.loop(work, interval=1.0)
        loop.start()
        await stage.sleep(1.0)
        stopped = await stage.stop(loop)
        return stopped, done, stage.now(), loop.get_status().performance.success_rate

    assert (True, [4.0], 4.0, 1.0) == play(story)


def test_cancels_the_iteration_that_outlasts_the_grace(play):
    """Where it can be cancelled it is; a thread is left behind, which the answer says."""

    async def story(stage):
        ends = []

        async def work(ctx):
            try:
                await stage.work_for(60.0)
            finally:
                ends.append(stage.now())

        loop = stage.loop(work, interval=1.0)
        loop.start()
        await stage.sleep(1.0)
        stopped = await stage.stop(loop, grace=5.0)
        return stage.can_cancel, stopped, ends, stage.now(), loop.state

    can_cancel, *ending = play(story)

    assert ending == ([True, [6.0], 6.0, LoopState.STOPPED] if can_cancel else [False, [], 7.0, LoopState.STOPPING])


def test_an_iteration_that_cannot_be_stopped_holds_up_nobody_and_is_not_overlapped(play):
    """Whoever swallows cancellation is left behind; the loop says so and cannot be started over it."""

    async def story(stage):
        over = []

        async def work(ctx):
            until = stage.clock.now() + 60.0
            while stage.clock.now() < until:
                with contextlib.suppress(asyncio.CancelledError):
                    await stage.work_for(until - stage.clock.now())
            over.append(stage.now())

        loop = stage.loop(work, interval=1.0)
        loop.start()
        await stage.sleep(1.0)
        stopped = await stage.stop(loop, grace=5.0)
        left, running = loop.state, loop.get_status().is_running
        with pytest.raises(Rejected, match="still stopping"):
            loop.start()
        await stage.wait(loop)
        return stopped, left, running, over, stage.now(), loop.state

    assert (False, LoopState.STOPPING, True, [60.0], 60.0, LoopState.STOPPED) == play(story)


def test_stopping_twice_or_before_the_start_is_no_trouble(play):
    """To stop what does not run is done at once."""

    async def story(stage):
        async def work(ctx):
            pass

        loop = stage.loop(work)
        answers = [await stage.stop(loop)]
        loop.start()
        answers += [await stage.stop(loop), await stage.stop(loop)]
        await stage.wait(loop)
        return answers

    assert [True, True, True] == play(story)


def test_starts_again_after_it_has_stopped(play):
    """A new start has a grid and a limit of its own; what was counted is kept."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append((ctx.iteration, stage.now()))

        loop = stage.loop(work, interval=2.0, max_iterations=2)
        loop.start()
        await stage.wait(loop)
        finished = loop.state
        await stage.sleep(3.0)
        loop.start()
        await stage.wait(loop)
        return finished, moments, loop.get_status().current_iteration

    assert (LoopState.FINISHED, [(1, 0.0), (2, 2.0), (3, 5.0), (4, 7.0)], 4) == play(story)


def test_starting_twice_is_starting_once(play):
    """A running loop is not started over."""

    async def story(stage):
        async def work(ctx):
            pass

        loop = stage.loop(work, interval=2.0)
        loop.start()
        loop.start()
        await stage.sleep(3.0)
        return loop.get_status().current_iteration

    assert 2 == play(story)


# ── many, and their end ─────────────────────────────────────────────────────────────────────


def test_all_loops_end_at_the_same_time(play):
    """Closing an engine takes as long as its slowest iteration, not as long as all together."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(6.0)

        for number in range(5):
            stage.loop(work, name=f"loop {number}", interval=1.0).start()
        await stage.sleep(1.0)
        await stage.close()
        return stage.now(), stage.engine.get_status().active_loops

    assert (6.0, 0) == play(story)


def test_one_hanging_loop_delays_no_other(play):
    """Loops that wait do so side by side."""

    async def story(stage):
        moments = []

        async def hang(ctx):
            await stage.work_for(1000.0)

        async def work(ctx):
            moments.append(stage.now())

        stage.loop(hang, name="hanging", deadline=math.inf).start()
        stage.loop(work, name="fine", interval=1.0).start()
        await stage.sleep(3.5)
        await stage.stop(stage.engine._loops["hanging"], grace=0.0)
        return moments[:4]

    assert [0.0, 1.0, 2.0, 3.0] == play(story)


def test_a_loop_nobody_holds_on_to_still_runs(play):
    """Start and forget is what it says: the garbage collector does not end a loop."""

    async def story(stage):
        ran = []

        async def work(ctx):
            ran.append(stage.now())

        def start_and_forget():
            QuantumLoopEngine().create_loop(work, max_iterations=3).start()

        if stage.can_cancel:
            start_and_forget()
        else:
            QuantumLoopEngine().create_loop(lambda: run_blocking(work(None)), max_iterations=3).start()
        for _ in range(3):
            gc.collect()
            await stage.sleep(1.0)
        return ran

    assert [0.0, 1.0, 2.0] == play(story)
