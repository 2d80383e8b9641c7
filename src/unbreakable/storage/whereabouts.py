"""A database that was deleted or replaced while it was open is known by what is at its place.

SQLite goes on with the file that it has open, where nobody finds what is written.
"""

from __future__ import annotations

import os
from pathlib import Path


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


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
