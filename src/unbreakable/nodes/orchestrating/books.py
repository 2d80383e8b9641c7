"""The journal of an orchestrator's runs, opened when the first run needs it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence

from unbreakable.nodes.orchestrating.at_work import Place, RunsAtWork, runs_on
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
        self, state: str | os.PathLike[str] | None, durability: Durability, keep: int, tell: Callable[..., None]
    ) -> None:
        self._state, self._durability, self._keep, self._tell = state, durability, keep, tell
        self._lock = new_lock()
        self._opened: tuple[Journal, RunsAtWork] | None = None
        self._batch: LoopBatch[Record] | None = None

    def open(self) -> tuple[Journal, RunsAtWork]:
        """Return the journal and the runs that are at work on it."""
        with self._lock:
            if self._opened is not None and self._opened[0].is_gone:
                self._opened[0].close()
                self._opened, self._batch = None, None
            if self._opened is None:
                self._opened = self._new_journal()
            return self._opened

    def _new_journal(self) -> tuple[Journal, RunsAtWork]:
        if self._state is None:
            return MemoryJournal(self._keep), RunsAtWork()
        from unbreakable.workflows.table import TableJournal

        file = open_state(self._state, self._durability)
        self._state = file.path  # settled: a folder that is deleted must not come back as a file
        try:
            if file.set_aside is not None:
                self._tell("StateSetAside", path=str(file.path), moved_to=str(file.set_aside))
            return TableJournal(file, self._keep), runs_on(file)
        except BaseException:
            close_state(file)
            raise

    def writer(
        self, journal: Journal, loop: asyncio.AbstractEventLoop | None
    ) -> Callable[[Sequence[Record]], Awaitable[None]]:
        """Return what commits records: gathered for one turn of *loop*, at once where there is none."""
        if loop is None or isinstance(journal, MemoryJournal):

            async def write(records: Sequence[Record]) -> None:
                journal.write(records)

            return write
        batch = self._batch
        if batch is None or batch.loop is not loop:
            batch = self._batch = LoopBatch(loop, journal.write)
        return batch.write

    def places_of(self, owner: object) -> list[Place]:
        """Return the places of the runs of *owner* that are at work."""
        return [] if self._opened is None else self._opened[1].of(owner)

    def close(self) -> None:
        """Give the file back; opening again opens it again."""
        with self._lock:
            opened, self._opened, self._batch = self._opened, None, None
        if opened is not None:
            opened[0].close()
