"""The asyncio driver: how a script waits, races and is cut on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import math
import os
import sys
import time
import weakref
from asyncio import current_task
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import get_ident
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from unbreakable.outcome import Failure, Success
from unbreakable.runtime.blocking import BLOCKING
from unbreakable.runtime.broom import Broom, end_held
from unbreakable.runtime.chore import quietly
from unbreakable.runtime.clockwork import Clockwork, clockwork_of
from unbreakable.runtime.colour import is_async
from unbreakable.runtime.dice import new_dice
from unbreakable.runtime.gate import Gate
from unbreakable.runtime.mark import OwnTask
from unbreakable.runtime.pool import contexts_in_line, is_busy, others_at_work
from unbreakable.runtime.protocol import Step, TimeUp, Waiter
from unbreakable.runtime.rival import Beside, all_gone, contained, context_of, ended
from unbreakable.runtime.watch import Alarm, Watch, Watched, cut, settle, take_back_forgotten
from unbreakable.runtime.world import REAL

T = TypeVar("T")

# Before 3.12 it asks the kernel each time whether the process was forked to find out which loop runs.  A loop of the
# standard library says in which thread it does: whether it is the one that ran last is known in half the time.
LOOKS_LONG = sys.version_info < (3, 12)
KNOWN = (None, OwnTask.make)  # task factories that begin no task before its turn
NO_LOOP = SimpleNamespace(_thread_id=None)
_current_tasks: dict[Any, asyncio.Task[Any]] = getattr(asyncio.tasks, "_current_tasks", {})

MOST_CLOSED = 1_000  # event loops at a time that are looked at for what they were closed over
BEGINNING, MOST_BEGINNING = 0.005, 0.1  # seconds after which to look whether work has begun: at first, and later


class AsyncioRuntime:
    """Run scripts on whichever event loop is running; one object serves them all."""

    def __init__(self, now: Callable[[], float] = time.monotonic, random: Callable[[], float] | None = None) -> None:
        self.preemptive = True
        self.now, self.random, self.entropy = now, random or new_dice(), os.urandom
        self.wall: Callable[[], float] = time.time
        self.forget()

    def forget(self) -> None:
        """Start afresh in a forked child, which inherits no running loop."""
        self.forget_watches()
        self.branches: set[asyncio.Task[Any]] = set()  # an event loop itself keeps only weak references
        self.broom = Broom()
        #: event loops that were found to be closed since somebody looked what they had left
        self.closed: deque[weakref.ref[asyncio.AbstractEventLoop]] = deque(maxlen=MOST_CLOSED)

    def forget_watches(self) -> None:
        """Let every loop have a new watch, if it needs one."""
        self.watches: dict[asyncio.AbstractEventLoop, Watch] = {}
        self.latest: tuple[Any, Watch | None] = NO_LOOP, None  #: the loop that was watched last, and its watch

    # ── time limits ──────────────────────────────────────────────────────────────────────────────────────────────

    def watch(self, alarm: Alarm) -> Watched:
        """Put *alarm*, whose ``due`` is set, under the alarm of the running loop; return what it is to be taken from.

        That alone holds the task: held by the alarm, the two would be a circle for the collector.
        """
        loop, watch = self.latest
        if loop._thread_id == get_ident():  # noqa: SLF001
            task = _current_tasks.get(loop)
        else:
            task = current_task()
            watch = None if task is None else self._watch_of(task.get_loop())
        if task is None or watch is None:
            return {alarm: None}  # driven by hand, outside any task: nothing could be cancelled
        alarm.cancels = task.cancelling()
        alarms = watch.alarms
        alarms[alarm] = task
        if alarm.due < watch.alarm_at:
            watch.arm(alarm.due)
        return alarms

    def cancellations(self) -> int:
        """Return how many cancellations were asked of the running task, and not taken back."""
        loop, _ = self.latest
        try:
            task = _current_tasks.get(loop) if loop._thread_id == get_ident() else current_task()  # noqa: SLF001
        except RuntimeError:  # no event loop runs: the collector closes a coroutine whose loop is gone
            return 0
        return 0 if task is None else task.cancelling()

    def forgive(self, errors: Iterable[BaseException]) -> None:
        """Take back the cancellations that *errors* stand for and nobody asked for."""
        take_back_forgotten(errors)

    def tighten(self, owner: object, seconds: float) -> None:
        """Let a limit learned meanwhile count for the attempts of *owner* that are in flight on any loop."""
        for loop, watch in list(self.watches.items()):
            if watch.alarms and not loop.is_closed():
                with contextlib.suppress(RuntimeError):  # it may close at this very moment
                    loop.call_soon_threadsafe(watch.tighten, owner, seconds)

    def ages(self, owner: object, *, endless: bool = False) -> list[float]:
        """Return the seconds that each step of *owner* is under way, on any loop; *endless*: also without deadline."""
        now = self.now()
        alarms = [alarm for watch in list(self.watches.values()) for alarm in list(watch.alarms)]
        return [now - each.started for each in alarms if each.target is owner and (endless or each.deadline < math.inf)]

    def forget_closed(self) -> None:
        """Let go of what was in flight on event loops that are closed: then the collector finds it."""
        closed = [old for old in list(self.watches) if old.is_closed()]
        for old in closed:
            self.watches.pop(old, None)
            if self.latest[0] is old:
                self.latest = NO_LOOP, None
        over = [task for task in list(self.branches) if task.get_loop().is_closed()]
        self.branches.difference_update(over)
        self.closed.extend(map(weakref.ref, {*closed, *(task.get_loop() for task in over)}))
        self.broom.swept(len(self.branches))

    def collect_closed(self, is_ours: Callable[[contextvars.Context], bool]) -> bool:
        """End what event loops were closed over, which may hold places; return whether there was anything.

        Of what somebody else holds that is what *is_ours* by its context variables.
        """
        self.forget_closed()
        closed, self.closed = self.closed, deque(maxlen=MOST_CLOSED)
        loops = tuple(closed)  # another thread may be adding to them
        found = any(map(_has_tasks, loops)) and gc.collect() > 0
        held = [end_held(loop, is_ours) for each in loops if (loop := each()) is not None]
        return found or any(held)

    def _watch_of(self, loop: asyncio.AbstractEventLoop) -> Watch:
        """Return the watch of *loop*, which runs in this thread, and expect it to be the next one's, too."""
        watch = self.watches.get(loop)
        if watch is None:
            self.forget_closed()
            watch = self.watches.setdefault(loop, Watch(loop, self._moment))
        if LOOKS_LONG and hasattr(loop, "_thread_id"):
            self.latest = loop, watch
        return watch

    def _moment(self) -> float:
        return self.now()  # looked up each time: virtual time swaps it

    async def within(
        self,
        seconds: float,
        step: Step[T],
        owner: object = None,
        respite: Callable[[], float] | None = None,
        deadline: float = math.inf,
    ) -> T:
        """Return what *step* returns, or cut it after *seconds*, and if need be at the *deadline*; raise TimeUp."""
        alarm = Alarm() if respite is None else Limit(respite)
        alarm.target, alarm.started = owner, self.now()
        alarm.due, alarm.deadline = alarm.started + seconds, deadline
        watched = self.watch(alarm)
        try:
            value = await step()
        except BaseException as error:
            watched.pop(alarm, None)
            if settle(alarm, error):
                raise TimeUp from error
            raise
        watched.pop(alarm, None)
        if not alarm.cut:
            return value
        settle(alarm, None)  # it swallowed our cancellation and finished all the same: what it made of it counts
        return cast("T", replace(value, cut=True)) if isinstance(value, Failure) else value

    # ── waiting and racing ───────────────────────────────────────────────────────────────────────────────────────

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)

    async def until_begun(self, is_ours: Callable[[contextvars.Context], bool], seconds: float) -> bool:
        """Wait until what *is_ours* in the line for the running loop's threads has begun; return whether it has."""
        await asyncio.sleep(0)  # for tasks that were made just now
        pool, until, pause = _pool_of(asyncio.get_running_loop()), self.now() + seconds, BEGINNING
        while any(map(is_ours, contexts_in_line(pool))):
            if self.now() >= until:
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, MOST_BEGINNING)
        if pool is not None and is_busy(pool):
            await asyncio.sleep(BEGINNING)  # it was handed to a thread, which has to be given the interpreter
        return True

    def others_at_work(self) -> bool:
        """Return whether there are other threads, in which something may be about to begin."""
        return others_at_work(_pool_of(asyncio.get_running_loop()))

    async def call(self, work: Callable[[], Any], owner: object = None) -> Any:
        """Run user code of either colour; a plain function on the loop itself, or in a thread of *owner*."""
        value = work() if owner is None or is_async(work) else await self._in_a_thread(work, owner)
        return await value if inspect.isawaitable(value) else value

    async def _in_a_thread(self, work: Callable[[], Any], owner: object) -> Any:
        """Run a plain function where it can be left behind; what it returns may have to be awaited here."""
        waiter = self.waiter()

        async def step() -> Any:
            return work()

        branch = BLOCKING.branch(step, owner, waiter.wake)
        try:
            await self.wait(waiter, math.inf)
        finally:
            branch.over.ring()
        return branch.result()

    async def first(self, *steps: Step[Any], owner: object = None) -> Any:
        """Run the steps as tasks; the first Success ends the race."""
        tasks = [self._branch(contained(step)) for step in steps]
        pending = set(tasks)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:  # in the order given, so that a tie has one winner
                    if task.cancelled() and task is not tasks[0]:
                        continue  # what it waited for was cancelled: it did not take part
                    if task in done and isinstance(ended(task), Success):
                        return task.result()
            return ended(tasks[0])
        except asyncio.CancelledError:  # the caller's: it waits for their clean-up, as for what it awaits itself
            _stop(tasks)
            await all_gone(tasks)
            raise
        finally:
            _stop(tasks)

    def beside(self, step: Step[Any]) -> Beside:
        """Run *step* in a task of its own, which goes on when who waits for it is cut."""
        return Beside(self._branch(contained(step)))

    def pursue(self, alarm: Alarm, step: Step[Any]) -> Beside | None:
        """Run *step* beside the work in flight that *alarm* stands for, with its context variables."""
        watch = self.watches.get(asyncio.get_running_loop())
        task = None if watch is None else watch.alarms.get(alarm)
        return None if task is None else Beside(context_of(task).run(self._branch, contained(step)))

    def overtake(self, alarm: Alarm) -> None:
        """Cut the work in flight that *alarm* stands for, if it is: another one has won."""
        watch = self.watches.get(asyncio.get_running_loop())
        if watch is not None and alarm in watch.alarms:
            cut(alarm, watch.alarms[alarm])

    def _branch(self, coroutine: Any) -> asyncio.Task[Any]:
        loop = asyncio.get_running_loop()
        if loop.get_task_factory() in KNOWN:
            task: asyncio.Task[Any] = loop.create_task(coroutine)
        else:  # it may begin tasks at once, as Python 3.12's eager ones are, before anybody knows of this one
            task = asyncio.Task(coroutine, loop=loop)
        if self.broom.is_due(len(self.branches)):
            self.forget_closed()
        self.branches.add(task)
        task.add_done_callback(self._branch_ended)
        return task

    def _branch_ended(self, task: asyncio.Task[Any]) -> None:
        self.branches.discard(task)
        if not task.cancelled():
            task.exception()  # a loser's trouble is nobody's any more: no "never retrieved" in the log

    def waiter(self) -> Waiter:
        """Return a waiter of the running loop, which is known from now on: it may be closed over what waits."""
        loop = asyncio.get_running_loop()
        self._watch_of(loop)
        return LoopWaiter(loop)

    async def wait(self, waiter: Waiter, seconds: float) -> bool:
        """Wait until *waiter* is woken, at most *seconds* (``math.inf``: for ever)."""
        assert isinstance(waiter, LoopWaiter)  # noqa: S101 - made by this driver's waiter()
        if waiter.is_woken:
            return True
        loop, until = waiter.loop, self.now() + seconds
        nap = loop.create_future()
        waiter.nap = weakref.ref(nap)
        clockwork = self._clockwork_of(loop) if 0.0 < seconds < FOR_EVER else None
        timer = None if seconds > FOR_EVER or clockwork else loop.call_later(max(0.0, seconds), _end_nap, nap)
        endless = self._watch_of(loop).endless
        try:
            if clockwork is not None:
                clockwork.end(nap, until)
            elif timer is None:
                endless.add(nap)
            await nap
        finally:
            endless.discard(nap)
            if timer is not None:
                timer.cancel()
            elif clockwork is not None and self.now() < until:
                clockwork.is_over()
        return waiter.is_woken

    def _clockwork_of(self, loop: asyncio.AbstractEventLoop) -> Clockwork | None:
        """Return what ends naps on *loop* in time; None in virtual time, and where there is none."""
        if self.now is not time.monotonic:
            return None
        watch = self.watches.get(loop) or self._watch_of(loop)
        if not watch.has_looked:
            watch.has_looked, watch.clockwork = True, clockwork_of(loop)
        return watch.clockwork

    def background(self, work: Callable[[], None]) -> None:
        """Run *work* in the thread that does chores; in virtual time after what the loop is doing now."""
        if BLOCKING.world is REAL:
            REAL.background(work)
        else:
            asyncio.get_running_loop().call_soon(functools.partial(quietly, work), context=contextvars.Context())

    def gate(self, most: int) -> Gate:
        """Return a gate with *most* places."""
        return Gate(most)


