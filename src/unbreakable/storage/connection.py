"""A connection to SQLite takes its log along when its file was moved, whoever closes it.

SQLite leaves the log of a file that is no longer at its place where it lies, and takes it for that of the file which is
there next: what was confirmed is lost in the one, and written over the other.
"""

from __future__ import annotations

import contextlib
import sqlite3

from unbreakable.storage.whereabouts import Whereabouts

_left: list[Connection] = []


class Connection(sqlite3.Connection):
    """Be a connection, which is told the *whereabouts* of its file once it is open."""

    whereabouts: Whereabouts | None = None

    @property
    def is_astray(self) -> bool:
        """Whether the file that is open is no longer at its place."""
        return self.whereabouts is not None and not self.whereabouts.is_right()

    def close(self) -> None:
        """Close the connection; closing twice is the same as once."""
        if self.is_astray:
            self._empty_log()
        super().close()

    def leave(self, *, midway: bool) -> None:
        """Stay open in a forked child for ever, since it was at work in the parent: closing it would write, too.

        Who was *midway* is refused the rest.  In another thread SQLite itself may hold its own locks.
        """
        _left.append(self)
        with contextlib.suppress(ImportError):  # where it cannot be had, the end of the program closes it
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        if midway:
            self.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)

    def _empty_log(self) -> None:
        """Bring what lies in the log into the file, wherever that is now; while other programs are at it, it stays."""
        with contextlib.suppress(sqlite3.Error):
            self.execute("PRAGMA query_only=OFF")
            self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
