"""A crew tells what ended, whenever it is interrupted."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from unbreakable.nodes.orchestrating.crew import TaskCrew, ThreadCrew
from unbreakable.runtime import ASYNCIO, run_blocking
from unbreakable.runtime.world import ThreadsExhausted
from unbreakable.workflows import Returned
from unbreakable.workflows.ports import SOMEBODY

colour = contextvars.ContextVar("colour", default="none")


class InlineRuntime:
    """Run what is spawned at once, in this thread; nobody is ever waited for."""

    def __init__(self):
        self.world = self

    def spawn(self, work, name):
        work()

    def waiter(self):
        return self

    def wake(self):
        pass


class NoThreads(InlineRuntime):
    """Have no thread to give."""

    def spawn(self, work, name):
        raise ThreadsExhausted("all hang")


class InterruptedLock:
    """Be interrupted once, at the moment of leaving."""

    def __init__(self):
        self.is_armed = False

    def __enter__(self):
        pass

    def __exit__(self, *_):
        if self.is_armed:
            self.is_armed = False
            raise KeyboardInterrupt


async def work():
    return Returned(colour.get())


def test_an_interrupt_loses_no_news():
    """Who is told of the interrupt first is told next of all that ended, and so waits for nothing that has."""
    crew = ThreadCrew(InlineRuntime())
    crew._lock = lock = InterruptedLock()
    for name in ("a", "b"):
        crew.start(name, work, contextvars.copy_context())
    begin, crew._begin = crew._begin, lambda *entry: (begin(*entry), setattr(lock, "is_armed", entry[0] == "b"))

    assert [SOMEBODY] == [name for name, _ in run_blocking(crew.ended())]
    assert ["a", "b"] == [name for name, _ in run_blocking(crew.ended())]


def test_work_for_which_there_is_no_thread_keeps_its_context():
    """It is done in the caller's thread, with the deadline and all else that it would have had in its own."""
    crew = ThreadCrew(NoThreads())
    blue = contextvars.copy_context()
    blue.run(colour.set, "blue")
    for name in ("a", "b"):
        crew.start(name, work, blue.copy())

    assert [("a", Returned("blue")), ("b", Returned("blue"))] == run_blocking(crew.ended())


class LaterRuntime(InlineRuntime):
    """Run what is spawned when it is asked to."""

    def __init__(self):
        super().__init__()
        self.spawned = []

    def spawn(self, work, name):
        self.spawned.append(work)

    async def wait(self, waiter, seconds):
        raise KeyboardInterrupt


def test_threads_that_an_interrupt_left_at_work_are_told_of_when_the_last_has_ended():
    """Until then the run that they belong to must not be taken up by anybody else."""
    runtime, told = LaterRuntime(), []
    crew = ThreadCrew(runtime)
    for name in ("a", "b"):
        crew.start(name, work, contextvars.copy_context())
    assert [SOMEBODY] == [name for name, _ in run_blocking(crew.ended())]
    crew.at_rest(lambda: told.append("at rest"))
    first, second = runtime.spawned
    first()
    assert [] == told
    second()

    assert ["at rest"] == told


@pytest.mark.parametrize("crew", [ThreadCrew, TaskCrew])
def test_a_crew_without_work_is_at_rest_at_once(crew):
    """There is nobody to wait for."""

    async def ask():
        told = []
        crew().at_rest(lambda: told.append("at rest"))
        return told

    assert ["at rest"] == asyncio.run(ask())


def test_tasks_that_are_cut_are_told_of_when_the_last_has_ended():
    """What a step does when it is cut is its work, too."""
    told = []

    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            await ASYNCIO.sleep(0)
            told.append("cut")

    async def story():
        crew = TaskCrew()
        for name in ("a", "b"):
            crew.start(name, slow, contextvars.copy_context())
        await ASYNCIO.sleep(0)
        crew.cut(["a", "b"])
        crew.at_rest(lambda: told.append("at rest"))
        await asyncio.wait(crew._tasks.values())
        await ASYNCIO.sleep(0)

    asyncio.run(story())

    assert ["cut", "cut", "at rest"] == told
