"""What can wait is written to a state file by a thread of its own, so that nobody who makes a call waits for a disk.

At most once a second, and once more at the end; a crash loses the last second.  A file that cannot be written costs
what was to be written, never a call: it is tried again, and ``trouble`` says why.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence

from unbreakable.errors import StateError
from unbreakable.outcome import in_one_line
from unbreakable.storage.shared import close_state
from unbreakable.storage.sqlite import StateFile, Statement

PAUSE = 1.0  # seconds between two writes

_writers: weakref.WeakSet[BackgroundWriter] = weakref.WeakSet()


class BackgroundWriter:
    """Write what *take* returns to *file* whenever it was woken; with *restless*, every second.

    *put_back* is called when what was taken last could not be written and is to be taken again.  ``trouble`` says why
    the last write failed, None when it did not.  ``close()`` writes the rest and gives the file back.  In a forked
    child nothing is written: the file stays with the parent.
    """

    def __init__(
        self,
        file: StateFile,
        take: Callable[[], Sequence[Statement]],
        put_back: Callable[[], None],
        *,
        what: str,
        restless: bool = False,
    ) -> None:
        self.trouble: str | None = None
        self._file: StateFile | None = file
        self._take, self._put_back, self._what, self._restless = take, put_back, what, restless
        self._wake, self._over, self._writing = threading.Event(), threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name=f"unbreakable {what}", daemon=True)
        self._thread.start()
        _writers.add(self)

    @property
    def is_open(self) -> bool:
        """Whether something that is handed in now will be written."""
        return self._file is not None

    def wake(self) -> None:
        """Let the thread write soon."""
        self._wake.set()

    def flush(self) -> bool:
        """Write now; return whether everything is in the file."""
        with self._writing:
            return self._flush()

    def close(self) -> None:
        """Write what is left and give the file back; closing twice is the same as once."""
        if self._file is None:
            return
        self._over.set()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self.flush()
        file, self._file = self._file, None
        close_state(file)

    def forget(self) -> None:
        """Write nothing from now on: the file is the parent process's."""
        self._file, self._writing = None, threading.Lock()  # the parent's thread may have held it

    def _write_on(self) -> None:
        while not self._over.is_set():
            self._wake.wait(PAUSE if self._restless else None)
            self._wake.clear()
            self.flush()
            self._over.wait(PAUSE)

    def _flush(self) -> bool:
        if self._file is None:
            return False
        try:
            statements = self._take()
            if statements:
                self._file.write(statements)
        except Exception as error:
            if isinstance(error, StateError):  # it may pass; what cannot be put into words will not
                self._put_back()
                self._wake.set()
            if self.trouble is None:
                logging.getLogger("unbreakable").warning("%s is not kept for now: %s", self._what, error)
            self.trouble = in_one_line(error)
            return False
        self.trouble = None
        return True


def _close_all() -> None:
    for writer in list(_writers):
        with contextlib.suppress(Exception):
            writer.close()


def _forget_all() -> None:
    for writer in list(_writers):
        writer.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
