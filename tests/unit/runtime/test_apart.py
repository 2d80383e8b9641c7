"""Work in a task of its own ends, is cut, or is left behind; whoever waits for it is not held up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from unbreakable.runtime import ASYNCIO, TimeUp
from unbreakable.runtime.apart import apart
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


async def late(seconds, value):
    await sleep(seconds)
    return value


def none_left(stray):
    raise AssertionError("nothing was to be left behind")


def run(story):
    with virtual_time() as clock:
        return asyncio.run(story(clock))


def test_returns_what_the_work_returns():
    """Work that ends in time is as if it had been awaited."""

    async def story(clock):
        return await apart(lambda: late(1.0, "done"), 2.0, none_left)

    assert "done" == run(story)


def test_raises_what_the_work_raises():
    """The exception is the work's own."""

    async def work():
        raise ValueError("mine")

    async def story(clock):
        with pytest.raises(ValueError, match="mine"):
            await apart(work, 2.0, none_left)

    run(story)


def test_work_that_heeds_its_cancellation_is_cancelled_and_not_waited_for():
    """The time is up at once: the end of the work is its own business."""

    async def story(clock):
        left, ended = [], []

        async def work():
            try:
                await sleep(100.0)
            finally:
                ended.append(clock.now())

        with pytest.raises(TimeUp):
            await apart(work, 5.0, left.append)
        before = [stray.is_alive for stray in left]
        await sleep(0)
        await sleep(0)
        return before, [stray.is_alive for stray in left], ended

    assert ([True], [False], [5.0]) == run(story)


def test_work_that_swallows_its_cancellation_is_left_behind_alive():
    """It goes on, held by whoever was told of it; the garbage collector does not end it."""

    async def story(clock):
        left, ended = [], []

        async def work():
            with contextlib.suppress(asyncio.CancelledError):
                await sleep(100.0)
            await asyncio.shield(sleep(50.0))
            ended.append(clock.now())

        with pytest.raises(TimeUp):
            await apart(work, 5.0, left.append)
        gc.collect()
        await sleep(60.0)
        return ended, left[0].is_alive

    assert ([55.0], False) == run(story)


@pytest.mark.parametrize("swallows", [False, True])
def test_a_cancellation_from_outside_reaches_the_work_and_waits_for_it(swallows):
    """Nothing is left behind by somebody else's cancellation, and it is not lost."""

    async def story(clock):
        ended = []

        async def work():
            try:
                await sleep(100.0)
            except asyncio.CancelledError:
                await sleep(20.0)
                ended.append(clock.now())
                if not swallows:
                    raise

        task = asyncio.create_task(apart(work, 10.0, none_left))
        await sleep(3.0)
        task.cancel()
        await asyncio.wait({task})
        return list(ended), task.cancelled()  # as of now: asyncio.run cancels what is left

    assert ([23.0], True) == run(story)


def test_who_cancels_twice_cancels_the_work_twice():
    """Work that swallows the first cancellation may heed the second."""

    async def story(clock):
        async def work():
            with contextlib.suppress(asyncio.CancelledError):
                await sleep(100.0)
            await sleep(100.0)

        task = asyncio.create_task(apart(work, 1000.0, none_left))
        await sleep(1.0)
        task.cancel()
        await sleep(1.0)
        task.cancel()
        await asyncio.wait({task})
        return clock.now(), task.cancelled()

    assert (2.0, True) == run(story)


def test_a_cancellation_of_the_work_s_own_is_raised():
    """Work that raises CancelledError itself cancels nobody else."""

    async def work():
        raise asyncio.CancelledError("my own")

    async def story(clock):
        with pytest.raises(asyncio.CancelledError):
            await apart(work, 1.0, none_left)
        return asyncio.current_task().cancelling()

    assert 0 == run(story)


def test_without_a_limit_it_waits_for_ever():
    """An endless limit sets no timer."""

    async def story(clock):
        return await apart(lambda: late(1e6, "late"), float("inf"), none_left)

    assert "late" == run(story)


def test_others_have_their_turn_though_the_work_ends_at_once():
    """An event loop may run tasks eagerly; a loop over them must not keep it to itself."""

    class Eager(asyncio.Future):
        def set_name(self, name):
            pass

    def eager(loop, coroutine, **_):
        ended = Eager(loop=loop)
        try:
            coroutine.send(None)
        except StopIteration as end:
            ended.set_result(end.value)
        return ended

    async def story(clock):
        turns = []
        loop = asyncio.get_running_loop()
        loop.call_soon(turns.append, 1)
        loop.set_task_factory(eager)
        value = await apart(sleep_not, 1.0, none_left)
        loop.set_task_factory(None)
        return value, turns

    async def sleep_not():
        return "done"

    assert ("done", [1]) == run(story)


def test_an_exception_is_freed_without_the_collector():
    """Neither the task nor the frame that waited for it holds what was raised in a circle."""

    class Held(Exception):
        pass

    async def work():
        raise Held

    async def story():
        try:
            await apart(work, 1.0, none_left)
        except Held as error:
            return weakref.ref(error)

    gc.disable()
    try:
        held = asyncio.run(story())

        assert held() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("warning", "blocked"), [(5.0, 0.0), (2.0, 0.0), (1.0, 4.0)])
def test_a_warning_that_comes_with_the_end_or_after_it_cuts_nobody_who_waits(warning, blocked):
    """The time is up, as without a warning: a loop that was cancelled by it would have ended in silence."""

    async def story(clock):
        left, warned = [], []
        asyncio.get_running_loop().call_later(0.5, clock.advance, blocked)
        with pytest.raises(TimeUp):
            await apart(lambda: late(9.0, "late"), 2.0, left.append, warning=warning, warn=lambda: warned.append(1))
        return len(left), len(warned), asyncio.current_task().cancelling()

    assert (1, 1, 0) == run(story)


@pytest.mark.parametrize("swallows", [False, True])
def test_who_holds_it_cuts_it_from_another_thread(swallows):
    """The work is cancelled at once, and left behind when its grace is over, if it does not heed that."""

    async def work():
        while True:
            try:
                await sleep(100.0)
            except asyncio.CancelledError:
                if not swallows:
                    await sleep(0.25)
                    raise

    async def story(clock):
        cuts, left = [], []

        async def cut():
            await sleep(1.0)
            await asyncio.to_thread(cuts[0], 0.5)

        cutting = asyncio.ensure_future(cut())
        with contextlib.suppress(TimeUp, asyncio.CancelledError):
            await apart(work, 1e6, left.append, hold=cuts.append)
        await cutting
        cuts[0](0.5)  # too late, and so nothing
        took = clock.now()
        for stray in left:
            stray.end()
        return took, len(left)

    assert (1.5 if swallows else 1.25, int(swallows)) == run(story)


def test_work_whose_event_loop_is_closed_ends_in_silence():
    """The collector ends it, and whoever waited is gone as well: there is nobody to be told."""

    async def main():
        tasks.append(asyncio.ensure_future(apart(lambda: late(100.0, None), 1e6, none_left)))
        await sleep(1.0)

    tasks, event_loop = [], asyncio.new_event_loop()
    with virtual_time():
        event_loop.run_until_complete(main())
        event_loop.close()
    for task in (*asyncio.all_tasks(event_loop), *tasks):
        task._log_destroy_pending = False  # asyncio would complain of what this test does on purpose
    del task
    tasks.clear()
    collected = gc.collect()  # what is raised in the collector fails the test

    assert collected > 0
