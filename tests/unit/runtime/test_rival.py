"""What goes on beside its script: it can be waited for, let go of, and has the context of what it runs beside."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING, Alarm
from unbreakable.runtime.rival import context_of
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
name = contextvars.ContextVar("name", default="nobody")


async def slow():
    await sleep(1.0)
    return "done"


def test_a_step_goes_on_when_the_wait_for_it_is_cut():
    """Who waits is cut, and may come back for the answer."""

    async def main():
        step = ASYNCIO.beside(slow)
        waiting = asyncio.ensure_future(step.wait())
        await sleep(0.5)
        waiting.cancel()
        await sleep(0.0)
        return step.is_over, await step.wait()

    with virtual_time():
        assert (False, "done") == asyncio.run(main())


def test_what_would_end_the_event_loop_ends_who_waits():
    """A SystemExit of a step is raised where its answer is asked for, and nowhere else."""

    async def leave():
        raise SystemExit(3)

    async def main():
        step = ASYNCIO.beside(leave)
        await step.gone()
        with pytest.raises(SystemExit):
            await step.wait()
        return "alive"

    assert "alive" == asyncio.run(main())


def test_nothing_is_pursued_that_is_not_in_flight():
    """An alarm that nobody watches has no task whose context a script could run in, and nothing to cut."""

    async def main():
        ASYNCIO.overtake(Alarm())
        return ASYNCIO.pursue(Alarm(), slow)

    assert asyncio.run(main()) is None
    BLOCKING.overtake(Alarm())
    assert BLOCKING.pursue(Alarm(), slow) is None
    with pytest.raises(RuntimeError, match="let go"):
        BLOCKING.beside(slow)


def test_the_context_of_a_task_is_told_as_it_stands():
    """What the task has set meanwhile is seen, and what is set in the copy is not set in the task."""

    async def main():
        async def work():
            name.set("Ann")
            await sleep(1.0)
            return name.get()

        task = asyncio.ensure_future(work())
        await sleep(0.5)
        context = context_of(task)
        context.run(name.set, "Bob")
        return context_of(task)[name], context[name], await task

    with virtual_time():
        assert ("Ann", "Bob", "Ann") == asyncio.run(main())
