"""One alarm for all attempts of a loop: in time, for the right ones, and at rest when there is nothing to watch."""

from __future__ import annotations

import asyncio
import functools
import gc
import math
import threading
import weakref

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING, TimeUp
from unbreakable.testing import virtual_time


def play(story):
    with virtual_time() as clock:
        return asyncio.run(story(clock))


async def stuck():
    await ASYNCIO.sleep(1e6)


def watch():
    return ASYNCIO.watches[asyncio.get_running_loop()]


def test_each_step_is_cut_at_its_own_moment():
    """Whatever the order in which they began, and however many there are."""

    async def story(clock):
        moments = {}

        async def attempt(seconds):
            with pytest.raises(TimeUp):
                await ASYNCIO.within(seconds, stuck)
            moments[seconds] = clock.now()

        lengths = [5.0, 1.0, 3.0, 2.0, 4.0, 1.5]
        await asyncio.gather(*(attempt(seconds) for seconds in lengths))
        return moments == {seconds: seconds for seconds in lengths}, len(watch().alarms), watch().alarm

    assert (True, 0, None) == play(story)


def test_a_limit_learned_meanwhile_counts_for_what_is_in_flight():
    """Only for the steps of its owner, from the moment at which they began, and it never gives them longer."""

    async def story(clock):
        ends = {}

        async def attempt(name, seconds, owner):
            try:
                await ASYNCIO.within(seconds, stuck, owner)
            except TimeUp:
                ends[name] = clock.now()

        mine, other = object(), object()
        people = [("long", 60.0, mine), ("short", 3.0, mine), ("other's", 60.0, other)]
        tasks = [asyncio.ensure_future(attempt(*each)) for each in people]
        await ASYNCIO.sleep(2.0)
        ASYNCIO.tighten(mine, 5.0)
        await asyncio.gather(*tasks)
        return ends

    assert {"long": 5.0, "short": 3.0, "other's": 60.0} == play(story)


def test_a_limit_that_is_over_already_cuts_at_once():
    """A step that has taken longer than the new limit is cut now."""

    async def story(clock):
        owner = object()
        task = asyncio.ensure_future(ASYNCIO.within(60.0, stuck, owner))
        await ASYNCIO.sleep(10.0)
        ASYNCIO.tighten(owner, 5.0)
        with pytest.raises(TimeUp):
            await task
        return clock.now()

    assert 10.0 == play(story)


def test_a_thousand_quick_steps_need_no_thousand_timers():
    """Steps that come and go share one timer of the loop."""

    async def story(clock):
        async def quick():
            return 1

        loop = asyncio.get_running_loop()
        before = len(loop._scheduled)
        for _ in range(1_000):
            await ASYNCIO.within(30.0, quick)
        return len(loop._scheduled) - before <= 1, len(watch().alarms)

    assert (True, 0) == play(story)


def test_a_cut_step_that_is_slow_to_end_is_cut_once():
    """Clean-up is not interrupted a second time by the same limit."""

    async def story(clock):
        cuts = []

        async def slow_to_end():
            try:
                await stuck()
            except asyncio.CancelledError:
                cuts.append(clock.now())
                await ASYNCIO.sleep(50.0)
                raise

        with pytest.raises(TimeUp):
            await ASYNCIO.within(5.0, slow_to_end)
        return cuts, clock.now(), asyncio.current_task().cancelling()

    assert ([5.0], 55.0, 0) == play(story)


def test_both_limits_at_the_same_moment_are_told_apart():
    """The outer limit is reported as the outer one's, and the task is whole afterwards."""

    async def story(clock):
        told = []

        async def inner():
            try:
                await ASYNCIO.within(5.0, stuck)
            except TimeUp:
                told.append("inner")
                raise

        try:
            await ASYNCIO.within(5.0, inner)
        except TimeUp:
            told.append("outer")
        await ASYNCIO.sleep(1.0)
        return told[-1], clock.now(), asyncio.current_task().cancelling()

    assert ("outer", 6.0, 0) == play(story)


def test_a_cancel_before_the_limit_is_the_callers():
    """A caller's cancellation comes through, although the limit passes while the step cleans up."""

    async def story(clock):
        async def slow_to_end():
            try:
                await stuck()
            finally:
                await ASYNCIO.sleep(50.0)

        task = asyncio.ensure_future(ASYNCIO.within(5.0, slow_to_end))
        await ASYNCIO.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert play(story)


def test_a_step_without_a_limit_sets_no_alarm():
    """An endless limit costs the loop nothing."""

    async def story(clock):
        task = asyncio.ensure_future(ASYNCIO.within(math.inf, stuck))
        await ASYNCIO.sleep(1.0)
        alarm = watch().alarm
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return alarm

    assert play(story) is None


def test_driven_outside_any_task_a_step_is_not_cut_and_not_lost():
    """A coroutine that somebody drives by hand on a loop cannot be cancelled: it has no limit."""

    async def story(clock):
        done = asyncio.get_running_loop().create_future()

        async def seven():
            return 7

        def drive():
            try:
                ASYNCIO.within(5.0, seven).send(None)
            except StopIteration as end:
                done.set_result(end.value)

        asyncio.get_running_loop().call_soon(drive)
        return await done

    assert 7 == play(story)


def test_a_loop_that_has_moved_to_another_thread_is_not_taken_for_the_one_that_runs_here():
    """What is late here is cut here, also when the loop that was watched last runs elsewhere by now."""
    moved, release = asyncio.new_event_loop(), threading.Event()

    async def at_once():
        return await ASYNCIO.within(60.0, functools.partial(ASYNCIO.sleep, 0))

    async def busy():
        release.wait(60)  # its task is the running one of its loop

    async def late():
        with pytest.raises(TimeUp):
            await asyncio.wait_for(ASYNCIO.within(0.01, stuck), 2.0)

    moved.run_until_complete(at_once())
    thread = threading.Thread(target=moved.run_until_complete, args=(busy(),))
    thread.start()
    try:
        asyncio.run(late())
    finally:
        release.set()
        thread.join()
        moved.close()


def test_a_loop_that_is_closed_is_not_held():
    """Neither by its watch nor as the one that was watched last."""

    async def story():
        await ASYNCIO.within(60.0, functools.partial(ASYNCIO.sleep, 0))
        return weakref.ref(asyncio.get_running_loop())

    first = asyncio.run(story())
    asyncio.run(story())
    gc.collect()

    assert first() is None


def test_it_is_known_for_how_long_steps_are_under_way():
    """Those of their owner alone, and not who merely waits for one, with no deadline of its own."""

    async def story(clock):
        owner = object()
        began = []
        for deadline, whose in ((9.0, owner), (9.0, owner), (9.0, object()), (math.inf, owner)):
            began.append(asyncio.ensure_future(ASYNCIO.within(60.0, stuck, whose, deadline=deadline)))
            await ASYNCIO.sleep(1.0)
        ages = ASYNCIO.ages(owner)
        for task in began:
            task.cancel()
        await asyncio.gather(*began, return_exceptions=True)
        return ages, ASYNCIO.ages(owner), BLOCKING.ages(owner)

    assert ([4.0, 3.0], [], []) == play(story)
