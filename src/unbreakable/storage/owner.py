"""One process owns a state file, and whoever else wants it learns which."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from unbreakable.errors import StateError, StateOwned

MARK = b"unbreakable\n"  # in the lock file: the state file beside it was ours once


class Ownership:
    """An exclusive lock (``flock``) on a file beside the state file, which holds the owner's process number.

    The kernel drops the lock when the owner dies, however it dies.  It is a file of its own, because closing any
    descriptor of the database itself would drop the locks that SQLite holds.  ``was_ours`` tells whether an earlier
    owner had confirmed that the state file is one.
    """

    def __init__(self, state: Path, what: str = "state file") -> None:
        self.path = state.with_name(state.name + ".lock")
        self.was_ours = self._is_new = False
        self._descriptor = self._open()
        try:
            while not self._lock(state, what):  # a refused one took the file away after we had opened it
                os.close(self._descriptor)
                self._descriptor = self._open()
            self.was_ours = os.pread(self._descriptor, len(MARK), 0) == MARK
            self._write_number()
        except BaseException:
            self.forget()
            raise

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        try:
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(self.path, flags | os.O_EXCL, 0o644)
                self._is_new = True
                return descriptor
            self._is_new = False
            return os.open(self.path, flags, 0o644)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be opened ({error.strerror})") from error

    def _lock(self, state: Path, what: str) -> bool:
        """Take the lock; return whether it is still that of the file at the path."""
        try:
            import fcntl
        except ImportError:
            raise StateError(f"{state}: a {what} needs flock, which this system does not offer") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = number_in(self._descriptor)
            who = f"process {pid}" if pid is not None else "another process"
            raise StateOwned(f"{state} is in use by {who}; stop it, or name another {what}", pid) from None
        return self.is_current

    def _write_number(self) -> None:
        mark = MARK if self.was_ours else b""
        os.ftruncate(self._descriptor, len(mark))
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only the number is missing
            os.pwrite(self._descriptor, mark + f"{os.getpid()}\n".encode(), 0)

    @property
    def is_current(self) -> bool:
        """Whether the file that is locked is the one at the path."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except OSError:
            return False

    def confirm(self) -> None:
        """Note that the state file is ours: if it is broken one day, it is set aside and not refused."""
        if not self.was_ours:
            self.was_ours = True
            self._write_number()

    def release(self) -> None:
        """Give the file free; the lock file stays, since removing it would let two owners hold different ones."""
        if self._descriptor >= 0:
            import fcntl

            os.ftruncate(self._descriptor, len(MARK) if self.was_ours else 0)
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # a child that was just forked may have it open, too
        self.forget()

    def withdraw(self) -> None:
        """Give the file free, and leave no lock file where there was none: the state file was refused."""
        if self._is_new and self.is_current:
            self.path.unlink(missing_ok=True)
        self.release()

    def forget(self) -> None:
        """Close the descriptor only: in a forked child the lock stays with the parent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def owner_at(state: Path) -> int | None:
    """Return the number of the process that owns *state* at this moment, None when none does.

    The number alone would not do: whoever was killed leaves it behind, and another process may bear it by now.
    """
    try:
        import fcntl

        descriptor = os.open(state.with_name(state.name + ".lock"), os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        number = number_in(descriptor)
        if number is None or not _is_there(number):
            return None  # without asking for the lock, which somebody who begins at this moment would miss
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return number
        return None
    finally:
        os.close(descriptor)


def _is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True


def number_in(descriptor: int) -> int | None:
    """Return the process number in the lock file that is open as *descriptor*, None when there is none."""
    with contextlib.suppress(OSError, ValueError):
        return int(os.pread(descriptor, 64, 0).removeprefix(MARK))
    return None
