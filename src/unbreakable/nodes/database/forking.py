"""A process forks without open connections, because SQLite cannot be trusted in a child that inherits one.

SQLite keeps, for each file, a list of the locks that its process holds.  A forked child inherits the list, but not the
locks.  From then on whatever it opens counts on locks that it does not have: when the parent closes its last
connection, it deletes the write-ahead log under the child, and what the child commits after that is lost.  (See "How
To Corrupt An SQLite Database File", 2.6.)

So before a fork every idle connection is closed; it is opened again when it is next needed.  A file with a connection
that was at work then cannot be used by the child, which is told so.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterable, Iterator
from typing import Protocol

from unbreakable.errors import Rejected
from unbreakable.importing import before_fork
from unbreakable.nodes.database.lane import Lane
from unbreakable.runtime import new_lock


class Forking(Protocol):
    """Somebody with connections."""

    def before_fork(self) -> None:
        """Close what is idle."""

    def after_fork(self) -> None:
        """Begin anew in the child."""


_connecting = new_lock()  # held while a connection is opened, and while the process forks
_held: list[bool] = []  # by forks that are under way
_everyone: weakref.WeakSet[Forking] = weakref.WeakSet()
_torn: dict[str, list[Lane]] = {}  # by place: a parent's connections, which are kept so that nobody closes them


def tell(somebody: Forking) -> None:
    """Tell *somebody* of each fork of this process."""
    with _connecting:
        _everyone.add(somebody)


@contextlib.contextmanager
def no_fork() -> Iterator[None]:
    """Let the process not fork within this block."""
    with _connecting:
        yield


def leave_to_the_parent(lanes: Iterable[Lane]) -> None:
    """Never touch, in this child, what is still open."""
    for lane in lanes:
        if lane.connection is not None:
            lane.inherited = True
            _torn.setdefault(lane.place, []).append(lane)


def refuse_if_torn(place: str) -> None:
    """Raise Rejected when this process cannot use the file at *place*."""
    if place in _torn:
        raise Rejected(
            f"{place}: this process was forked while a connection was at work in its parent, so SQLite cannot be "
            "trusted in it; fork before, or start the process in another way (spawn, forkserver)"
        )


def _before() -> None:
    _connecting.acquire()
    _held.append(True)
    for each in list(_everyone):
        each.before_fork()


def _after_in_parent() -> None:
    if _held:  # not if these hooks came when the fork had begun
        _held.pop()
        _connecting.release()


def _after_in_child() -> None:
    _held.clear()  # and the lock is open in any case
    for each in list(_everyone):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_after_in_parent, after_in_child=_after_in_child)
    before_fork(_before)
