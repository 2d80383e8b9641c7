"""Pausing, resuming and triggering a loop, from outside and from inside its operation."""

from __future__ import annotations

import pytest

from unbreakable.errors import Rejected
from unbreakable.fractal import FractalNode
from unbreakable.loops import LoopState
from unbreakable.runtime import run_blocking

# ── pause, resume, trigger ──────────────────────────────────────────────────────────────────


def test_a_pause_holds_from_the_next_tick_on_and_resuming_returns_to_the_grid(play):
    """The iteration in progress goes on; ticks in the pause are not made up for."""

    async def story(stage):
        moments = []

        async def work(ctx):
            await stage.work_for(1.0)
            moments.append(stage.now())

        loop = stage.loop(work, interval=2.0)
        loop.start()
        await stage.sleep(2.5)
        loop.pause()
        paused = loop.state
        await stage.sleep(6.0)
        held = list(moments)
        loop.resume()
        await stage.sleep(4.0)
        return held, paused, list(moments)

    held, paused, moments = play(story)

    assert [1.0, 3.0] == held
    assert LoopState.PAUSED is paused
    assert [1.0, 3.0, 11.0] == moments


def test_a_loop_paused_before_its_start_begins_paused(play):
    """Pausing is remembered over a start."""

    async def story(stage):
        async def work(ctx):
            pass

        loop = stage.loop(work, interval=2.0)
        loop.pause()
        loop.start()
        await stage.sleep(5.0)
        held = loop.get_status().current_iteration
        loop.resume()
        await stage.sleep(2.0)
        return held, loop.get_status().current_iteration

    assert (0, 1) == play(story)


def test_a_trigger_runs_now_and_leaves_the_grid_alone(play):
    """An extra iteration has no tick; the next one is where it was."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append((stage.now(), ctx.tick and ctx.tick.number))

        loop = stage.loop(work, interval=10.0)
        loop.start()
        await stage.sleep(3.0)
        loop.trigger()
        await stage.sleep(8.0)
        return seen

    assert [(0.0, 0), (3.0, None), (10.0, 1)] == play(story)


def test_triggers_during_an_iteration_are_one_more_right_after_it(play):
    """Iterations never overlap, and triggers do not pile up."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            await stage.work_for(3.0)

        loop = stage.loop(work, interval=100.0)
        loop.start()
        await stage.sleep(1.0)
        for _ in range(5):
            loop.trigger()
        await stage.sleep(10.0)
        return moments

    assert [0.0, 3.0] == play(story)


def test_a_paused_loop_can_be_triggered(play):
    """Who asks for an iteration by hand gets it; the loop stays paused."""

    async def story(stage):
        async def work(ctx):
            pass

        loop = stage.loop(work, interval=1.0)
        loop.pause()
        loop.start()
        loop.trigger()
        await stage.sleep(5.0)
        return loop.get_status()

    status = play(story)

    assert (1, LoopState.PAUSED) == (status.current_iteration, status.state)


def test_a_loop_that_does_not_run_refuses_to_be_triggered(play):
    """A trigger that nobody would carry out is not silently lost."""

    async def story(stage):
        async def work(ctx):
            pass

        loop = stage.loop(work)
        with pytest.raises(Rejected, match="loop 'work' is new: start it"):
            loop.trigger()
        loop.start()
        await stage.stop(loop)
        with pytest.raises(Rejected, match="loop 'work' is stopped"):
            loop.trigger()

    play(story)


# ── from inside the operation ───────────────────────────────────────────────────────────────


def test_stopped_from_inside_it_ends_with_that_iteration(play):
    """An operation may stop its own loop without waiting for itself."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append(await stage.mine.stop() if stage.can_cancel else stage.mine.stop_sync())
            await stage.work_for(1.0)
            seen.append(stage.now())

        stage.mine = stage.loop(work, interval=1.0)
        stage.mine.start()
        await stage.wait(stage.mine)
        return seen, stage.mine.state

    assert ([False, 1.0], LoopState.STOPPED) == play(story)


def test_waiting_for_itself_is_refused(play):
    """What could never end fails instead, as a failed iteration."""

    async def story(stage):
        async def work(ctx):
            await stage.mine.wait() if stage.can_cancel else stage.mine.wait_sync()

        stage.mine = stage.loop(work, interval=1.0, max_iterations=1, effects="once")
        stage.mine.start()
        await stage.wait(stage.mine)
        return stage.mine.get_status().last_error

    assert "cannot wait for its own end" in play(story)


def test_an_operation_may_trigger_pause_and_close(play):
    """Every wish may come from inside the operation."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append(ctx.tick and ctx.tick.number)
            if len(seen) == 1:
                stage.mine.trigger()
            elif len(seen) == 2:
                stage.mine.pause()
                stage.mine.resume()
                stage.mine.start()
            else:
                await stage.engine.aclose() if stage.can_cancel else stage.engine.aclose_sync()

        stage.mine = stage.loop(work, interval=1.0)
        stage.mine.start()
        await stage.wait(stage.mine)
        return seen, stage.now()

    assert ([0, None, 1], 1.0) == play(story)


def test_a_loop_started_within_a_call_is_not_bound_by_its_deadline(play):
    """Start and forget: the call that started the loop may end, the loop goes on."""

    async def story(stage):
        ran = []

        async def work(ctx):
            ran.append(ctx.remaining() > 20.0)
            await stage.work_for(3.0)

        loop = stage.loop(work, interval=5.0, max_iterations=3)

        async def call():
            loop.start()
            await stage.sleep(0.5)

        node = FractalNode("short", deadline=1.0)
        await node.execute(call) if stage.is_async else node.execute_sync(lambda: run_blocking(call()))
        await stage.wait(loop)
        return ran, loop.get_status().performance.success_rate

    assert ([True, True, True], 1.0) == play(story)
