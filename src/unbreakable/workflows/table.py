"""Runs kept in the state file: another process can go on with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unbreakable.errors import StateBroken
from unbreakable.log import log
from unbreakable.storage.payload import Payload
from unbreakable.storage.shared import close_state, share_state
from unbreakable.storage.sqlite import Schema, StateFile, Statement
from unbreakable.storage.stamp import time_of_day
from unbreakable.storage.text import storable
from unbreakable.storage.values import read, record
from unbreakable.workflows.journal import (
    Record,
    RunBegun,
    RunEnded,
    RunTurnedBack,
    StepBegun,
    StepEnded,
    StoredRun,
)
from unbreakable.workflows.result import RunStatus, StepState

SCHEMA = Schema(
    "workflows",
    (
        (
            """CREATE TABLE run (id TEXT PRIMARY KEY, workflow TEXT NOT NULL, graph TEXT NOT NULL,
            context TEXT NOT NULL, turned_back INTEGER NOT NULL DEFAULT 0, status TEXT, error TEXT, begun REAL NOT NULL,
            ended REAL) WITHOUT ROWID""",
            """CREATE TABLE step (run TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, certain INTEGER NOT NULL,
            key TEXT NOT NULL, inputs TEXT NOT NULL, undo TEXT, result TEXT, error TEXT, changed REAL NOT NULL,
            PRIMARY KEY (run, id)) WITHOUT ROWID""",
            "CREATE INDEX run_by_end ON run (ended, begun)",
        ),
        (
            # The order in which runs ended: a clock may be set back.  Of those that ended before, the clock tells.
            "ALTER TABLE run ADD COLUMN place INTEGER",
            "CREATE INDEX run_by_place ON run (place, ended)",
        ),
    ),
)

BEGIN_RUN = "INSERT INTO run (id, workflow, graph, context, begun) VALUES (?, ?, ?, ?, ?)"
TURN_RUN = "UPDATE run SET turned_back = 1, error = ? WHERE id = ?"
END_RUN = """UPDATE run SET status = ?, error = coalesce(?, error), ended = ?,
    place = (SELECT coalesce(max(place), 0) + 1 FROM run) WHERE id = ?"""
BEGIN_STEP = """INSERT INTO step (run, id, state, certain, key, inputs, undo, changed)
    VALUES (?, ?, 'uncertain', 0, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET state = 'uncertain', certain = 0, inputs = excluded.inputs, changed = excluded.changed"""
END_STEP = """UPDATE step
    SET state = ?, certain = ?, result = coalesce(?, result), error = coalesce(?, error), changed = ?
    WHERE run = ? AND id = ?"""
OLD_RUNS = """SELECT id FROM run WHERE ended IS NOT NULL AND (status = 'needs_attention') = ?
    ORDER BY place DESC, ended DESC LIMIT -1 OFFSET ?"""
# Text as it lies there: what is none is damage of that run, and not of the whole answer.
READ_RUN = """SELECT CAST(id AS BLOB), CAST(workflow AS BLOB), CAST(graph AS BLOB), CAST(context AS BLOB), begun,
    turned_back, CAST(status AS BLOB), CAST(error AS BLOB) FROM run """
READ_STEPS = """SELECT CAST(id AS BLOB), CAST(state AS BLOB), certain, CAST(inputs AS BLOB), CAST(result AS BLOB)
    FROM step WHERE run = ?"""

SWEEP_EVERY = 64  # ended runs of a process


class TableJournal:
    """Keep runs in the tables of *file*: all in flight, and the last *keep* finished ones.

    Those that need attention are counted apart, so that others do not push them out.
    """

    def __init__(self, file: StateFile, keep: int) -> None:
        from hashlib import blake2b

        self.file, self.keep = file, keep
        self._blake2b = blake2b
        self._ended = SWEEP_EVERY - 1  # the first to end sweeps: a process may end long before the next turn
        file.adopt(SCHEMA)

    def record(self, value: Any, what: str) -> Payload:
        """Return *value* as it reads back; raise NotRecordable if it cannot be written."""
        return record(value, what)

    def digest(self, inputs: Sequence[Payload]) -> str:
        """Return 16 hexadecimal digits, the same for the same inputs."""
        return self._blake2b("\n".join([payload.text for payload in inputs]).encode(), digest_size=8).hexdigest()

    def write(self, records: Sequence[Record]) -> None:
        """Commit *records* in one transaction."""
        now = time_of_day()
        statements = [_statement(entry, now) for entry in records]
        ended = sum(isinstance(entry, RunEnded) for entry in records)
        if ended and self._ended // SWEEP_EVERY != (self._ended + ended) // SWEEP_EVERY:
            statements += _sweep(self.keep)
        self.file.write(statements)
        self._ended += ended

    def find(self, run_id: str) -> StoredRun | None:
        """Return what is known of a run."""
        rows = self.file.read(READ_RUN + "WHERE id = ?", (run_id,))
        return self._read(rows[0]) if rows else None

    def unfinished(self) -> list[StoredRun]:
        """Return the runs that have not ended, oldest first; one that is damaged is left out and told in the log."""
        found = []
        for row in self.file.read(READ_RUN + "WHERE ended IS NULL ORDER BY begun"):
            try:
                found.append(self._read(row))
            except StateBroken as error:
                log("%s; it is left as it is and needs a person", error)
        return found

    def _read(self, row: tuple[Any, ...]) -> StoredRun:
        run_id = row[0].decode("utf-8", "replace")
        steps = self.file.read(READ_STEPS, (run_id,))
        try:
            return _stored(_as_text(row), [_as_text(step) for step in steps])
        except (TypeError, ValueError) as error:  # SQLite has no checksums: a flipped bit may come up as late as here
            raise StateBroken(f"{self.file.path}: run {run_id!r} is damaged ({error})") from error

    @property
    def is_gone(self) -> bool:
        """Whether the file was deleted or replaced."""
        return self.file.is_gone

    def refuse_if_in_use(self) -> None:
        """Raise StateInUse in a handler of signals that interrupted this very thread in the middle of using it."""
        self.file.refuse_if_in_use()

    def hold(self) -> None:
        """Keep the file for one more user, who gives it back with ``close``."""
        share_state(self.file)

    def close(self) -> None:
        """Give the file back."""
        close_state(self.file)


def _statement(entry: Record, now: float) -> Statement:
    match entry:
        case StepBegun(run, step, key, inputs, undo):
            return BEGIN_STEP, (run, step, key, inputs, undo, now)
        case StepEnded(run, step, state, certain, result, error):
            text = None if result is None else result.text
            return END_STEP, (state.value, certain, text, _storable(error), now, run, step)
        case RunBegun(run, workflow, graph, context, _):
            return BEGIN_RUN, (run, workflow, graph, context.text, now)
        case RunTurnedBack(run, error):
            return TURN_RUN, (_storable(error), run)
        case RunEnded(run, status, error):
            return END_RUN, (status.value, _storable(error), now, run)


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _sweep(keep: int) -> list[Statement]:
    return [
        (sql.format(OLD_RUNS), (attention, keep))
        for attention in (0, 1)
        for sql in ("DELETE FROM step WHERE run IN ({})", "DELETE FROM run WHERE id IN ({})")
    ]


def _as_text(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else value for value in row)


def _stored(row: tuple[Any, ...], steps: Sequence[tuple[Any, ...]]) -> StoredRun:
    run_id, workflow, graph, context, begun, turned_back, status, error = row
    run = StoredRun(run_id, workflow, graph, Payload(context, read(context)), begun)
    run.turned_back, run.error = bool(turned_back), error
    run.status = None if status is None else RunStatus(status)
    for step, state, certain, inputs, result in steps:
        run.ledger[step], run.inputs[step] = StepState(state), inputs
        if not certain:
            run.doubtful.add(step)
        if result is not None:
            run.results[step] = Payload(result, read(result))
    needs = {step: needed for step, needed, *_ in read(graph)}
    if not all(step in needs and run.results.keys() >= {*needs[step]} for step in run.ledger):
        raise ValueError("its steps do not fit together")
    return run
