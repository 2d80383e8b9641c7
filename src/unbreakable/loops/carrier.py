"""What carries a running loop: a task of the event loop that it was started on, or else a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from unbreakable.errors import BulkheadFull
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime, Waiter, new_lock, run_blocking
from unbreakable.runtime.apart import alone
from unbreakable.runtime.broom import Broom
from unbreakable.runtime.mark import OwnTask, running_event_loop
from unbreakable.runtime.thread import this_thread
from unbreakable.runtime.world import ThreadsExhausted

Script: TypeAlias = Callable[[Runtime], Coroutine[Any, Any, None]]

# How often who waits in one thread looks whether the event loop of another was closed under its tasks.
LOOK_AGAIN = 1.0
# Seconds from the cancellation of what iterations left on their thread's event loop to the end that does not wait.
LAST = 0.8


class Carrier:
    """Carry *script* to its end; *ended* is told once, whatever the end was.

    Started in async code, the script is a task there.  In plain code it has a daemon thread: on the blocking driver,
    or, when *needs_event_loop*, on an event loop of its own.
    """

    def __init__(self, script: Script, name: str, ended: Callable[[], None], *, needs_event_loop: bool) -> None:
        self.has_ended = False
        self._has_begun = False
        self._lock = new_lock()
        self._script = script
        self._name = name
        self._ended = ended
        self._needs_event_loop = needs_event_loop
        self._waiting: set[Waiter] = set()
        self.threads: set[int] = set()  #: of plain code, in which it goes on
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; return at once."""
        event_loop = running_event_loop()
        if event_loop is None:
            self._spawn()
            return
        self._event_loop = event_loop
        self._task = OwnTask(self._in_task(), loop=event_loop, name=f"unbreakable loop {self._name}")
        self._task.add_done_callback(self._task_ended)
        _hold(self._task)

    def give_up(self) -> bool:
        """Never begin; return False when it has begun already, as where a signal came in the middle of ``start``."""
        with self._lock:
            self.has_ended = self.has_ended or not self._has_begun
            return not self._has_begun

    def _begins(self) -> bool:
        with self._lock:
            self._has_begun = not self.has_ended
            return self._has_begun

    @property
    def is_alive(self) -> bool:
        """Whether the script can still go on; not so if the event loop was closed under it."""
        return not self.has_ended and not (self._event_loop is not None and self._event_loop.is_closed())

    @property
    def is_here(self) -> bool:
        """Whether it is carried by the event loop that runs in this very thread, and so would be blocked with it."""
        return self._event_loop is not None and self._event_loop is running_event_loop()

    @property
    def is_this_thread(self) -> bool:
        """Whether this very thread is its own, and so does nothing for it as long as somebody waits here."""
        return this_thread() in self.threads

    @property
    def is_alone(self) -> bool:
        """Whether it has an event loop of its own, on which nobody but its operation cancels it."""
        return self._event_loop in alone

    def cancel(self) -> None:
        """Cancel the task; a thread cannot be cancelled."""
        task, event_loop = self._task, self._event_loop
        if task is not None and event_loop is not None:
            alone.discard(event_loop)  # from now on somebody else does cancel it
            with contextlib.suppress(RuntimeError):  # closed at this very moment: then it has ended
                event_loop.call_soon_threadsafe(task.cancel)

    async def wait(self, runtime: Runtime, seconds: float) -> bool:
        """Wait for the end, at most *seconds*; return whether it came."""
        until = runtime.now() + seconds
        waiter = runtime.waiter()
        self._waiting.add(waiter)
        try:
            while self.is_alive:
                left = until - runtime.now()
                if left <= 0:
                    break
                await runtime.wait(waiter, left if self._event_loop is None or self.is_here else min(left, LOOK_AGAIN))
        finally:
            self._waiting.discard(waiter)
        return not self.is_alive

    def _spawn(self) -> None:
        try:
            BLOCKING.world.carry(self._in_thread, f"unbreakable loop {self._name}")
        except ThreadsExhausted as error:
            raise BulkheadFull(f"no thread for loop {self._name!r}: {error}") from None

    async def _in_task(self) -> None:
        if self._begins():
            await self._script(ASYNCIO)

    def _in_thread(self) -> None:
        if not self._begins():
            return
        self.threads.add(this_thread())
        try:
            if self._needs_event_loop:
                with asyncio.Runner() as runner:
                    runner.get_loop().set_task_factory(OwnTask.make)
                    runner.run(self._on_own_event_loop())
            else:
                run_blocking(self._script(BLOCKING))
        finally:
            self.threads.discard(this_thread())
            self._end()

    async def _on_own_event_loop(self) -> None:
        self._event_loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        alone.add(self._event_loop)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._script(ASYNCIO)
            with contextlib.suppress(asyncio.CancelledError):
                await _end_others()
        finally:
            alone.discard(self._event_loop)
            self._end()  # what swallows its cancellation goes on in this thread, and nobody waits for that

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of by the script itself
        self._end()

    def _end(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self._ended()
        for waiter in list(self._waiting):
            waiter.wake()


# An event loop itself keeps only weak references, and who started a task may be gone before it has ended.
_tasks: set[asyncio.Task[None]] = set()
_broom = Broom()


def _hold(task: asyncio.Task[None]) -> None:
    """Hold *task* until it has ended, or its event loop is closed."""
    if _broom.is_due(len(_tasks)):
        _tasks.difference_update([each for each in list(_tasks) if each.get_loop().is_closed()])
        _broom.swept(len(_tasks))
    _tasks.add(task)


def _forget_all() -> None:
    _tasks.clear()  # they go on in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


async def _end_others() -> None:
    """Cancel the other tasks of this event loop, and close its async generators; both have LAST seconds to end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=LAST)
    await asyncio.wait({asyncio.ensure_future(asyncio.get_running_loop().shutdown_asyncgens())}, timeout=LAST)
