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
from collections.abc import Callable, Iterator
from pathlib import Path

from unbreakable.errors import StateError

PATIENCE = 5.0  # seconds that a fork waits for whoever is at work on a file

_gate = threading.RLock()  # held while somebody comes, and while the process forks
_everyone: weakref.WeakSet[Turn] = weakref.WeakSet()
_forks: list[
    tuple[list[Turn], list[Turn]]
] = []  # who waits, and who is still at work; a signal's handler may fork, too
_torn: dict[Path, list[Turn]] = {}  # a parent's connections that were at work, kept so that nobody here closes them


def _nothing(*_: object) -> None:
    pass


class Turn:
    """Let one thread at a time be at work on the file at *path*.

    Before a fork ``rest()`` closes its connection; when that cannot be, ``leave(midway)`` has the child never touch it,
    *midway* if the child is to go on with the work it was forked from.  Raises StateError where SQLite cannot be
    trusted with the file any more.
    """

    def __init__(
        self, path: Path, rest: Callable[[], None] = _nothing, leave: Callable[[bool], None] = _nothing
    ) -> None:
        self.path, self.rest, self.leave = path, rest, leave
        self._lock, self._holder = threading.Lock(), 0
        with _gate:
            if path in _torn:
                raise StateError(
                    f"{path}: this process was forked while its parent was at work in the file, so SQLite cannot be "
                    "trusted with it here; fork at another moment, or start the process by spawn or forkserver"
                )
            _everyone.add(self)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Be the one who is at work."""
        with self._lock:
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = 0

    @property
    def is_mine(self) -> bool:
        """Whether this thread is the one who is at work."""
        return self._holder == threading.get_ident()

    def end(self) -> None:
        """Take part in no fork any more."""
        with _gate:
            _everyone.discard(self)

    def stop(self) -> bool:
        """Let nobody be at work until ``go_on``, and close the connection; return whether that could be done."""
        if self.is_mine or not self._lock.acquire(timeout=PATIENCE):
            return False
        self._holder = threading.get_ident()
        self.rest()
        return True

    def go_on(self) -> None:
        """Let others be at work again."""
        self._holder = 0
        self._lock.release()


def _before() -> None:
    _gate.acquire()
    waiting: list[Turn] = []
    at_work: list[Turn] = []
    _forks.append((waiting, at_work))
    for turn in list(_everyone):
        (waiting if turn.stop() else at_work).append(turn)


def _after_in_parent() -> None:
    if not _forks:
        return  # this is the child of a signal's handler that forked in the middle of a fork
    waiting, _ = _forks.pop()
    for turn in waiting:
        turn.go_on()
    _gate.release()


def _after_in_child() -> None:
    global _gate  # noqa: PLW0603 - the parent's was held by the fork
    for _, at_work in _forks:
        for turn in at_work:
            _torn.setdefault(turn.path, []).append(turn)
            turn.leave(turn.is_mine)
    for waiting, _ in _forks:
        for turn in waiting:
            turn.go_on()
    _forks.clear()
    _everyone.clear()
    _gate = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
