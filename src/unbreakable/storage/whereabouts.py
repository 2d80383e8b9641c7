"""A database that was deleted or replaced while it was open is known by what is at its place.

SQLite goes on with the file that it has open, where nobody finds what is written.  And it takes the log that the old
file left for that of the new one, and copies it in.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

BESIDE = ("-wal", "-shm")


class Whereabouts:
    """Remember which file is at *path*, and which ones SQLite keeps beside it while it is open and has been read."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _found(path)
        self._beside = {each: _found(each) for each in (path.with_name(path.name + suffix) for suffix in BESIDE)}

    def is_right(self) -> bool:
        """Return whether the file is still there, True also when nobody can tell."""
        try:
            return self._file is not None and os.path.samestat(self._file, self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def clear_away(self) -> None:
        """Remove what was beside it, once, while it is still open: after that its number may be given to another."""
        beside, self._beside = self._beside, {}
        for path, known in beside.items():
            with contextlib.suppress(OSError):
                if known is not None and os.path.samestat(known, path.stat()):
                    path.unlink()


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
