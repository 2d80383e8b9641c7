"""A database that was deleted or replaced while it was open is known by what is at its place.

SQLite goes on with the file that it has open, where nobody finds what is written.  And it takes the log that the old
file left for that of the new one, and copies it in.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


class Whereabouts:
    """Remember which file is at *path* while it is open."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _found(path)

    def is_right(self) -> bool:
        """Return whether the file is still there, True also when nobody can tell."""
        try:
            return self._file is not None and os.path.samestat(self._file, self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True


def empty_log(connection: sqlite3.Connection) -> None:
    """Bring what lies in the log of *connection* into its file, wherever that is now, before it is closed.

    A file that was moved away is whole then, and nothing is left for SQLite to copy into the one at its old place.
    When other programs are at it, the log stays.
    """
    import sqlite3

    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA query_only=OFF")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
