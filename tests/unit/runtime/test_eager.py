"""Work that begins in the name of a task which stands by: nobody can tell it from work in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging

import pytest

from unbreakable.runtime import ASYNCIO, TimeUp
from unbreakable.runtime.apart import LeftTask, apart
from unbreakable.runtime.eager import FIRST, Eager

sleep = ASYNCIO.sleep
var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")


class Runs:
    """Run work one piece after the other, eagerly from the second on."""

    def __init__(self) -> None:
        self.eager, self.left = Eager("work"), []

    async def run(self, step, seconds=60.0):
        return await apart(step, seconds, self.left.append, "work", eager=self.eager)

    async def warm(self):
        """Have a task that stands by."""
        await self.run(task_of_mine)
        assert await self.run(task_of_mine) is await self.run(task_of_mine)  # two pieces of work, one task
        return self


async def task_of_mine():
    return asyncio.current_task()


async def warm():
    return await Runs().warm()


# ── what never waits ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_is_not_in_the_task_of_who_waits_for_it():
    """Whoever asks which task it is in, as a time limit does, is told of one that is not the caller's."""
    assert await (await warm()).run(task_of_mine) is not asyncio.current_task()


async def test_the_task_of_who_waits_is_the_current_one_again_whatever_the_work_did():
    """Also after an error."""
    runs, mine = await warm(), asyncio.current_task()

    async def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await runs.run(fail)
    assert mine is asyncio.current_task()


async def test_nobody_has_a_turn_meanwhile():
    """It costs no turn of the event loop."""
    runs, turns = await warm(), []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await runs.run(task_of_mine)
    assert [] == turns


async def test_what_it_sets_in_its_context_is_not_there_for_the_next():
    """As in tasks of their own each begins with the caller's context."""
    runs = await warm()
    var.set("the caller's")

    async def work():
        seen = var.get()
        var.set("mine")
        return seen

    assert ["the caller's"] * 3 == [await runs.run(work) for _ in range(3)]
    assert "the caller's" == var.get()


async def test_it_may_cancel_itself_and_end():
    """It has ended as cancelled, as a task would; its caller was not."""
    runs = await warm()

    async def work():
        asyncio.current_task().cancel()
        return "done"

    with pytest.raises(asyncio.CancelledError):
        await runs.run(work)
    assert 0 == asyncio.current_task().cancelling()
    assert await runs.run(task_of_mine) is not None


@pytest.mark.parametrize("error", [None, ValueError("no")])
async def test_who_asked_to_be_told_of_the_end_of_its_task_is(error):
    """A callback of a task is called when the work is over, and not only when the loop has stopped."""
    runs, told = await warm(), []

    async def work():
        asyncio.current_task().add_done_callback(told.append)
        if error is not None:
            raise error

    with contextlib.suppress(ValueError):
        await runs.run(work)
    for _ in range(3):
        await sleep(0)
    assert 1 == len(told)


# ── what has to wait ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_goes_on_in_the_task_it_began_in():
    """With the same context, up to what it returns; the next pieces of work are tasks of their own again."""
    runs = await warm()

    async def work():
        before = asyncio.current_task()
        var.set("mine")
        await sleep(0.001)
        return before is asyncio.current_task(), var.get()

    assert (True, "mine") == await runs.run(work)
    assert "none" == var.get()
    own = [await runs.run(task_of_mine) for _ in range(FIRST)]
    assert FIRST == len(set(own))
    await runs.warm()


async def test_a_bare_turn_of_the_event_loop_is_one():
    """``sleep(0)`` waits for no future."""

    async def work():
        await asyncio.tasks.sleep(0)
        return "done"

    assert "done" == await (await warm()).run(work)


async def test_its_error_is_raised():
    """What it raises after it had to wait comes out."""

    async def work():
        await sleep(0.001)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await (await warm()).run(work)


async def test_a_time_limit_that_began_before_cuts_the_work_alone():
    """A time limit cancels the task that it was entered in."""

    async def work():
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await (await warm()).run(work)
    assert 0 == asyncio.current_task().cancelling()


