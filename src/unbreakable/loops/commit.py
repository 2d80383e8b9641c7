"""What several loops have to write at the same time goes into one commit, with one fsync.

Whoever finds nobody at it writes for all who wait by then; the others wait until theirs is written, or lead the next.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Sequence

from unbreakable.errors import StateError
from unbreakable.runtime import Runtime, Waiter, new_lock
from unbreakable.storage.sqlite import StateFile, Statement


class Entry:
    """What one loop has to write, and what became of it."""

    __slots__ = ("error", "is_over", "statements", "waiter")

    def __init__(self, statements: Sequence[Statement], waiter: Waiter) -> None:
        self.statements, self.waiter = statements, waiter
        self.is_over = False
        self.error: Exception | None = StateError("writing was interrupted: nobody knows how far it came")


class GroupCommit:
    """Write to *file* for many loops, whichever event loops and threads they are on.

    Where there is an event loop the commit is made in a thread, since it may wait for the disk.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._lock = new_lock()
        self._queue: deque[Entry] = deque()
        self._is_led = False

    async def write(self, runtime: Runtime, statements: Sequence[Statement]) -> None:
        """Return once *statements* are committed, all or none; raise what kept them from it.

        Who is cancelled meanwhile does not know whether they are.
        """
        entry = Entry(statements, runtime.waiter())
        with self._lock:
            self._queue.append(entry)
        try:
            await self._written(runtime, entry)
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._queue.remove(entry)  # who was cancelled writes something newer next
        if entry.error is not None:
            raise entry.error

    async def _written(self, runtime: Runtime, entry: Entry) -> None:
        while not entry.is_over:
            if not self._leads():
                await runtime.wait(entry.waiter, math.inf)
                entry.waiter = runtime.waiter()
                continue
            try:
                await runtime.call(self._commit, self)
            finally:
                self._hand_over()

    def _leads(self) -> bool:
        with self._lock:
            before, self._is_led = self._is_led, True
            return not before

    def _hand_over(self) -> None:
        with self._lock:
            self._is_led = False
            first = self._queue[0] if self._queue else None
        if first is not None:
            first.waiter.wake()

    def _commit(self) -> None:
        with self._lock:
            entries = list(self._queue)
            self._queue.clear()
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
