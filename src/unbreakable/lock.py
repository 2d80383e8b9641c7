"""Locks that a forked child finds open, whoever held them in the parent, and of which a thread knows which it holds."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Any

FEW = 100  # references to locks that are gone, which are kept besides a quarter of those that live


class _Locks:
    """Know the locks that there are, without callbacks when they go: what a handler raises in one is lost."""

    def __init__(self) -> None:
        self._by_id: dict[int, weakref.ref[Any]] = {}
        self._most = FEW

    def add(self, lock: object) -> None:
        """Know *lock* as long as it lives."""
        self._by_id[id(lock)] = weakref.ref(lock)
        if len(self._by_id) > self._most:
            for key, reference in self._entries():
                if reference() is None:
                    self._drop(key)
            self._most = len(self._by_id) * 5 // 4 + FEW

    def _entries(self) -> list[tuple[int, weakref.ref[Any]]]:
        while True:
            with contextlib.suppress(RuntimeError):  # the collector came, and let another thread make a lock
                return list(self._by_id.items())

    def _drop(self, key: int) -> None:
        reference = self._by_id.pop(key, None)
        if reference is not None and reference() is not None:  # another thread has just made one in the same place
            self._by_id.setdefault(key, reference)

    def all(self) -> list[Any]:
        """Return those that live."""
        return [lock for _, reference in self._entries() if (lock := reference()) is not None]


_locks = _Locks()


def new_lock() -> threading.RLock:
    """Return a lock for a few lines of arithmetic; never hold it across an await.

    Who holds it can take it again: in the middle of those lines the collector may close a coroutine, of an event loop
    that is gone, which then gives back what it holds.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def holds_a_lock() -> bool:
    """Return whether this thread is in the middle of such lines; it looks at all locks that there are."""
    return any(lock._is_owned() for lock in _locks.all() if hasattr(lock, "_is_owned"))  # noqa: SLF001 - as Condition


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
    for lock in _locks.all():
        lock._at_fork_reinit()  # noqa: SLF001 - what the standard library does for its own locks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
