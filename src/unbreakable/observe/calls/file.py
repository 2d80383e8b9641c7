"""A trace's file: several processes append to it, it never grows beyond a bound, and a crash costs one line at most.

The newest half is in the file itself, the one before in another beside it, ``FILE.old``: when the file is full it takes
that one's place, and what was there, the oldest, is dropped.  Whoever writes holds a lock of the system's meanwhile,
which a process that is killed gives back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from unbreakable.bell import Bell
from unbreakable.errors import StateError, StateLocked, StateNotOurs, StateTooNew
from unbreakable.lock import new_lock
from unbreakable.observe.calls.lines import HEADER, VERSION

PATIENCE = 5.0  # seconds that somebody else may be at work on the file
LOOK_AGAIN = 0.01
LONGEST_HEADER = 200  # bytes

_at_work = new_lock()  # of this process one thread at a time: its locks on a file are all one


def old_of(path: Path) -> Path:
    """Return where the older half is."""
    return path.parent / f"{path.name}.old"  # a folder may have no name


def check_header(path: Path, line: bytes) -> str:
    """Return the name of the half that begins with *line*, in the file at *path*.

    Raises StateError when it is not that of a trace that we can read.
    """
    try:
        told = json.loads(line)
        ours, version, name = told["unbreakable"] == HEADER["unbreakable"], int(told["version"]), str(told["half"])
    except (ValueError, TypeError, KeyError):
        ours, version, name = False, 0, ""
    if not ours:
        raise StateNotOurs(f"{path} is no trace of calls: its first line would be {json.dumps(HEADER)}")
    if version > VERSION:
        raise StateTooNew(f"{path} was written by a newer version of Unbreakable (trace {version}, here {VERSION})")
    return name


class TraceFile:
    """Append to the file at *path*, which with the one beside it has at most *most_bytes*; raises StateError."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self._most = path, most_bytes // 2
        self._known = ""  # the half that was written to last: a file's number is used again once it is gone
        with self._opened() as descriptor:
            self._begin(descriptor)

    def append(self, lines: Callable[[int, bool], bytes]) -> None:
        """Append what *lines* returns for the room that there is, in bytes.

        It is told, too, whether the file has nothing yet of what was written before.  Where it returns nothing for want
        of room it is asked once more, for a new file.
        """
        with self._opened() as descriptor:
            size, is_new = self._begin(descriptor)
            text = lines(self._most - size, is_new)
            if text:
                _write(descriptor, text)
                return
            self.path.replace(old_of(self.path))
        with self._opened() as descriptor:
            size, _ = self._begin(descriptor)
            _write(descriptor, lines(self._most - size, True))

    def _begin(self, descriptor: int) -> tuple[int, bool]:
        """Return the size, and whether it is another file than last time; see to it that a line can begin."""
        size = os.fstat(descriptor).st_size
        if size == 0:
            this = os.urandom(8).hex()
            _write(descriptor, json.dumps({**HEADER, "half": this}).encode() + b"\n")
            size = os.fstat(descriptor).st_size
        else:
            this = check_header(self.path, os.pread(descriptor, LONGEST_HEADER, 0).partition(b"\n")[0])
            if os.pread(descriptor, 1, size - 1) != b"\n":
                _write(descriptor, b"\n")  # somebody was killed in the middle of a line
        is_new, self._known = this != self._known, this
        return size, is_new

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the file for this once, alone: a child that is forked meanwhile inherits no lock."""
        with _at_work:
            try:
                descriptor = self._locked()
            except OSError as error:
                raise StateError(f"{self.path}: cannot be opened ({error.strerror})") from error
            try:
                yield descriptor
            except OSError as error:
                raise StateError(f"{self.path}: cannot be written ({error.strerror})") from error
            finally:
                os.close(descriptor)

    def _locked(self) -> int:
        for _ in range(int(PATIENCE / LOOK_AGAIN)):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):  # noqa: PTH116 - nobody has moved it
                    return descriptor
            except (BlockingIOError, PermissionError, FileNotFoundError):
                pass
            os.close(descriptor)
            Bell().wait(LOOK_AGAIN)
        raise StateLocked(f"{self.path}: another process has been at work on it for {PATIENCE:.0f} s")


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
