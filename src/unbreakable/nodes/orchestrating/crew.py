"""Steps of a run work side by side: as tasks of an event loop, or in threads where there is none."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Collection
from functools import partial

from unbreakable.runtime import BLOCKING, BlockingRuntime, Waiter, new_lock, run_blocking
from unbreakable.runtime.world import ThreadsExhausted
from unbreakable.workflows import Doubt, Ending, News, NotReturned, Work
from unbreakable.workflows.ports import SOMEBODY


class TaskCrew:
    """Run each piece of work as a task of the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[str, asyncio.Task[Ending]] = {}
        self._news: News = []
        self._wake = asyncio.Event()
        self._at_rest: Callable[[], None] | None = None

    def start(self, name: str, work: Work, context: contextvars.Context) -> None:
        """Begin *work* in *context*."""
        task = self._loop.create_task(_carried_out(work), context=context)
        self._tasks[name] = task
        task.add_done_callback(lambda task: self._note(name, task))

    def _note(self, name: str, task: asyncio.Task[Ending]) -> None:
        del self._tasks[name]
        # What is cut while it works ends in _carried_out: a cancelled task is one that never began to work.
        never_began = NotReturned(asyncio.CancelledError(), Doubt.NEVER_BEGAN)
        self._news.append((name, never_began if task.cancelled() else task.result()))
        self._wake.set()
        if self._at_rest is not None and not self._tasks:
            self._at_rest()

    async def ended(self) -> News:
        """Wait until something ended, or ``poke`` was called, and return what did."""
        await self._wake.wait()
        self._wake.clear()
        news, self._news = self._news, []
        return news

    def cut(self, names: Collection[str]) -> None:
        """Cancel the tasks of that *names*."""
        for name in names:
            if name in self._tasks and not self._loop.is_closed():
                self._tasks[name].cancel()

    def poke(self) -> None:
        """Let ``ended`` return."""
        self._wake.set()

    def at_rest(self, told: Callable[[], None]) -> None:
        """Begin nothing more, and call *told* once nothing is at work."""
        self._at_rest = told
        if not self._tasks:
            told()


class ThreadCrew:
    """Run one piece of work in the caller's thread, several at a time each in a thread of its own.

    Threads cannot be cut: what runs is waited for.
    """

    def __init__(self, runtime: BlockingRuntime = BLOCKING) -> None:
        self._runtime = runtime
        self._queue: list[tuple[str, Work, contextvars.Context]] = []
        self._news: News = []  # all of it, so that an interrupt loses none
        self._begun = self._told = 0
        self._at_rest: Callable[[], None] | None = None
        self._lock = new_lock()
        self._waiter: Waiter = runtime.waiter()

    def start(self, name: str, work: Work, context: contextvars.Context) -> None:
        """Note *work*; it begins when ``ended`` is waited for."""
        self._queue.append((name, work, context))

    async def ended(self) -> News:
        """Run what is noted until something ended, and return what did."""
        queue, self._queue = self._queue, []
        if len(queue) == 1 and self._begun == self._told:
            return [self._carry_out(*queue[0])]
        for entry in queue:
            self._begin(*entry)
        try:
            news = await self._wait()
            told = self._told + len(news)
        except KeyboardInterrupt as error:
            return [(SOMEBODY, NotReturned(error, Doubt.NOBODY_KNOWS))]
        self._told = told  # the very last thing: an interrupt before it lets the news be told next time
        return news

    def _begin(self, name: str, work: Work, context: contextvars.Context) -> None:
        self._begun += 1
        try:
            context.run(self._runtime.world.spawn, partial(self._in_thread, name, work), f"unbreakable step {name}")
        except ThreadsExhausted:  # every thread hangs somewhere: work in this one rather than not at all
            context.run(self._in_thread, name, work)

    async def _wait(self) -> News:
        while True:
            with self._lock:
                if len(self._news) > self._told:
                    return self._news[self._told :]
                self._waiter = waiter = self._runtime.waiter()
            await self._runtime.wait(waiter, float("inf"))

    def _carry_out(self, name: str, work: Work, context: contextvars.Context) -> tuple[str, Ending]:
        return name, context.run(run_blocking, _carried_out(work))

    def _in_thread(self, name: str, work: Work) -> None:
        news = (name, run_blocking(_carried_out(work)))
        with self._lock:
            self._news.append(news)
            self._waiter.wake()
            told = self._at_rest if self._rests else None
        if told is not None:
            told()

    @property
    def _rests(self) -> bool:
        return len(self._news) >= self._begun

    def cut(self, names: Collection[str]) -> None:
        """Cut nothing: a thread cannot be stopped from outside."""

    def poke(self) -> None:
        """Do nothing: whoever could call it is the one who waits."""

    def at_rest(self, told: Callable[[], None]) -> None:
        """Begin nothing more, and call *told* once nothing is at work in any thread."""
        with self._lock:
            self._at_rest, rests = told, self._rests
        if rests:
            told()


async def _carried_out(work: Work) -> Ending:
    """Return how *work* ended, also when it was cut or interrupted: an interrupt must not stop the event loop.

    Nothing is raised: who waits for the news would wait for ever.
    """
    try:
        return await work()
    except BaseException as error:
        return NotReturned(error, Doubt.NOBODY_KNOWS)
