"""A process forks without an open connection to a file, because SQLite cannot be trusted in a child that inherits one.

SQLite keeps, for each file, a list of the locks that its process holds, and a map of the log's index.  A forked child
inherits both, but not the locks, and whatever it opens counts on them: it writes into a log that was deleted, or over
what others have committed.  (See "How To Corrupt An SQLite Database File", 2.6.)

So a fork waits for whoever is at work on a connection, at most five seconds each, and closes it; the next use opens it
again.  Who was still at work then keeps it, as does the thread that forks in the middle of its own work: the child is
told so when it asks for that file.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from unbreakable.errors import StateError
from unbreakable.importing import before_fork
from unbreakable.lock import new_lock
from unbreakable.storage import turn

PATIENCE = 5.0  # seconds that a fork waits for whoever is at work on a file

_gate = new_lock()  # held while somebody comes, and while the process forks
_everyone: weakref.WeakSet[Turn] = weakref.WeakSet()
_forks: list[list[Turn]] = []  # who waits for each: a signal's handler may fork in the middle of a fork
_torn: set[Path] = set()  # files that a parent was at work in


class Resting(Protocol):
    """Somebody with a connection."""

    def rest(self) -> None:
        """Close it before a fork, until the next use; what is in memory stays."""

    def leave(self, *, midway: bool) -> None:
        """Never touch it in this child: it was at work in the parent; *midway* if in the thread that forked."""


def refuse_if_torn(path: Path) -> None:
    """Raise StateError when this process cannot use the file at *path*."""
    if path in _torn:
        raise StateError(
            f"{path}: this process was forked while its parent was at work in the file, so SQLite cannot be "
            "trusted with it here; fork at another moment, or start the process by spawn or forkserver"
        )


def _nobody() -> Resting | None:
    return None


class Turn(turn.Turn):
    """Let one thread at a time be at work on *owner*'s connection to the file at *path*, None for one in memory.

    Raises StateError where SQLite cannot be trusted with the file any more.
    """

    __slots__ = ("_owner", "path")

    def __init__(self, path: Path | None, owner: Resting | None = None, name: str = "") -> None:
        super().__init__(name or str(path))
        self.path = path
        self._owner = _nobody if owner is None else weakref.ref(owner)
        with _gate:
            if path is not None:
                refuse_if_torn(path)
            _everyone.add(self)

    def give_back(self) -> None:
        """Let others be at work again."""
        self.lock.release()
        self.__exit__(None, None, None)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Be the one who is at work."""
        with self, self.lock:
            yield

    def end(self) -> None:
        """Take part in no fork any more."""
        with _gate:
            _everyone.discard(self)

    def stop(self, waiting: list[Turn]) -> None:
        """Let nobody be at work until ``give_back``, and close the connection; be *waiting* if that can be done."""
        if self.is_mine:
            return
        self.__enter__()
        if not self.lock.acquire(timeout=PATIENCE):
            self.__exit__(None, None, None)
            return
        waiting.append(self)
        owner = self._owner()
        if owner is not None:
            owner.rest()

    def tear(self) -> None:
        """Trust SQLite no more, in this child, with what the parent was at work on."""
        midway = self.is_mine
        if self.path is not None:
            _torn.add(self.path)
        if not midway:  # who held it does not exist here
            self.lock = threading.RLock()
        owner = self._owner()
        if owner is not None:
            owner.leave(midway=midway)


def _before() -> None:
    _gate.acquire()
    waiting: list[Turn] = []
    _forks.append(waiting)
    for each in list(_everyone):
        each.stop(waiting)


def _after_in_parent() -> None:
    if not _forks:
        return  # this is the child of a signal's handler that forked in the middle of a fork, or we came after it began
    for each in _forks.pop():
        each.give_back()
    _gate.release()


def _after_in_child() -> None:
    """Tear what did not wait, also because something was raised meanwhile, such as Ctrl-C."""
    global _gate  # noqa: PLW0603 - the parent's was held by the fork
    waiting = [each for fork in _forks for each in fork]
    at_work = set(_everyone).difference(waiting)
    _gate = new_lock()
    _forks.clear()
    for each in waiting:
        each.give_back()
    for each in at_work:
        each.tear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_after_in_parent, after_in_child=_after_in_child)
    before_fork(_before)
