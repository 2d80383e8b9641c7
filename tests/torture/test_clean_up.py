"""What a call does to clean up when its deadline is over has a second of its own; what just goes on has none."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import DeadlineExceeded
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


async def together(release):
    """Release, as whoever shields the clean-up from further cancellations does: in a task of its own."""
    return await asyncio.shield(asyncio.ensure_future(release()))


async def by_turns(release):
    return await release()


def a_release(log, **options):
    """Return a protected clean-up that takes 0.4 s, and notes when it was made."""

    @ub.protect("release", effects="idempotent", retry=False, **options)
    async def release():
        await sleep(0.4)
        log.append(round(asyncio.get_running_loop().time() - log[0], 3))

    return release


def played(story):
    """Return how the story ends, and when clean-ups were made in it."""
    log = []

    async def timed():
        log.append(asyncio.get_running_loop().time())
        return await story(log)

    with virtual_time():
        return asyncio.run(timed()), log[1:]


@pytest.mark.parametrize("how", [by_turns, together])
@pytest.mark.parametrize("options", [{}, {"deadline": 60.0}], ids=["defaults", "a deadline of its own"])
@pytest.mark.parametrize(
    "guard",
    [
        {"deadline": 10.0},
        {"deadline": 10.0, "timeout": ub.Timeout(60.0)},
        {"deadline": 10.0, "hedge": ub.Hedge(20.0)},
        {"deadline": 10.0, "timeout": ub.Timeout(1.0, learned=True)},
    ],
    ids=["quick", "pinned", "copies", "learned"],
)
def test_who_is_cut_by_the_deadline_may_release_what_he_holds(guard, options, how):
    """The lock is given back, and the call ends by its deadline all the same."""

    async def story(log):
        release = a_release(log, **options)

        @ub.protect("job", effects="none", retry=False, **guard)
        async def job():
            try:
                await asyncio.Event().wait()
            finally:
                await how(release)

        return type((await job.outcome()).error)

    assert (DeadlineExceeded, [10.4]) == played(story)


def test_all_that_cleans_up_has_one_second_together():
    """Who has a hundred things to release is not the reason why the deadline means nothing."""

    async def story(log):
        release, ended = a_release(log), []

        @ub.protect("job", effects="none", retry=False, deadline=10.0)
        async def job():
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(4):
                    outcome = await release.outcome()
                    ended.append((type(outcome.error), round(asyncio.get_running_loop().time() - log[0], 3)))

        await job.outcome()
        return ended, release.node.breaker.run

    (ended, failures), made = played(story)

    assert [(type(None), 10.4), (type(None), 10.8), (DeadlineExceeded, 11.0), (DeadlineExceeded, 11.0)] == ended
    assert ([10.4, 10.8], 0) == (made, failures)


def test_the_deadline_of_the_clean_up_itself_counts_as_well():
    """Whoever gives it less than the second means that."""

    async def story(log):
        release = a_release(log, deadline=0.3)

        @ub.protect("job", effects="none", retry=False, deadline=10.0)
        async def job():
            try:
                await asyncio.Event().wait()
            finally:
                await release.outcome()
                log.append(round(asyncio.get_running_loop().time() - log[0], 3))

        await job.outcome()

    assert (None, [10.3]) == played(story)


def test_a_clean_up_around_a_call_that_was_out_of_time_is_made(colour):
    """Plain code is not cut: what it hears is the error of the call inside."""

    async def story():
        made = []

        async def slow():
            await colour.sleep(20.0)
            raise ConnectionError("late, and in vain")

        async def free():
            made.append(colour.now())

        working = colour.protect(slow, deadline=5.0, effects="none")
        release = colour.protect(free, effects="idempotent")

        async def job():
            try:
                await colour.call(working)
                await colour.call(working)
            finally:
                await colour.call(release)

        outcome = await colour.call(colour.protect(job, deadline=5.0, retry=False).outcome)
        return made, outcome.ok

    assert ([5.0 if colour.is_async else 20.0], False) == colour.play(story)


def test_a_clean_up_in_the_block_of_a_request_whose_time_is_up_is_made():
    """Nobody cuts the block itself: the call in it failed."""

    async def story(log):
        release = a_release(log)

        @ub.protect("job", effects="none")
        async def job():
            await asyncio.Event().wait()

        with ub.incoming({"Unbreakable-Deadline": "2"}):
            try:
                await job()
            except DeadlineExceeded:
                await release()

    assert (None, [2.4]) == played(story)


def test_who_heeds_no_cut_and_goes_on_in_a_block_of_attempts_gets_no_more_than_the_second():
    """One that swallows its cancellation and calls on and on is out of time then."""

    async def story(log):
        release = a_release(log)
        with contextlib.suppress(DeadlineExceeded):
            async for attempt in ub.attempts("job", deadline=3.0, retry=False):
                async with attempt:
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
                    while True:
                        await release()

    assert (None, [3.4, 3.8]) == played(story)


def test_who_goes_on_after_the_deadline_is_refused_as_before(colour):
    """Nobody has told plain code that its time is up, and it cleans up nothing."""

    async def story():
        made = []

        async def more():
            made.append(colour.now())

        going_on = colour.protect(more)

        async def job():
            colour.clock.advance(6.0)  # a computation, in which nothing can be cut
            with contextlib.suppress(DeadlineExceeded):
                await colour.call(going_on)
            await colour.call(going_on)

        outcome = await colour.call(colour.protect(job, deadline=5.0, retry=False, effects="none").outcome)
        return made, type(outcome.error)

    assert ([], DeadlineExceeded) == colour.play(story)


@pytest.mark.parametrize("of", ["plain code", "an event loop"])
def test_a_thread_that_is_left_behind_gets_no_second(of):
    """It has heard of no cut, and cleans nothing up: it goes on with what nobody waits for."""
    left, over, ended = threading.Event(), threading.Event(), []

    @ub.protect("more")
    def more():
        raise AssertionError("nobody waits for it")

    def job():
        left.wait(60)
        ended.append(type(more.outcome().error))
        over.set()

    node = ub.FractalNode("job", job, effects="none", retry=False, timeout=ub.Timeout(0.05), deadline=0.05)
    outcome = node.execute_sync() if of == "plain code" else asyncio.run(node.execute())
    left.set()

    assert not outcome.ok
    assert over.wait(60)
    assert [DeadlineExceeded] == ended
