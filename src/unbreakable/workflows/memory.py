"""Runs kept in memory: they end with the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unbreakable.runtime import new_lock
from unbreakable.storage.payload import Payload, apart
from unbreakable.storage.stamp import time_of_day
from unbreakable.workflows.journal import Record, RunBegun, RunEnded, StoredRun, fold


class MemoryJournal:
    """Keep the runs in flight, and the last *keep* finished ones whose caller chose the id."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self._runs: dict[str, StoredRun] = {}
        self._named: set[str] = set()
        self._finished: dict[str, StoredRun] = {}
        self._lock = new_lock()

    def record(self, value: Any, what: str) -> Payload:
        """Return *value* as it is now: nothing has to be written, and whoever has it may change it later."""
        return Payload("", apart(value))

    def digest(self, inputs: Sequence[Payload]) -> str:
        """Return nothing, since nothing is compared within one process."""
        return ""

    def write(self, records: Sequence[Record]) -> None:
        """Keep *records*."""
        with self._lock:
            for record in records:
                self._keep(record)

    def _keep(self, record: Record) -> None:
        if isinstance(record, RunBegun):
            self._runs[record.run_id] = StoredRun(
                record.run_id, record.workflow, record.graph, record.context, time_of_day()
            )
            if record.named:
                self._named.add(record.run_id)
            return
        fold(self._runs[record.run_id], record)
        if isinstance(record, RunEnded):
            self._retire(self._runs.pop(record.run_id))

    def _retire(self, run: StoredRun) -> None:
        if run.run_id not in self._named:
            return
        self._named.discard(run.run_id)
        self._finished[run.run_id] = run
        if len(self._finished) > self.keep:
            del self._finished[next(iter(self._finished))]

    def find(self, run_id: str) -> StoredRun | None:
        """Return what is known of a run."""
        return self._runs.get(run_id) or self._finished.get(run_id)

    def unfinished(self) -> list[StoredRun]:
        """Return the runs in flight, oldest first."""
        with self._lock:
            return list(self._runs.values())

    @property
    def is_gone(self) -> bool:
        """Be there as long as the process is."""
        return False

    def refuse_if_in_use(self) -> None:
        """Refuse nothing: nobody waits for anything."""

    def hold(self) -> None:
        """Hold nothing open."""

    def close(self) -> None:
        """Hold nothing open."""
