"""A stop that cuts an iteration in a thread of its own interrupts it: nothing has failed, and nothing is healed."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.loops.events import IterationEnded
from unbreakable.runtime import run_blocking

CUT = [("interrupted", "the loop was stopped")]


def told_by(loop):
    """Return the list in which the ends of its iterations are noted."""
    told = []
    loop.node.on(IterationEnded, lambda event: told.append((event.fate, event.why)))
    return told


def plain(ctx):
    """Hang in a thread."""
    time.sleep(60.0)  # noqa: TID251 - user code


async def awaited(ctx):
    """Hang on an event loop."""
    await asyncio.Event().wait()


async def cut_in(stage, loop, seconds=1.0):
    """Start *loop*, and stop it with no grace after so many *seconds*; return whether it has ended."""
    loop.start()
    await stage.sleep(seconds)
    return await stage.stop(loop, grace=0.0)


@pytest.mark.parametrize("overlap", ["skip", "buffer_all", "allow_all"])
@pytest.mark.parametrize("operation", [plain, awaited])
def test_an_iteration_that_a_stop_cuts_was_interrupted(play, operation, overlap):
    """Its ledger, its counts and its events say so, in plain code as in async code."""

    async def story(stage):
        loop = stage.engine.create_loop(operation, interval=10.0, isolation="thread", overlap=overlap)
        told = told_by(loop)
        ended = await cut_in(stage, loop)
        return ended, counts(loop), told, loop.get_status(), loop.explain(0)

    ended, ledger, told, status, explained = play(story)

    assert (True, {"interrupted": 1}, CUT) == (ended, ledger, told)
    assert (0, 1.0, None) == (status.consecutive_errors, status.performance.success_rate, status.last_error)
    assert "tick 0: interrupted: the loop was stopped" == explained


def test_an_iteration_that_a_stop_cuts_where_it_awaits_says_so_too(play):
    """Without isolation it is cancelled, for the same reason."""

    async def story(stage):
        loop = stage.engine.create_loop(awaited, interval=10.0)
        told = told_by(loop)
        return await cut_in(stage, loop), told

    assert (True, CUT) == play(story)


def test_nothing_is_healed_and_no_other_attempt_is_made(play):
    """A remedy for everything is for what fails."""

    async def story(stage):
        begun, mended = [], []

        def work(ctx):
            begun.append(ctx.attempt)
            time.sleep(60.0)  # noqa: TID251 - user code

        loop = stage.engine.create_loop(work, interval=10.0, isolation="thread", effects="idempotent")
        loop.node.remedy(Exception)(mended.append)
        await cut_in(stage, loop)
        return begun, mended, loop.get_status().healing.known_remedy.tried, loop.get_status().latest_rung

    assert ([1], [], 0, None) == play(story)


def test_no_attempt_follows_where_a_stop_comes_between_two(play):
    """What failed before the stop is as little the loop's failure as what the stop has cut."""

    async def story(stage):
        begun = []

        def work(ctx):
            begun.append(ctx.attempt)
            raise ConnectionError("down")

        async def reconnect(failure):
            await stage.sleep(5.0)

        loop = stage.engine.create_loop(work, interval=60.0, isolation="thread")
        loop.node.remedy(ConnectionError)(reconnect if stage.is_async else lambda _: run_blocking(reconnect(_)))
        await cut_in(stage, loop)
        await stage.wait(loop)
        return begun, counts(loop), loop.get_status().consecutive_errors

    assert ([1], {"interrupted": 1}, 0) == play(story)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_the_stop_of_one_loop_restarts_no_other_of_its_group(play, strategy):
    """Its worker was not lost; however often it is stopped, the group does not survive for that."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(1.0)

        group = stage.engine.create_group("family", strategy=strategy)
        stopped = stage.engine.create_loop(plain, name="stopped", isolation="thread", group=group, interval=60.0)
        goes_on = stage.loop(work, name="goes on", group=group, interval=1.5)
        goes_on.start()
        for _ in range(6):
            await cut_in(stage, stopped, 0.25)
        await stage.sleep(3.0)
        status = group.get_status()
        return status.restarts, status.surviving, counts(stopped), goes_on.get_status().ledger.interrupted

    assert (0, False, {"interrupted": 6}, 0) == play(story)
