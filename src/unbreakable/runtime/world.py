"""What the blocking driver needs of the real world: a clock, events, and threads that may be left behind."""

from __future__ import annotations

import contextvars
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

MOST_THREADS = 256

numbers = itertools.count()  # the order in which things came about: who parked when, who was woken when


class Bell(threading.Event):
    """An event that remembers when it was rung first, so that the woken go on in that order."""

    number: int | None = None

    def ring(self) -> None:
        """Set the event."""
        if self.number is None:
            self.number = next(numbers)
        self.set()


class ThreadsExhausted(Exception):
    """Say that every worker thread is held by a call that does not come back."""


class RealWorld:
    """The machine's clock and real threads, at most MOST_THREADS of them at work."""

    now = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start afresh in a forked child, which has none of its parent's threads."""
        self.busy = 0
        self.lock = threading.Lock()
        self.queue: list[Callable[[], None]] = []
        self.chores: threading.Event | None = None

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return whether *event* was set within *seconds*."""
        return event.wait(None if seconds > threading.TIMEOUT_MAX else max(0.0, seconds))

    def spawn(self, work: Callable[[], Any], name: str) -> None:
        """Run *work* in a daemon thread with a copy of this context; raise ThreadsExhausted if too many hang."""
        with self.lock:
            if self.busy >= MOST_THREADS:
                raise ThreadsExhausted(f"{MOST_THREADS} worker threads are held by calls that do not come back")
            self.busy += 1
        context = contextvars.copy_context()
        threading.Thread(target=self._work, args=(context, work), name=name, daemon=True).start()

    def _work(self, context: contextvars.Context, work: Callable[[], Any]) -> None:
        try:
            context.run(work)
        finally:
            with self.lock:
                self.busy -= 1

    def background(self, work: Callable[[], None]) -> None:
        """Run *work* soon in the one thread that does chores."""
        with self.lock:
            self.queue.append(work)
            if self.chores is None:
                self.chores = threading.Event()
                threading.Thread(target=self._do_chores, args=(self.chores,), name="unbreakable", daemon=True).start()
            self.chores.set()

    def _do_chores(self, wanted: threading.Event) -> None:
        while wanted.wait():
            wanted.clear()
            with self.lock:
                queue, self.queue = self.queue, []
            for work in queue:
                work()


REAL = RealWorld()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=REAL.forget)
