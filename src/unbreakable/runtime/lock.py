"""Locks that a forked child finds open, whoever held them in the parent."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def new_lock() -> threading.RLock:
    """Return a lock for a few lines of arithmetic; never hold it across an await.

    Who holds it can take it again: in the middle of those lines the collector may close a coroutine, of an event loop
    that is gone, which then gives back what it holds.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


class Latch:
    """Let one thread at a time do something, which not even that one can begin again before it has ended."""

    __slots__ = ("_holder", "_lock")

    def __init__(self) -> None:
        self._lock, self._holder = threading.Lock(), 0
        _locks.add(self._lock)

    def take(self) -> bool:
        """Begin, if nobody is at it; return whether that is so."""
        if not self._lock.acquire(blocking=False):
            return False
        self._holder = threading.get_ident()
        return True

    def release(self) -> None:
        """End what ``take`` began."""
        self._holder = 0
        self._lock.release()

    def wait(self, seconds: float) -> None:
        """Wait until nobody is at it, at most *seconds*; who is at it does not wait for itself."""
        if self._holder != threading.get_ident() and self._lock.acquire(timeout=seconds):
            self._lock.release()


def _open_all() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()  # noqa: SLF001 - what the standard library does for its own locks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
