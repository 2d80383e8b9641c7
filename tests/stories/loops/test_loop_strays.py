"""A loop goes on though many of its iterations hang for good; what they hold is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

import pytest

from unbreakable.loops import LoopState
from unbreakable.loops.events import IterationGivenUp, IterationLeftBehind, LoopStuck
from unbreakable.loops.page import new_page
from unbreakable.loops.pulse import PULSE
from unbreakable.loops.strays import LAST, MOST
from unbreakable.runtime import ASYNCIO

awaited = pytest.mark.parametrize("play", ["event loop", "thread with event loop"], indirect=True)


async def swallow(seconds):
    """Take that long, however often somebody cancels it."""
    until = ASYNCIO.now() + seconds
    while ASYNCIO.now() < until:
        with contextlib.suppress(asyncio.CancelledError):
            await ASYNCIO.sleep(until - ASYNCIO.now())


@awaited
def test_a_loop_whose_iterations_swallow_their_cancellation_goes_on(play):
    """Twelve hang for good: the loop probes now and then, and is itself again with the first good one."""

    async def story(stage):
        begun = []

        async def work(ctx):
            begun.append(stage.now())
            if len(begun) <= 12:
                await swallow(1e9)

        loop = stage.loop(work, interval=1.0, deadline=0.5, effects="once")
        heard = []
        loop.node.on(IterationGivenUp, heard.append)
        loop.start()
        await stage.sleep(600.0)
        status = loop.get_status()
        await stage.stop(loop)
        return begun, status, [event.count for event in heard]

    begun, status, heard = play(story)

    assert len(begun) > 400
    assert begun[12] <= 200.0
    assert min(later - sooner for sooner, later in itertools.pairwise(begun[8:13])) >= 16.0
    assert (False, 0, LoopState.RUNNING) == (status.surviving, status.consecutive_errors, status.state)
    assert (5, MOST - 1) == (status.given_up, status.left_behind)
    assert list(range(1, status.given_up + 1)) == heard


@awaited
def test_an_operation_that_always_hangs_does_not_fill_the_memory(play):
    """What is given up is ended: no task of it is left, whatever it swallows."""

    async def story(stage):
        tasks, stuck = [], [True]

        async def work(ctx):
            tasks.append(asyncio.current_task())
            while stuck:
                with contextlib.suppress(BaseException):
                    await ASYNCIO.sleep(1e9)

        loop = stage.loop(work, interval=0.1, deadline=0.05, effects="once")
        heard = []
        loop.node.on(IterationLeftBehind, heard.append)
        loop.start()
        await stage.sleep(200.0)
        status = loop.get_status()
        alive = sum(not task.done() for task in tasks)
        ended = await stage.stop(loop)
        stuck.clear()
        return len(tasks), alive, status, ended, len(heard)

    begun, alive, status, ended, heard = play(story)

    assert begun > 60
    assert begun - 1 <= heard <= begun
    assert alive <= MOST + 1
    assert status.given_up >= begun - MOST - 1
    assert status.left_behind <= MOST
    assert ended


@awaited
def test_what_a_given_up_iteration_raises_at_its_end_is_nobody_elses_failure(play):
    """Clean-up that goes wrong as the iteration is ended is logged, and the next one runs."""

    async def story(stage):
        begun, errors, stuck = [], [], [True]

        async def work(ctx):
            begun.append(stage.now())
            if len(begun) > 9:
                return
            try:
                await swallow(1e9)
            finally:
                if stuck:
                    errors.append(1)
                    raise ValueError("the clean-up failed")

        loop = stage.loop(work, interval=1.0, deadline=0.5, effects="once")
        loop.start()
        await stage.sleep(200.0)
        status = loop.get_status()
        stuck.clear()
        await stage.stop(loop)
        return begun, status, errors

    begun, status, errors = play(story)

    assert len(begun) > 100
    assert 0 == status.consecutive_errors
    assert len(errors) == status.given_up > 0


@pytest.mark.parametrize("play", ["event loop", "thread"], indirect=True)
def test_threads_that_are_blocked_for_good_are_bounded_and_told_loudly(play, caplog):
    """A loop probes beyond eight of them, seldom, up to 64; then it says that it is stuck, until one ends."""

    async def story(stage):
        begun = []

        def work():
            begun.append(stage.now())
            if stage.now() < 1_800.0:
                time.sleep(1_800.0 - stage.now())  # noqa: TID251 - user code

        loop = stage.engine.create_loop(
            work, name="work", interval=1.0, deadline=0.5, effects="once", isolation="thread"
        )
        heard, page = [], new_page(0.0)[0]
        loop.node.on(LoopStuck, heard.append)
        PULSE.show_on(page)
        loop.start()
        await stage.sleep(300.0)
        early = len(begun)
        await stage.sleep(1_499.0)
        during, most = loop.get_status(), len(begun)
        await stage.sleep(100.0)
        after = loop.get_status()
        await stage.stop(loop)
        return early, most, during, after, heard, page

    try:
        early, most, during, after, heard, page = play(story)
    finally:
        PULSE.forget()

    assert MOST < early < 30
    assert (LAST, LAST, 0) == (most, during.left_behind, during.given_up)
    assert "64 iterations that were cut hold a thread each" in during.last_error
    assert 1 == len(heard) == sum("loop work is stuck" in line for line in caplog.messages)
    assert (0, 0, False) == (after.left_behind, after.consecutive_errors, after.surviving)
    assert page.wish.startswith("loop work is stuck: 64 iterations")
    assert (0, {}) == (page.loops, page.due())


@awaited
@pytest.mark.parametrize(("deadline", "left"), [(0.3, 0.35), (4.0, 4.4), (60.0, 61.0)])
def test_who_hangs_is_left_behind_soon_after_a_short_deadline(play, deadline, left):
    """A tenth of the deadline is for clean-up, at least 0.05 s, at most one."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            if ctx.iteration == 1:
                await swallow(1e9)

        loop = stage.loop(work, interval=0.0, deadline=deadline, max_iterations=2, effects="once")
        loop.start()
        await stage.wait(loop)
        return moments

    assert [0.0, left] == [pytest.approx(moment, abs=0.01) for moment in play(story)]