def _has_tasks(closed: weakref.ref[asyncio.AbstractEventLoop]) -> bool:
    loop = closed()
    return loop is not None and bool(asyncio.all_tasks(loop))


def _pool_of(loop: asyncio.AbstractEventLoop) -> Any:
    """Return the pool in which *loop* does what it is handed for a thread; None if it has none, or does not tell."""
    return getattr(loop, "_default_executor", None)


def _stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        with contextlib.suppress(RuntimeError):  # its event loop may be closed
            task.cancel()


class Limit(Alarm):
    """A time limit that somebody else may put off."""

    def __init__(self, respite: Callable[[], float]) -> None:
        self._respite = respite

    def respite(self) -> float:
        """Return until when the step may go on."""
        return self._respite()


class LoopWaiter:
    """A wait on one event loop that any thread may end."""

    __slots__ = ("given", "is_woken", "loop", "nap")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.given, self.is_woken = loop, False, False
        #: the wait that goes on; whoever keeps us, as a line does, does not keep what its event loop is closed over
        self.nap: Callable[[], asyncio.Future[None] | None] = _nothing

    def alive(self) -> bool:
        """Return whether the loop can still wake anybody."""
        return not self.loop.is_closed()

    def wake(self) -> None:
        """End the wait; a loop that is gone has nobody who waits."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self.is_woken, nap = True, self.nap()
        if nap is not None:
            _end_nap(nap)


def _nothing() -> None:
    return None


def _end_nap(nap: asyncio.Future[None]) -> None:
    if not nap.done():
        nap.set_result(None)


FOR_EVER = 1e8  # about three years: longer waits are given to the loop as "no limit", which its selector can express


ASYNCIO = AsyncioRuntime()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ASYNCIO.forget)
