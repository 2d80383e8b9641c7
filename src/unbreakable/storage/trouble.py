"""What can be wrong with a state file, or with the folder of a log, in one tree.

    StateError                   (an UnbreakableError) the state cannot be used as asked
    ├── StateOwned               another process holds it; ``pid`` says which
    ├── StateNotOurs             it is the file of another program; nothing was written to it
    ├── StateTooNew              a newer version of this library wrote it
    ├── StateBroken              what it holds cannot be read any more
    ├── StateLocked              another program holds SQLite's write lock; passes by itself
    └── StateFull                the disk is full; passes when somebody makes room

Whatever was acknowledged before one of them was raised is still in the file.
"""

from __future__ import annotations

import errno
from pathlib import Path

from unbreakable.errors import UnbreakableError


class StateError(UnbreakableError):
    """Say that a state file cannot be used as asked."""


class StateOwned(StateError):
    """Say that another process owns the file; ``pid`` is None when it left no number."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StateNotOurs(StateError):
    """Say that the file belongs to another program."""


class StateTooNew(StateError):
    """Say that a newer version of this library wrote the file."""


class StateBroken(StateError):
    """Say that the file's content cannot be read."""


class StateLocked(StateError):
    """Say that another program holds the write lock for the moment."""


class StateFull(StateError):
    """Say that there is no room left to write."""


class StateSetAsideWarning(RuntimeWarning):
    """Warn that a broken state file is being renamed, so that work can go on with an empty one."""


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def explained(error: OSError, path: Path) -> StateError:
    """Return the StateError for what the operating system refused at *path*."""
    if error.errno in NO_ROOM:
        return StateFull(f"{path}: there is no room left to write ({error.strerror})")
    return StateError(f"{path}: the operating system refuses ({error.strerror or error})")
