"""Who waits until nothing is under way inside of an attempt, and for what."""

from __future__ import annotations

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from unbreakable.policies import Context
from unbreakable.policies.policy import enter
from unbreakable.policies.under_way import UnderWay, all_over, under_way
from unbreakable.runtime import ASYNCIO, run_blocking
from unbreakable.testing import virtual_time


def play(story):
    """Return what *story* returns, which begins at the moment 0, and when it is over."""

    async def main():
        began = ASYNCIO.now()
        return await story(lambda seconds: began + seconds), round(ASYNCIO.now() - began, 6)

    with virtual_time():
        return asyncio.run(main())


def test_nothing_is_over_at_once():
    """Nobody is waited for, and no time goes by."""

    async def story(at):
        return await all_over(Context(), ASYNCIO, lambda _: at(0.0))

    assert (True, 0.0) == play(story)


@pytest.mark.parametrize(("pause", "ends"), [(0.01, 8.01), (0.5, 5.0)])
def test_what_begins_soon_after_something_ended_is_waited_for_too(pause, ends):
    """A task that waited for the one may begin the other some moments later; half a second later it is news."""

    async def story(at):
        scope = Context()
        first = UnderWay("once", scope)

        async def next_ones():
            await ASYNCIO.sleep(5.0)
            first.end()
            await ASYNCIO.sleep(pause)
            with UnderWay("once", scope):
                await ASYNCIO.sleep(3.0)

        task = asyncio.create_task(next_ones())
        over = await all_over(scope, ASYNCIO, lambda _: at(60.0))
        ended = round(ASYNCIO.now() - at(0.0), 1 if pause > 0.1 else 2)
        await task
        return over, ended

    (over, ended), _ = play(story)

    assert (True, ends) == (over, pytest.approx(ended, abs=0.06))


class Slow:
    """A runtime whose every look takes so many seconds, on a loop that has much to do; at one of them work begins."""

    def __init__(self, seconds, others=True, begins=None):
        self.seconds, self.others, self.begins = seconds, others, begins or {}
        self.moment, self.looks = 0.0, 0

    def now(self):
        return self.moment

    def others_at_work(self):
        return self.others

    async def until_begun(self, is_ours, left):
        return True

    async def sleep(self, seconds):
        self.looks += 1
        self.moment += self.seconds
        self.begins.get(self.looks, int)()


@pytest.mark.parametrize(
    ("seconds", "others", "looks"), [(1.0, True, 5), (0.003, True, 7), (0.003, False, 0), (1.0, False, 0)]
)
def test_it_is_looked_several_times_whether_something_follows(seconds, others, looks):
    """Five times at least, and for 20 ms; not at all where nobody else is at work, who could begin anything."""
    runtime = Slow(seconds, others)

    assert run_blocking(all_over(Context(), runtime, lambda _: 9.0))
    assert looks == runtime.looks


@pytest.mark.parametrize(("look", "over"), [(1, False), (5, False), (6, True)])
def test_what_others_begin_while_it_is_looked_is_under_way(look, over):
    """Though nothing was at first; it is not over when the moment comes until which it would have been waited for."""
    scope = Context()
    runtime = Slow(1.0, begins={look: lambda: UnderWay("once", scope)})
    runtime.waiter = object

    assert over is run_blocking(all_over(scope, runtime, lambda call: 0.5))


def test_who_has_little_time_waits_that_long():
    """What ends in the last second is over."""

    async def story(at):
        work = UnderWay("once", Context())
        asyncio.get_running_loop().call_later(0.5, work.end)
        return await all_over(work.above, ASYNCIO, lambda _: at(0.9))

    assert play(story)[0]


def test_what_ends_while_somebody_looks_is_not_waited_for():
    """Its end rings before anybody listens; nobody waits for a second one."""

    async def story(at):
        scope = Context()
        work = UnderWay("once", scope)

        def until(call):
            if call is not None:
                work.end()
            return math.inf

        return await all_over(scope, ASYNCIO, until)

    over, took = play(story)

    assert over
    assert took < 0.1


def test_what_stands_in_line_for_a_thread_is_waited_for_until_its_moment():
    """It may do something yet: who can wait no longer is told that not all is over."""
    stop = threading.Event()

    async def story():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        scope = Context()
        others = asyncio.create_task(asyncio.to_thread(stop.wait))
        await ASYNCIO.sleep(0.0)
        enter(scope)
        ours = asyncio.create_task(asyncio.to_thread(int))
        enter(None)
        told = [await all_over(scope, ASYNCIO, lambda _: ASYNCIO.now())]
        told.append(await all_over(Context(), ASYNCIO, lambda _: ASYNCIO.now()))
        stop.set()
        await asyncio.gather(others, ours)
        return told

    assert [False, True] == asyncio.run(story())


@pytest.mark.parametrize(("endless", "deadline"), [(False, 7.0), (True, -math.inf)])
def test_by_when_it_may_be_expected_to_be_over(endless, deadline):
    """By the deadline of the attempt that it is part of; what may go on for ever is expected at any time."""
    scope = Context()
    scope.deadline = 7.0

    enter(scope)
    try:
        work = under_way("idempotent", endless=endless)
    finally:
        enter(None)

    assert (scope, deadline, {work}) == (work.above, work.deadline, scope.deeds.at_work)
    assert "idempotent" == work.plan.effects
    work.end()
    work.end()
    assert (False, set()) == (work.live, scope.deeds.at_work)


def test_nothing_goes_on_for_ever_unless_it_says_so():
    """It is over by the deadline of what it is part of."""
    scope = Context()
    scope.deadline = 7.0

    assert 7.0 == UnderWay("once", scope).deadline


def test_outside_of_any_call_nobody_is_told():
    """It has a beginning and an end all the same."""
    with under_way("once") as work:
        assert (True, None, -math.inf) == (work.live, work.above, work.deadline)
    assert not work.live
