"""One process owns a state file, and whoever else wants it learns which."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from unbreakable.errors import StateError, StateOwned


class Ownership:
    """An exclusive lock (``flock``) on a file beside the state file, which holds the owner's process number.

    The kernel drops the lock when the owner dies, however it dies.  It is a file of its own, because closing any
    descriptor of the database itself would drop the locks that SQLite holds.
    """

    def __init__(self, state: Path, what: str = "state file") -> None:
        self.path = state.with_name(state.name + ".lock")
        self._descriptor = self._open()
        try:
            self._lock(state, what)
            os.ftruncate(self._descriptor, 0)
            with contextlib.suppress(OSError):  # a full disk: the lock holds, only the number is missing
                os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            self.forget()
            raise

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be opened ({error.strerror})") from error

    def _lock(self, state: Path, what: str) -> None:
        try:
            import fcntl
        except ImportError:
            raise StateError(f"{state}: a {what} needs flock, which this system does not offer") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = self._owner()
            who = f"process {pid}" if pid is not None else "another process"
            raise StateOwned(f"{state} is in use by {who}; stop it, or name another {what}", pid) from None

    def _owner(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int(os.pread(self._descriptor, 32, 0))
        return None

    def release(self) -> None:
        """Give the file free; the lock file stays, since removing it would let two owners hold different ones."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
        self.forget()

    def forget(self) -> None:
        """Close the descriptor only: in a forked child the lock stays with the parent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
