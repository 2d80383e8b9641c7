"""What the blocking driver needs of the real world: a clock, events, and threads that may be left behind."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import functools
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from unbreakable.bell import Bell
from unbreakable.lock import new_lock
from unbreakable.runtime.chore import begin_chore, come_what_may

MOST_THREADS = 1_024  # at work at once
MOST_THREADS_EACH = 256  # of them for one owner: a target that hangs must not take the threads of all others
MOST_CARRYING = 4_096  # that carry a loop or a stream, for as long as it goes on: these are no calls that hang
LOOK_AT_CLOCK = 60.0  # seconds between two looks whether the time of day was set
MOST_CHORES = 10_000  # that wait to be done; beyond that the oldest are forgotten
LONGEST_CHORE = 5.0  # seconds that a fork waits for the one that is being done


class ThreadsExhausted(Exception):
    """Say that there is no thread to be had, and who holds those that there are."""


class RealWorld:
    """The machine's clock and real threads, at most MOST_THREADS of them at work, and MOST_CARRYING that carry on."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start afresh in a forked child, which has none of its parent's threads."""
        self.busy: collections.Counter[object] = collections.Counter()
        self.carrying = 0
        self.lock = new_lock()  # a handler of signals may come in the middle, and have something done, too
        self.queue: collections.deque[Callable[[], None]] = collections.deque(maxlen=MOST_CHORES)
        self.chores: threading.Thread | None = None
        self.wanted = Bell()  # somebody who does the chores
        self.at_a_chore = threading.RLock()

    def pause_chores(self) -> None:
        """Let the chore that is being done come to its end, and begin none: a child could never finish it.

        An import that is half done, above all, stays so in a child for ever.
        """
        self.at_a_chore.acquire(timeout=LONGEST_CHORE)

    def resume_chores(self) -> None:
        """Go on with the chores."""
        with contextlib.suppress(RuntimeError):  # it was not to be had in time
            self.at_a_chore.release()

    def watch_clock(self, who: Any) -> float:
        """Return how often *who* has to look: the system tells nobody that its clock was set."""
        return LOOK_AT_CLOCK

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        time.sleep(seconds)

    def wait(self, bell: Bell, seconds: float) -> bool:
        """Return whether *bell* was rung within *seconds*."""
        return bell.wait(seconds)

    def spawn(self, work: Callable[[], Any], name: str, owner: object = None) -> None:
        """Run *work* in a daemon thread with a copy of this context; raise ThreadsExhausted if too many hang."""
        with self.lock:
            if self.busy[owner] >= MOST_THREADS_EACH or self.busy.total() >= MOST_THREADS:
                raise ThreadsExhausted(f"{self.busy[owner]} worker threads are held by calls that do not come back")
            self.busy[owner] += 1
        self._start(work, name, functools.partial(self._work_is_over, owner))

    def carry(self, work: Callable[[], Any], name: str) -> None:
        """Run *work*, which goes on for long, in a daemon thread that is no worker; otherwise as ``spawn``."""
        with self.lock:
            if self.carrying >= MOST_CARRYING:
                raise ThreadsExhausted(
                    f"{self.carrying:,} threads carry loops and streams; those of async code need none"
                )
            self.carrying += 1
        self._start(work, name, self._carried)

    def _start(self, work: Callable[[], Any], name: str, over: Callable[[], None]) -> None:
        context = contextvars.copy_context()

        def run() -> None:
            try:
                context.run(work)
            finally:
                over()

        try:
            _start_thread(threading.Thread(target=run, name=name, daemon=True))
        except RuntimeError as error:  # the machine has no more threads, or the interpreter is shutting down
            over()
            raise ThreadsExhausted(str(error)) from error

    def _work_is_over(self, owner: object) -> None:
        with self.lock:
            self.busy[owner] -= 1
            if self.busy[owner] <= 0:  # below: it was spawned before a fork
                del self.busy[owner]

    def _carried(self) -> None:
        with self.lock:
            self.carrying = max(0, self.carrying - 1)

    def background(self, work: Callable[[], None]) -> None:
        """Run *work* soon in the one thread that does chores; whatever it raises is logged and stops nothing."""
        with self.lock:
            self.queue.append(work)
            if self.chores is None or not self.chores.is_alive():
                self.chores = self._begin_chores()
        self.wanted.ring()

    def _begin_chores(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._do_chores, args=(self.wanted,), name="unbreakable", daemon=True)
        try:
            _start_thread(thread)
        except RuntimeError:  # the interpreter is shutting down: a call that succeeded stays a success
            return None
        return thread

    def _do_chores(self, wanted: Bell) -> None:
        while wanted.wait(math.inf):
            wanted.clear()
            while self.queue:
                with self.at_a_chore:
                    begin_chore()
                    come_what_may(self.queue.popleft())


def _start_thread(thread: threading.Thread) -> None:
    """Start *thread*; raise RuntimeError if there can be none."""
    # The last collection closes a generator, and before Python 3.12 its thread's start is waited for in vain:
    if sys.is_finalizing():
        raise RuntimeError("can't create new thread at interpreter shutdown")
    thread.start()


REAL = RealWorld()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=REAL.pause_chores, after_in_parent=REAL.resume_chores, after_in_child=REAL.forget)
