"""A database that was deleted or replaced while it was open is known by what is at its place.

SQLite goes on with the file that it has open, where nobody finds what is written.

While nobody has the file open, as after a fork, its number could be given to the next one that is made there.  So it is
held by a descriptor that is opened for its name only (Linux): closing any other would drop the locks of SQLite.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Whereabouts:
    """Remember which file is at *path* while it is open."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _found(path)
        self._held = -1

    def is_right(self) -> bool:
        """Return whether the file is still there, True also when nobody can tell."""
        try:
            return self._file is not None and os.path.samestat(self._file, self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def hold(self) -> None:
        """Let no other file be taken for this one, although it is not open any more."""
        if self._held < 0 and hasattr(os, "O_PATH"):
            with contextlib.suppress(OSError):
                self._held = os.open(self._path, os.O_PATH)
                if self._file is not None and not os.path.samestat(self._file, os.fstat(self._held)):
                    self._file = None

    def let_go(self) -> None:
        """Hold it no longer: it is open, or nobody asks for it any more."""
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
