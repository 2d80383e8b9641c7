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


def new_latch() -> threading.Lock:
    """Return a lock that not even who holds it can take again, for what is done by one at a time."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def _open_all() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()  # noqa: SLF001 - what the standard library does for its own locks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
