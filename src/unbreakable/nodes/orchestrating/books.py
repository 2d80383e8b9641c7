"""The journal of an orchestrator's runs, opened when the first run needs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence

from unbreakable.nodes.orchestrating.at_work import Owner, Place, RunsAtWork, runs_at
from unbreakable.runtime import new_lock
from unbreakable.storage.batch import LoopBatch
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Durability
from unbreakable.workflows.journal import Journal, Record
from unbreakable.workflows.memory import MemoryJournal


class Books:
    """Keep runs in the file at *state*, or in memory where it is None, and know which of them are at work.

    A file that was deleted or replaced is let go of: new runs are written to a new one, and those in flight, whose
    beginning is on no record any more, learn of it when they write.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None,
        durability: Durability,
        keep: int,
        tell: Callable[..., None],
        opens: Callable[[], None],
    ) -> None:
        self._state, self._durability, self._keep, self._tell, self._opens = state, durability, keep, tell, opens
        self._lock = new_lock()
        self._opened: Journal | None = None
        self._at_work = RunsAtWork()  # it outlives the journal: steps may still be at work when that is closed
        self._batch: tuple[Journal, LoopBatch[Record]] | None = None

    def open(self) -> tuple[Journal, RunsAtWork]:
        """Return the journal and the runs that are at work on it."""
        with self._free:
            opened = self._opened
            if opened is not None and opened.is_gone:
                self.close()
                opened = None
            if opened is None:
                self._opens()  # somebody closes what is open now
                new = self._new_journal()
                opened = self._opened = self._opened or new
                if opened is not new:
                    new.close()  # the collector has closed a coroutine meanwhile that opened it, too
            return opened, self._at_work

    @property
    def _free(self) -> threading.RLock:
        """The lock; StateInUse in a handler of signals that interrupted this thread as it used the journal.

        Looked at before: whoever has the lock may wait for that very thread to be through with the file.
        """
        opened = self._opened
        if opened is not None:
            opened.refuse_if_in_use()
        return self._lock

    @contextlib.contextmanager
    def lent(self) -> Iterator[tuple[Journal, RunsAtWork]]:
        """Hand out what ``open`` returns; within this block nobody closes the journal."""
        with self._free:
            journal, at_work = self.open()
            journal.hold()
        try:
            yield journal, at_work
        finally:
            journal.close()

    def enter(self, run_id: str, owner: Owner, loop: asyncio.AbstractEventLoop | None) -> Place:
        """Return a place at work for the run, whose journal stays open until it leaves; see ``RunsAtWork.enter``."""
        with self._free:
            journal, at_work = self.open()
            return at_work.enter(run_id, owner, loop, journal)

    def _new_journal(self) -> Journal:
        if self._state is None:
            return MemoryJournal(self._keep)
        from unbreakable.workflows.table import TableJournal

        file = open_state(self._state, self._durability)
        self._state = file.path  # settled: a folder that is deleted must not come back as a file
        try:
            if file.set_aside is not None:
                self._tell("StateSetAside", path=str(file.path), moved_to=str(file.set_aside))
            journal = TableJournal(file, self._keep)
        except BaseException:
            close_state(file)
            raise
        self._at_work = runs_at(file.path)
        return journal

    def writer(
        self, journal: Journal, loop: asyncio.AbstractEventLoop | None
    ) -> Callable[[Sequence[Record]], Awaitable[None]]:
        """Return what commits records: gathered for one turn of *loop*, at once where there is none."""
        if loop is None or isinstance(journal, MemoryJournal):

            async def write(records: Sequence[Record]) -> None:
                journal.write(records)

            return write
        of, batch = self._batch or (None, None)
        if batch is None or of is not journal or batch.loop is not loop:
            batch = LoopBatch(loop, journal.write)
            self._batch = journal, batch
        return batch.write

    @property
    def at_work(self) -> RunsAtWork:
        """The runs at work, with those that others carry on the same file."""
        return self._at_work

    def close(self) -> None:
        """Give the file back, which runs at work may still hold; opening again opens it again."""
        with self._lock:
            opened, self._opened, self._batch = self._opened, None, None
        if opened is not None:
            opened.close()