async def test_a_group_whose_member_fails_cuts_the_work_alone():
    """A task group cancels the task that it was entered in."""

    async def fail():
        raise ValueError("no")

    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await (await warm()).run(work)
    assert [ValueError] == [type(error) for error in caught.value.exceptions]
    assert 0 == asyncio.current_task().cancelling()


async def test_who_cancels_itself_and_then_waits_cancels_what_it_waits_for():
    """As a task's first wait is cancelled, if that was asked for before."""
    inner = asyncio.ensure_future(asyncio.Event().wait())

    async def work():
        asyncio.current_task().cancel()
        await inner

    with pytest.raises(asyncio.CancelledError):
        await (await warm()).run(work)
    assert inner.cancelled()
    assert 0 == asyncio.current_task().cancelling()


@pytest.mark.parametrize("wait", [lambda: sleep(0), lambda: asyncio.tasks.sleep(0)], ids=["ours", "a bare turn"])
async def test_who_cancels_itself_and_then_waits_for_a_turn_is_told(wait):
    """There is nothing to cancel, so that it is told itself; it may swallow that."""

    async def work():
        asyncio.current_task().cancel()
        try:
            await wait()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()
            await sleep(0.001)
            return "cleaned up"

    assert "cleaned up" == await (await warm()).run(work)


async def test_one_that_is_cancelled_before_it_goes_on_hears_of_it():
    """Somebody may cancel its task in the very turn in which it began to wait."""
    runs, tasks = await warm(), []

    async def work():
        tasks.append(asyncio.current_task())
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await runs.run(work)
    assert tasks[0].cancelled()


async def test_a_cancellation_of_who_waits_is_handed_on():
    """The work has its clean-up, then who waits is cancelled."""
    runs, said = await warm(), []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await sleep(0.001)
            said.append("cleaned up")

    waiting = asyncio.ensure_future(runs.run(work))
    await sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ["cleaned up"] == said


async def test_what_does_not_heed_its_cancellation_is_left_behind():
    """Also after it began at once; it can be ended where it waits, with its clean-up."""
    runs, said = await warm(), []

    async def work():
        try:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    said.append("cancelled")
        finally:
            said.append("ended")

    with pytest.raises(TimeUp):
        await runs.run(work, 0.01)
    await sleep(0.001)
    (left,) = runs.left
    assert isinstance(left, LeftTask)
    assert left.is_alive
    left.end()
    assert ["cancelled", "ended"] == said


async def test_its_time_counts_from_its_beginning():
    """Also what it took before it first waited."""
    runs = await warm()

    async def work():
        until = ASYNCIO.now() + 0.05
        while ASYNCIO.now() < until:
            pass
        await asyncio.Event().wait()

    began = ASYNCIO.now()
    with pytest.raises(TimeUp):
        await runs.run(work, 0.06)
    assert ASYNCIO.now() - began < 0.1


# ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_an_event_loop_out_of_a_task_ends_it(error):
    """A signal's exception in the middle of work comes out of the event loop, not out of who waits for the work."""

    async def work():
        raise error

    async def main():
        try:
            await (await warm()).run(work)
        except error:
            return "it came out of the work"

    with pytest.raises(error), asyncio.Runner() as runner:
        runner.run(main())


def test_an_event_loop_that_ends_leaves_nothing_to_complain_of(caplog):
    """The task that stands by is nothing that anybody could miss: asyncio says nothing of it when it is collected."""
    event_loop = asyncio.new_event_loop()
    runs = event_loop.run_until_complete(warm())
    event_loop.close()
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        runs.eager.close()
        del runs
        gc.collect()
    assert [] == caplog.records


async def test_when_it_is_closed_the_task_that_stood_by_ends():
    """Nothing is left among the tasks of the event loop."""
    runs = await warm()
    runs.eager.close()
    await sleep(0)
    assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_a_task_that_somebody_cancelled_is_replaced():
    """Programs cancel all tasks they find."""
    runs = await warm()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    assert await runs.run(task_of_mine) is not asyncio.current_task()
    await runs.warm()


def test_on_another_event_loop_there_is_another_task():
    """A loop may be stopped and started elsewhere."""
    runs = Runs()
    first = asyncio.run(runs.warm())
    assert first is asyncio.run(runs.warm())
