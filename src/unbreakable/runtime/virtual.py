"""Virtual time: sleeps, time limits and timers of sync and async code take no time at all.

The law of this file.  One *moment* is the time for everybody.  Threads that take part are either running or *parked*
until a moment or an event.  Only when nobody runs may the moment jump, to the nearest one that somebody waits for;
and only one of the parked goes on at a time, in the order in which they parked, so that a story has one course.
Whoever blocks on something real (a lock, a socket) is given PATIENCE of real time before the others go on without; by
asking for the time, or starting a thread, they take part again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime as dt
import gc
import heapq
import math
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from unbreakable.bell import Bell, numbers
from unbreakable.runtime.aio import ASYNCIO
from unbreakable.runtime.blocking import BLOCKING
from unbreakable.runtime.chore import quietly
from unbreakable.runtime.parked import Parked
from unbreakable.runtime.virtual_clock import VirtualClock

PATIENCE = 1.0  # real seconds that a thread may block for real before it no longer holds up virtual time
GUEST_PATIENCE = 0.1  # the same for one that the user's code started and that stands still: a server waits for ever
LOOKS = 50  # at which such a thread stands still: where nobody is let run for a while, nor are they taken
JOB_PATIENCE = 1.0  # real seconds that work in asyncio's thread pool may take before the moment jumps without it
SOCKET_PATIENCE = 0.02  # real seconds that open sockets are given to become ready before the moment jumps

_start = threading.Thread.start


class VirtualWorld:
    """The blocking driver's world in which time passes only when everybody waits; see the law of this file."""

    def __init__(self, start: float, wall: float = 0.0) -> None:
        self.start, self.moment = start, start
        self.ahead = wall - start  #: how far the time of day is ahead of the moment
        self.watchers: weakref.WeakSet[Any] = weakref.WeakSet()  # of the time of day
        self.turn = threading.Condition()
        self.parked: list[Parked] = []
        self.members: set[int] = set()  # the threads that take part, and those of them that run
        self.running: set[object] = set()
        self.guests: set[object] = set()  # those of them that the user's code started
        self.progress, self.jobs = time.monotonic(), 0
        # where they are, since when, and how often they were seen there
        self.lines: tuple[dict[int, tuple[int, int]], float, int] = ({}, self.progress, 0)
        self.loops: weakref.WeakSet[Any] = weakref.WeakSet()  # the event loops that ran in it

    def now(self) -> float:
        """Return the moment, in the seconds of the real monotonic clock at which this world began."""
        thread = threading.get_ident()
        if thread not in self.running and thread in self.members:
            self._be_back()
        return self.moment

    def wall(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return self.now() + self.ahead

    def watch_clock(self, who: Any) -> float:
        """Have *who* woken when the time of day is stepped: it need not look."""
        self.watchers.add(who)
        return math.inf

    def step(self, seconds: float) -> None:
        """Step the time of day."""
        self.ahead += seconds
        for who in list(self.watchers):
            who.wake()

    def _be_back(self) -> None:
        """Let the calling thread be one that runs, should others have gone on without it meanwhile."""
        thread = threading.get_ident()
        if thread not in self.running:
            with self.turn:
                self.running.add(thread)
                self.progress = time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Park for *seconds*."""
        until = self.moment + max(0.0, seconds)
        if not self.passes(until):
            self.park(until, _never)

    def wait(self, bell: Bell, seconds: float) -> bool:
        """Park until *bell* is rung, at most *seconds*."""
        self.park(self.moment + max(0.0, seconds), bell.is_set, bell=bell)
        return bell.is_set()

    def background(self, work: Callable[[], None]) -> None:
        """Run *work* at once: in virtual time nobody waits for it, and stories stay in order."""
        quietly(work)

    def spawn(self, work: Callable[[], Any], name: str, owner: object = None) -> None:
        """Start a thread that takes part; it goes on when its starter parks."""
        self._be_back()  # one of a pool, too, holds time up until it waits for what it starts
        context, entry = contextvars.copy_context(), Parked(self.moment, next(numbers), _never, 0.0, member=True)
        with self.turn:
            self.parked.append(entry)

        def member() -> None:
            with self.turn:
                self.members.add(threading.get_ident())
                self._await(entry)
            try:
                context.run(work)
            finally:
                self.leave()

        _start(threading.Thread(target=member, name=name, daemon=True))

    def carry(self, work: Callable[[], Any], name: str) -> None:
        """Start a thread as ``spawn`` does: here nobody counts them."""
        self.spawn(work, name)

    def invite(self, thread: threading.Thread) -> None:
        """Start a thread of the user's code, which takes part from now on."""
        self.now()  # whoever starts it is back
        run, place = thread.run, object()

        def guest() -> None:
            self.guests.add(threading.get_ident())
            self.join(place)
            try:
                run()
            finally:
                self.leave()

        thread.run = guest  # type: ignore[method-assign]
        self.guests.add(place)
        self.running.add(place)  # at once: time must not pass between here and its first step
        try:
            _start(thread)
        except BaseException:
            self.running.discard(place)
            raise

    def join(self, place: object = None) -> None:
        """Let the calling thread take part, where *place* was kept for it."""
        with self.turn:
            self.members.add(threading.get_ident())
            for those in (self.guests, self.running):
                those.discard(place)
            self.running.add(threading.get_ident())

    def leave(self) -> None:
        """Let the calling thread no longer take part."""
        with self.turn:
            for those in (self.members, self.guests, self.running):
                those.discard(threading.get_ident())
            self.turn.notify_all()

    def passes(self, until: float) -> bool:
        """Let it be the moment *until* at once, if nobody but the calling thread takes part; return whether it is."""
        with self.turn:
            if self.parked or self.jobs or until == math.inf or self.running != {threading.get_ident()}:
                return False
            self.moment, self.progress = max(self.moment, until), time.monotonic()
            return True

    def park(self, until: float, ready: Callable[[], bool], patience: float = 0.0, bell: Bell | None = None) -> None:
        """Wait for the moment *until* or for *ready*."""
        thread = threading.get_ident()
        with self.turn:
            entry = Parked(until, next(numbers), ready, patience, thread in self.members)
            entry.bell = bell
            self.parked.append(entry)
            self.running.discard(thread)
            self._await(entry)

    def _await(self, entry: Parked) -> None:
        if not (self._is_next(entry) or self._may_go_on(entry)):  # else the others need not even wake up
            self.turn.notify_all()
            while not self._may_go_on(entry):
                self.turn.wait(0.001)
        self.parked.remove(entry)
        self.progress = time.monotonic()
        if entry.member:
            self.running.add(threading.get_ident())

    def _is_next(self, entry: Parked) -> bool:
        """Let it be the moment of *entry* if that is plainly the nearest; return whether it is. Most often it is so."""
        if self.running or self.jobs or not self.moment < entry.until < math.inf or entry.patience or entry.ready():
            return False
        for other in self.parked:
            if other is not entry and (other.until <= entry.until or other.patience or other.ready()):
                return False
        self.moment = entry.until
        return True

    def _may_go_on(self, entry: Parked) -> bool:
        if self.running:
            waits = time.monotonic() - self.progress
            if waits < GUEST_PATIENCE or (waits < PATIENCE and not self._guests_stand_still()):
                return False
            self.running.clear()  # they block on something real: the others go on without, until they are back
        able = self._able() or self._jump()
        return able == [entry] or (bool(able) and min(able, key=Parked.place) is entry)

    def _guests_stand_still(self) -> bool:
        """Return whether only guests run, and block: one that works, on a busy machine, is not gone on without."""
        lines = {thread: (id(at), at.f_lasti) for thread, at in _frames().items() if thread in self.running}
        if not self.running <= self.guests or len(lines) < len(self.running):
            return False
        seen, since, looks = self.lines
        if lines != seen:
            seen, since, looks = lines, time.monotonic(), 0
        self.lines = seen, since, looks + 1
        return looks >= LOOKS and time.monotonic() - since >= GUEST_PATIENCE

    def _able(self) -> list[Parked]:
        return [parked for parked in self.parked if parked.until <= self.moment or parked.ready()]

    def _jump(self) -> list[Parked]:
        real = time.monotonic()
        at_work = self.jobs > sum(not parked.member for parked in self.parked)  # threads of asyncio's own pool
        if any(real - parked.since < (JOB_PATIENCE if at_work else parked.patience) for parked in self.parked):
            return []
        nearest = min(parked.until for parked in self.parked)
        if nearest == math.inf:
            return []  # everybody waits for something real
        self.moment = max(self.moment, nearest)
        return self._able()


def _frames() -> dict[int, Any]:
    """Return where each thread is; the collector does not come meanwhile.

    What it runs could let another thread have its turn, and one that starts a thread then waits for the list of threads
    that is held here, and keeps everybody waiting: a deadlock in C (python/cpython#106883).
    """
    comes = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # noqa: SLF001 - the documented way to see what other threads do
    finally:
        if comes:
            gc.enable()


def _never() -> bool:
    return False


# ── the event loop's part: private names of asyncio, pinned by a test on every supported Python ──────────────────────


def _next_timer(loop: Any) -> float:
    """Return when the next timer is due that nobody cancelled."""
    scheduled = loop._scheduled  # noqa: SLF001
    while scheduled and scheduled[0].cancelled():
        loop._timer_cancelled_count -= 1  # noqa: SLF001 - as asyncio does itself
        heapq.heappop(scheduled)._scheduled = False  # noqa: SLF001
    return float(scheduled[0].when()) if scheduled else math.inf


def _wait_in_virtual_time(world: VirtualWorld, loop: Any) -> None:
    if loop._ready or loop._stopping:  # noqa: SLF001
        return
    sockets = len(loop._selector.get_map()) - 1  # noqa: SLF001 - one is the loop's own
    closing = getattr(loop, "_executor_shutdown_called", False)  # its threads are joined, which takes real time
    patience = JOB_PATIENCE if closing else SOCKET_PATIENCE if sockets > 0 else 0.0
    until = _next_timer(loop)
    if patience or loop._selector.select(0) or not world.passes(until):  # noqa: SLF001
        world.park(until, lambda: bool(loop._ready or loop._selector.select(0)), patience)  # noqa: SLF001


@contextlib.contextmanager
def _patched(place: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


@contextlib.contextmanager
def _event_loops_in(world: VirtualWorld) -> Iterator[None]:
    base: Any = asyncio.BaseEventLoop
    run_once, run_in_executor = base._run_once, base.run_in_executor  # noqa: SLF001
    latest: Callable[[], Any] = _never  # the loop that ran last, which most often is the one that runs

    def virtual_run_once(loop: Any) -> None:
        nonlocal latest
        if hasattr(loop, "_selector") and hasattr(loop._selector, "get_map"):  # noqa: SLF001
            if loop is not latest():
                world.loops.add(loop)
                latest = weakref.ref(loop)
            _wait_in_virtual_time(world, loop)
            # A timer is due for asyncio within its clock's resolution, which is lost in a clock that has shown years.
            loop._clock_resolution = max(loop._clock_resolution, math.ulp(world.moment))  # noqa: SLF001
        run_once(loop)

    def counted(loop: Any, *args: Any) -> Any:
        future = run_in_executor(loop, *args)
        world.jobs += 1
        future.add_done_callback(lambda _: setattr(world, "jobs", world.jobs - 1))
        return future

    with (
        _patched(base, "time", lambda _: world.now()),
        _patched(base, "_run_once", virtual_run_once),
        _patched(base, "run_in_executor", counted),
    ):
        yield


@contextlib.contextmanager
def _threads_in(world: VirtualWorld) -> Iterator[None]:
    def start(thread: threading.Thread) -> None:
        work = getattr(thread, "_target", None)  # a pool's thread waits for work most of the time
        of_a_pool = getattr(work, "__module__", None) == "concurrent.futures.thread"
        (_start if of_a_pool else world.invite)(thread)

    with _patched(threading.Thread, "start", start):
        yield


_active = threading.Lock()


@contextlib.contextmanager
def virtual_time(seed: int = 0, *, at: dt.datetime | None = None) -> Iterator[VirtualClock]:
    """Let time jump inside the block: sleeps, time limits, windows, hedges and loops of sync and async code.

    Event loops, running or made inside, ``time.sleep`` and everything of this library follow the clock that is
    returned; *seed* fixes the library's dice, *at* the time of day at which it begins.  ``time.monotonic`` and
    ``time.time`` stay real.  Real sockets are given 20 ms of real time before the clock jumps.  Blocks do not nest:
    RuntimeError.

    >>> import time
    >>> with virtual_time() as clock:
    ...     time.sleep(3600)
    ...     clock.now()
    3600.0
    """
    if not _active.acquire(blocking=False):
        msg = "virtual_time() is in use already: blocks do not nest and serve one test at a time"
        raise RuntimeError(msg)
    wall = BLOCKING.wall() if at is None else at.timestamp()
    world, dice = VirtualWorld(float(math.ceil(BLOCKING.now())), wall), random.Random(seed)
    real = BLOCKING.world
    try:
        with contextlib.ExitStack() as stack:
            for runtime in (ASYNCIO, BLOCKING):
                stack.enter_context(_patched(runtime, "now", world.now))
                stack.enter_context(_patched(runtime, "wall", world.wall))
                stack.enter_context(_patched(runtime, "random", dice.random))
                stack.enter_context(_patched(runtime, "entropy", dice.randbytes))
            stack.enter_context(_patched(BLOCKING, "world", world))
            stack.enter_context(_patched(time, "sleep", world.sleep))
            stack.enter_context(_event_loops_in(world))
            stack.enter_context(_threads_in(world))
            world.join()
            try:
                yield VirtualClock(world)
            finally:
                world.leave()
    finally:
        _go_on_from(world, real)
        _active.release()


def _go_on_from(world: VirtualWorld, real: Any) -> None:
    """Return to real time without going backwards: what was noted in virtual time stays in the past."""
    ahead = world.moment - time.monotonic()
    if ahead > 0:
        shifted = lambda: time.monotonic() + ahead  # noqa: E731
        ASYNCIO.now = BLOCKING.now = shifted
        real.now = shifted
    for loop in list(world.loops):
        loop.time = _library_time  # its timers were set by a clock that may be ahead, and goes on from there
    ASYNCIO.forget_watches()


def _library_time() -> float:
    return ASYNCIO.now()
