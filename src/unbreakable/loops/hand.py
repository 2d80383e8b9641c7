"""A thread that does one job after another for a loop, and is let go of when a job does not end in time."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any

from unbreakable.bell import Bell
from unbreakable.errors import BulkheadFull
from unbreakable.runtime import BLOCKING, Runtime, TimeUp, Waiter
from unbreakable.runtime.blocking import Branch
from unbreakable.runtime.chore import quietly
from unbreakable.runtime.world import ThreadsExhausted


class Job:
    """One piece of work, done in a copy of the context that it was given in."""

    def __init__(self, work: Callable[[], Any], waiter: Waiter) -> None:
        self.branch = Branch(self._step, None)
        self._work = work
        self._waiter = waiter
        self._context = contextvars.copy_context()

    async def _step(self) -> Any:
        return self._work()

    def run(self) -> None:
        """Do it, and wake whoever waits for it."""
        self._context.run(self.branch.run)
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits for it, done or not."""
        self._waiter.wake()


class Hand:
    """Do jobs in a daemon thread, which begins with the first and does *last* at its end; one at a time."""

    def __init__(self, name: str, last: Callable[[], None]) -> None:
        self._name = name
        self._last = last
        self._jobs: deque[Job | None] = deque()
        self._bell = Bell()
        self._job: Job | None = None
        self._has_begun = False
        self._has_ended = False
        self._farewells: list[Waiter] = []
        self.is_let_go = False
        self.left_undone = False  #: whether a job was still in progress when nobody waited for it any more

    @property
    def is_alive(self) -> bool:
        """Whether its thread is still there."""
        return self._has_begun and not self._has_ended

    async def do(self, runtime: Runtime, work: Callable[[], Any], seconds: float) -> Any:
        """Return what *work* returns; raise TimeUp after *seconds*, or when the thread is let go of meanwhile.

        Whoever stops waiting lets go of the thread: it ends with the job, and a nap of ours that it takes ends at once.
        """
        waiter = runtime.waiter()
        job = Job(work, waiter)
        self._give(job)
        self._job = job
        try:
            if not self.is_let_go:
                await runtime.wait(waiter, seconds)
            if not job.branch.done.is_set():
                raise TimeUp
            return job.branch.result()
        finally:
            self._job = None
            if not job.branch.done.is_set():
                self.left_undone = True
                job.branch.over.ring()
                self.let_go()
            del job  # an exception's traceback holds this frame: do not hold the exception in turn

    def begin(self, work: Callable[[], Any]) -> None:
        """Do *work*, for which nobody waits, before whatever is asked for later."""
        self._give(Job(work, BLOCKING.waiter()))

    def let_go(self) -> None:
        """Let the thread end after the job in progress, from any thread; nobody waits for that job any longer."""
        self.is_let_go = True
        job = self._job
        if job is not None:
            job.wake()
        self._jobs.append(None)
        self._bell.ring()

    async def end(self, runtime: Runtime, seconds: float) -> None:
        """Wait until the thread has ended, at most *seconds*."""
        waiter = runtime.waiter()
        self._farewells.append(waiter)
        if self.is_alive:
            await runtime.wait(waiter, seconds)

    def _give(self, job: Job) -> None:
        self._jobs.append(job)
        if self._has_begun:
            self._bell.ring()
            return
        try:
            contextvars.Context().run(BLOCKING.world.carry, self._work, self._name)
        except ThreadsExhausted as error:
            self._jobs.clear()
            raise BulkheadFull(f"no thread for {self._name}: {error}") from None
        self._has_begun = True

    def _work(self) -> None:
        try:
            while True:
                while self._jobs:
                    job = self._jobs.popleft()
                    if job is None:
                        return
                    job.run()
                    del job  # it may hold an exception, and so everything that the work held
                BLOCKING.world.wait(self._bell, float("inf"))
                self._bell.clear()
        finally:
            quietly(self._last)
            self._has_ended = True
            for waiter in self._farewells:
                waiter.wake()
