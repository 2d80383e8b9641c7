"""A process forks while no other thread is in the middle of an import, because a child could never end it.

Python holds a lock for each module while it is loaded.  A forked child inherits the lock, but not the thread that would
open it, so whoever needs that module there waits for ever: after ``fork`` in a service whose threads connect to their
database for the first time, say.  Whose import it is does not matter, ours, SQLAlchemy's or the program's own; hence a
fork looks at Python's locks themselves, and nothing is to be remembered where something is imported.

An import that has not ended after five seconds, such as that of a module whose work is its loading, is not waited for
any longer, and by later forks not at all.
"""

from __future__ import annotations

import concurrent.futures.thread as _  # noqa: F401 - its hooks must be there before a fork waits: see before_fork
import os
import threading
import weakref
from collections.abc import Callable
from importlib import _bootstrap  # type: ignore[attr-defined, unused-ignore] # which Python's own tests use
from typing import Any

PATIENCE = 5.0  # seconds that a fork waits
LOOK_AGAIN = 0.001  # seconds: Python's locks tell nobody that they are opened

_never = threading.Lock()  # is opened by nobody: who waits for it has a nap, which virtual time knows nothing of
_never.acquire()
_in_vain: weakref.WeakSet[Any] = weakref.WeakSet()  # locks that were waited for until patience was over
_new: list[Callable[[], None]] = []  # hooks that were not called yet


def before_fork(hook: Callable[[], None]) -> None:
    """Have *hook* called before each fork, also before the one that waits for the import which this call is part of.

    Python calls the hooks that there were when the fork began, but after it all that there are by then.  So a hook for
    after the fork, which is put there first, must bear that this one was not called.
    """

    def called() -> None:
        if hook in _new:
            _new.remove(hook)
        hook()

    _new.append(hook)
    os.register_at_fork(before=called)


def wait_for_imports() -> None:
    """Wait until no other thread is in the middle of an import; for who is about to fork.

    An import of this very thread is no obstacle: it goes on in the child, too.  Nothing is held, then or afterwards:
    whoever has a lock that the next hooks wait for, such as that of ``logging``, may have something to import.
    """
    for _look in range(int(PATIENCE / LOOK_AGAIN)):
        while _new:  # they came with what was imported meanwhile, and may have to wait for somebody who imports
            _new.pop()()
        if not (_others() or _new):
            return
        _never.acquire(timeout=LOOK_AGAIN)
    _in_vain.update(_others())


def _others() -> list[Any]:
    """Return the locks of modules that other threads hold, or are about to take."""
    references = list(getattr(_bootstrap, "_module_locks", {}).values())
    locks = [lock for reference in references if (lock := reference()) is not None]
    me = threading.get_ident()
    return [lock for lock in locks if getattr(lock, "owner", me) != me and lock not in _in_vain]


if hasattr(os, "register_at_fork"):
    # Hooks before a fork run from the last to the first, and this module is loaded before all of ours that have any:
    # imports are waited for when the others are through with their waiting, since whom they wait for may import.
    os.register_at_fork(before=wait_for_imports)
