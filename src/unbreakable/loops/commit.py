"""What several loops have to write at the same time goes into one commit, with one fsync.

A thread commits what waits, all of it at a time, until nothing does.  So no event loop waits for the disk, none has to
be awake for another's sake, and none waits for long: a disk that does not answer is taken for one that refuses.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Sequence

from unbreakable.errors import StateError
from unbreakable.runtime import BLOCKING, Runtime, Waiter, new_lock
from unbreakable.runtime.world import ThreadsExhausted
from unbreakable.storage.sqlite import StateFile, Statement

PATIENCE = 5.0  # seconds that a disk may take


class Entry:
    """What one loop has to write, and what became of it."""

    __slots__ = ("error", "is_over", "statements", "waiter")

    def __init__(self, statements: Sequence[Statement], waiter: Waiter) -> None:
        self.statements, self.waiter = statements, waiter
        self.is_over = False
        self.error: Exception | None = StateError("writing was interrupted: nobody knows how far it came")


class GroupCommit:
    """Write to *file* for many loops, whichever event loops and threads they are on."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._lock = new_lock()
        self._queue: deque[Entry] = deque()
        self._is_at_work = False
        self._began = math.inf  #: the commit in progress
        self._last: Callable[[], None] | None = None

    async def write(self, runtime: Runtime, statements: Sequence[Statement]) -> None:
        """Return once *statements* are committed, all or none; raise what kept them from it.

        Who is cancelled meanwhile, or was refused since the disk does not answer, does not know whether they are.
        """
        if BLOCKING.now() - self._began > PATIENCE:
            raise _no_answer()
        entry = Entry(statements, runtime.waiter())
        with self._lock:
            self._queue.append(entry)
        try:
            self._begin()
            if not (entry.is_over or await runtime.wait(entry.waiter, PATIENCE) or entry.is_over):
                raise _no_answer()
        finally:
            if not entry.is_over:  # who goes without it writes something newer next
                with self._lock, contextlib.suppress(ValueError):
                    self._queue.remove(entry)
        if entry.error is not None:
            raise entry.error

    def finally_do(self, last: Callable[[], None]) -> None:
        """Do *last* once nothing is written any more: now, or in the thread that is at it."""
        with self._lock:
            if self._is_at_work:
                self._last = last
                return
        last()

    # ── how it is done ──────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        """Have somebody commit what waits."""
        with self._lock:
            is_at_work, self._is_at_work = self._is_at_work, True
        if is_at_work:
            return
        try:
            BLOCKING.branch(self._in_thread, self, None)
        except (ThreadsExhausted, RuntimeError):
            self._commit_all()  # there is no thread to be had: whoever this is waits for the disk
        except BaseException:
            self._is_at_work = False
            raise

    async def _in_thread(self) -> None:
        self._commit_all()

    def _commit_all(self) -> None:
        try:
            while entries := self._those_who_wait():
                self._commit(entries)
        except BaseException:
            self._is_at_work, self._began = False, math.inf
            raise

    def _those_who_wait(self) -> list[Entry]:
        """Return them; where there are none, this work is over."""
        last = None
        with self._lock:
            entries = list(self._queue)
            self._queue.clear()
            self._is_at_work, self._began = bool(entries), BLOCKING.now() if entries else math.inf
            if not entries:
                last, self._last = self._last, None
        if last is not None:
            last()
        return entries

    def _commit(self, entries: Sequence[Entry]) -> None:
        try:
            self._write(entries)
        finally:
            for entry in entries:
                entry.is_over = True
                entry.waiter.wake()

    def _write(self, entries: Sequence[Entry]) -> None:
        try:
            self._file.write([statement for entry in entries for statement in entry.statements])
        except Exception as error:
            if len(entries) == 1:
                entries[0].error = error
                return
            for entry in entries:  # what cannot be written does not take the others with it
                self._write([entry])
        else:
            for entry in entries:
                entry.error = None


def _no_answer() -> StateError:
    return StateError(f"the disk has not answered for {PATIENCE:g} s")
