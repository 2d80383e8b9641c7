"""What the operating system refuses is told as trouble with the state; see ``unbreakable.errors.StateError``."""

from __future__ import annotations

import errno
from pathlib import Path

from unbreakable.errors import StateError, StateFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def explained(error: OSError, path: Path) -> StateError:
    """Return the StateError for what the operating system refused at *path*."""
    if error.errno in NO_ROOM:
        return StateFull(f"{path}: there is no room left to write ({error.strerror})")
    return StateError(f"{path}: the operating system refuses ({error.strerror or error})")
