"""Parts of a work are no tasks, and yet each is by itself; what hangs keeps the task, and the rest goes on."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref

import pytest

from unbreakable.runtime import ASYNCIO, TimeUp
from unbreakable.runtime.apart import apart_in
from unbreakable.runtime.relay import Part, Relay, RelayMark
from unbreakable.testing import virtual_time

sleep, loop = ASYNCIO.sleep, asyncio.get_running_loop
word = contextvars.ContextVar("word", default="none")


class Stage:
    """A relay, all the tasks that it was in, and what it left behind."""

    def __init__(self, rest):
        self.left = []
        self.relay = Relay(rest(self), "rest", lambda _, after: self.tasks.append(after))
        self.tasks = [self.relay.task]

    async def do(self, step, seconds=10.0, leave=None):
        return await apart_in(self.relay, step, seconds, leave or self.left.append, "a part")

    async def outcome(self):
        """Wait for the end of the last task, and return its result, or the type of its error."""
        while not self.relay.task.done():
            await asyncio.wait({self.relay.task})
        if self.relay.task.cancelled():
            return asyncio.CancelledError
        return self.relay.task.exception() or self.relay.task.result()


def play(rest, meanwhile=None):
    """Let *rest* be carried out in virtual time; return what came of it, and the stage."""

    async def main(clock):
        stage = Stage(rest)
        stage.clock = clock
        if meanwhile is not None:
            await meanwhile(stage)
        return await stage.outcome(), stage

    with virtual_time() as clock:
        return asyncio.run(main(clock))


async def hang():
    with contextlib.suppress(asyncio.CancelledError):
        await sleep(100.0)
    await asyncio.shield(sleep(50.0))


def test_a_part_is_in_the_task_of_the_rest_and_its_context_variables_are_its_own():
    """No other task is made, and what a part sets is gone with it, as in a task of its own."""

    async def step():
        word.set("the part's")
        await sleep(1.0)
        return asyncio.current_task(), len(asyncio.all_tasks()), word.get()

    async def rest(stage):
        await sleep(0)
        word.set("the rest's")
        return (*await stage.do(step), word.get(), asyncio.current_task())

    (task, tasks, inside, outside, own), _ = play(rest)

    assert (own, 2, "the part's", "the rest's") == (task, tasks, inside, outside)


def test_what_hangs_keeps_the_task_and_the_rest_goes_on_in_another_one():
    """The part is cancelled once, held by whoever was told of it, and ends when it likes."""

    async def rest(stage):
        word.set("kept")
        with pytest.raises(TimeUp):
            await stage.do(hang, 5.0)
        return word.get(), asyncio.current_task(), stage.clock.now(), [each.is_alive for each in stage.left]

    async def and_then(stage):
        assert (await stage.outcome())[2:] == (5.0, [True])
        await sleep(60.0)

    (kept, task, *_), stage = play(rest, and_then)

    assert ("kept", stage.tasks[1], False) == (kept, task, stage.left[0].is_alive)
    assert ["a part", "rest"] == [each.get_name() for each in stage.tasks]


def test_the_rest_may_lose_one_task_after_the_other():
    """Each part that hangs has one of its own in the end."""

    async def rest(stage):
        for _ in range(3):
            with pytest.raises(TimeUp):
                await stage.do(hang, 5.0)
        return stage.clock.now()

    now, stage = play(rest)

    assert (15.0, 4, 3) == (now, len(set(stage.tasks)), len(stage.left))


def test_a_part_that_ends_at_the_very_moment_is_not_left():
    """On an event loop that was blocked its end and that of its time are there at once, and its result counts."""

    async def step():
        await sleep(4.0)
        return "in time"

    async def rest(stage):
        loop().call_later(3.0, stage.clock.advance, 5.0)
        return await stage.do(step, 5.0)

    answer, stage = play(rest)

    assert ("in time", [], 2) == (answer, stage.left, len(stage.tasks))


@pytest.mark.parametrize("waits", [True, False])
def test_a_part_that_cancels_itself_cancels_nobody_else(waits):
    """It is raised where the part is waited for, also if the part has ended before it came up."""

    async def step():
        asyncio.current_task().cancel()
        if waits:
            await sleep(1.0)

    async def rest(stage):
        mark = RelayMark(stage.relay)
        with pytest.raises(asyncio.CancelledError) as caught:
            await stage.do(step)
        await sleep(1.0)
        return mark.is_cancelled, mark.is_from_outside(caught.value), asyncio.current_task().cancelling()

    answer, _ = play(rest)

    assert (False, False, 0) == answer


@pytest.mark.parametrize("swallows", [True, False])
def test_a_timer_or_a_task_of_the_part_is_the_part_itself(swallows):
    """A time limit within it, or a child that gives up on its parent, is no business of the rest."""

    async def step():
        loop().call_later(1.0, asyncio.current_task().cancel)
        with contextlib.suppress(asyncio.CancelledError) if swallows else contextlib.nullcontext():
            await sleep(5.0)
        return "swallowed"

    async def rest(stage):
        mark, said = RelayMark(stage.relay), "cancelled"
        with contextlib.suppress(asyncio.CancelledError):
            said = await stage.do(step)
        return said, mark.is_cancelled, asyncio.current_task().cancelling()

    answer, _ = play(rest)

    assert ("swallowed" if swallows else "cancelled", False, 0) == answer


@pytest.mark.parametrize("swallows", [True, False])
@pytest.mark.parametrize("by", ["task", "relay"])
def test_a_cancellation_from_outside_reaches_the_part_and_waits_for_it(swallows, by):
    """It is not lost, whatever the part makes of it, and nothing is left behind by it."""
    ended = []

    async def step():
        try:
            await sleep(100.0)
        except asyncio.CancelledError:
            await sleep(20.0)
            ended.append(True)
            if not swallows:
                raise

    async def rest(stage):
        await stage.do(step, 10.0)

    async def cancel(stage):
        await sleep(3.0)
        (stage.relay.task if by == "task" else stage.relay).cancel()
        assert asyncio.CancelledError is await stage.outcome()
        assert 23.0 == stage.clock.now()

    answer, stage = play(rest, cancel)

    assert (asyncio.CancelledError, [], [True], 1) == (answer, stage.left, ended, stage.relay.asked)


def test_a_part_that_asks_for_the_end_of_all_of_it_is_heard():
    """That is a wish, wherever it comes from."""

    async def rest(stage):
        async def step():
            stage.relay.cancel()
            await sleep(1.0)

        await stage.do(step)

    answer, stage = play(rest)

    assert (asyncio.CancelledError, 1) == (answer, stage.relay.asked)


def test_who_was_set_up_by_an_earlier_part_and_cancels_all_tasks_means_all_of_it():
    """A handler of a signal, say, that is to end the program."""

    async def rest(stage):
        async def first():
            loop().call_later(2.0, lambda: [task.cancel() for task in stage.tasks])

        await stage.do(first)
        await stage.do(lambda: sleep(10.0))

    answer, stage = play(rest)

    assert (asyncio.CancelledError, 1) == (answer, stage.relay.asked)


def test_who_cancels_after_a_part_was_left_cancels_the_rest():
    """What was left has been cancelled already, and is nobody's."""

    async def rest(stage):
        with contextlib.suppress(TimeUp):
            await stage.do(hang, 5.0)
        await sleep(100.0)

    async def cancel(stage):
        await sleep(6.0)
        stage.relay.cancel()
        assert asyncio.CancelledError is await stage.outcome()
        assert 6.0 == stage.clock.now()

    answer, _ = play(rest, cancel)

    assert asyncio.CancelledError is answer


