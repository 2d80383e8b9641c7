"""What can wait is written to a state file by a thread of its own, so that nobody who makes a call waits for a disk.

At most once a second, and once more at the end; a crash loses the last second.  A file that cannot be written costs
what was to be written, never a call: it is tried again, and ``trouble`` says why.  One that was deleted or replaced is
made anew, unless the program just ends.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Protocol

from unbreakable.bell import Bell
from unbreakable.log import log
from unbreakable.outcome import in_one_line
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Schema, StateFile, Statement
from unbreakable.storage.turn import Turn, when_free

PAUSE = 1.0  # seconds between two writes

_writers: weakref.WeakSet[BackgroundWriter] = weakref.WeakSet()


class Source(Protocol):
    """Have something to write; every method is called by one thread at a time."""

    def take(self) -> Sequence[Statement]:
        """Return what is to be written now; raise nothing, so that what was taken is not lost."""

    def put_back(self) -> None:
        """Keep what was taken last, since it could not be written: it is taken again."""

    def put_back_all(self) -> None:
        """Keep ready all that is known, since the file that had it is gone."""


class BackgroundWriter:
    """Write what *source* has to *file*, which holds its *schema*, when it was woken; with *restless*, every second.

    ``trouble`` says why the last write failed, None when it did not.  ``close()`` calls *before_the_end*, writes the
    rest and gives the file back.  In a forked child nothing is written: the file stays with the parent.
    """

    def __init__(
        self,
        file: StateFile,
        schema: Schema,
        source: Source,
        *,
        what: str,
        restless: bool = False,
        before_the_end: Callable[[], object] = tuple,
    ) -> None:
        self.trouble: str | None = None
        self._file: StateFile | None = file
        self._schema, self._source, self._what, self._restless = schema, source, what, restless
        self._before_the_end = before_the_end
        self._wake, self._over, self._writing = Bell(), Bell(), Turn(what)
        self._thread = threading.Thread(target=self._write_on, name=f"unbreakable {what}", daemon=True)
        self._thread.start()
        _writers.add(self)

    @property
    def is_open(self) -> bool:
        """Whether something that is handed in now will be written."""
        return self._file is not None

    @property
    def is_bereft(self) -> bool:
        """Whether the file was deleted or replaced."""
        file = self._file
        return file is not None and file.is_gone

    def wake(self) -> None:
        """Let the thread write soon."""
        self._wake.ring()

    def flush(self) -> bool:
        """Write now; return whether everything is in the file.

        Raises StateInUse in a signal's handler that interrupted this very thread when it wrote.
        """
        with self._writing, self._writing.lock:
            return self._flush()

    def close(self) -> None:
        """Write what is left and give the file back; closing twice is the same as once.

        A signal's handler that interrupted this thread in the middle of such work has that done when it is over.
        """
        when_free(self._close)

    def _close(self) -> None:
        if self._file is None:
            return
        self._before_the_end()
        self._over.ring()
        self._wake.ring()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        with self._writing, self._writing.lock:  # whoever else closes it is through, or finds it closed
            self._flush()
            file, self._file = self._file, None
        if file is not None:
            close_state(file)

    def forget(self) -> None:
        """Write nothing from now on: the file is the parent process's."""
        self._file, self._writing = None, Turn(self._what)  # the parent's thread may have held it

    def _write_on(self) -> None:
        while not self._over.is_set():
            self._wake.wait(PAUSE if self._restless else math.inf)
            self._wake.clear()
            self.flush()
            self._over.wait(PAUSE)

    def _flush(self) -> bool:
        if self._file is None:
            return False
        statements: Sequence[Statement] | None = None
        try:
            if self._file.is_gone:
                self._file = self._made_anew(self._file)
            statements = self._source.take()
            if statements:
                self._file.write(statements)
        except Exception as error:
            if statements is not None:
                self._source.put_back()
            self._wake.ring()
            if self.trouble is None:
                log("%s is not kept for now: %s", self._what, error)
            self.trouble = in_one_line(error)
            return False
        self.trouble = None
        return True

    def _made_anew(self, gone: StateFile) -> StateFile:
        file = open_state(gone.path)
        try:
            file.adopt(self._schema)
        except BaseException:
            close_state(file)
            raise
        close_state(gone)
        self._source.put_back_all()
        log("%s was deleted or replaced; %s is written anew, as far as this process knows it", gone.path, self._what)
        return file


def _close_all() -> None:
    for writer in list(_writers):
        with contextlib.suppress(Exception):
            if not writer.is_bereft:  # what somebody cleared away, and did not wait for, is not brought back
                writer.close()


def _forget_all() -> None:
    for writer in list(_writers):
        writer.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