def test_a_part_whose_coroutine_is_closed_cleans_up():
    """So it is when an event loop is closed under it."""
    ended = []

    async def step():
        try:
            await loop().create_future()
        finally:
            ended.append(word.get())

    async def rest(stage):
        word.set("the rest's")
        await stage.do(step)

    async def close(stage):
        await sleep(1.0)
        stage.relay.task.get_coro().close()
        stage.relay.task.cancel()

    play(rest, close)

    assert ["the rest's"] == ended


def test_a_part_is_freed_without_the_collector():
    """It holds its context, and that does not hold the part."""
    parts = []

    async def step():
        parts.extend(map(weakref.ref, filter(lambda each: isinstance(each, Part), ASYNCIO.watches[loop()].alarms)))

    async def rest(stage):
        await stage.do(step)
        return [part() for part in parts]

    gc.disable()
    try:
        answer, _ = play(rest)

        assert [None] == answer
    finally:
        gc.enable()


def test_an_exception_is_freed_without_the_collector():
    """No frame that waited holds what was raised in a circle."""

    class Held(Exception):
        pass

    async def step():
        await sleep(0)
        raise Held

    async def rest(stage):
        try:
            await stage.do(step)
        except Held as error:
            return weakref.ref(error)

    async def outcome():
        return await Stage(rest).outcome()

    gc.disable()
    try:
        held = asyncio.run(outcome())

        assert held() is None
    finally:
        gc.enable()
