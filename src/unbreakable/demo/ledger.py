"""The books of one partner, which survive its death at any moment."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Body = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS visits (service TEXT, booking TEXT, route TEXT, n INTEGER NOT NULL,
    PRIMARY KEY (service, booking, route)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, status INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY AUTOINCREMENT, booking TEXT NOT NULL, state TEXT NOT NULL,
    amount INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_booking ON records (booking);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing the partner keeps for a booking: a ticket, a hold, a charge."""

    id: int
    booking: str
    state: str
    amount: int


class Ledger:
    """One SQLite file; the flights' two processes share theirs."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # survives kill -9; only a power cut may lose the last commits
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all of the block or none of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def visit(self, service: str, booking: str, route: str) -> int:
        """Count a request as received and return how many of its kind this service has seen, this one included."""
        row = self._db.execute(
            "INSERT INTO visits VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n",
            (service, booking, route),
        ).fetchall()  # to the end: the statement commits only when it has been stepped through
        return int(row[0][0])

    def once(self, key: str | None, effect: Callable[[], tuple[int, Body]]) -> tuple[int, Body]:
        """Commit the effect with the answer under its key, or return the answer stored there; no key, no memory."""
        with self.transaction():
            if key is not None:
                stored = self._db.execute("SELECT status, body FROM answers WHERE key = ?", (key,)).fetchone()
                if stored is not None:
                    return int(stored[0]), json.loads(stored[1])
            status, body = effect()
            if key is not None and status < 300:
                self._db.execute("INSERT INTO answers VALUES (?, ?, ?)", (key, status, json.dumps(body)))
            return status, body

    def add(self, booking: str, state: str, amount: int = 0) -> Record:
        """Write a new record; call it inside `once`."""
        cursor = self._db.execute(
            "INSERT INTO records (booking, state, amount) VALUES (?, ?, ?)", (booking, state, amount)
        )
        return Record(id=int(cursor.lastrowid or 0), booking=booking, state=state, amount=amount)

    def find(self, identity: int) -> Record | None:
        """Return the record with this number, or None."""
        row = self._db.execute("SELECT id, booking, state, amount FROM records WHERE id = ?", (identity,)).fetchone()
        return None if row is None else Record(id=row[0], booking=row[1], state=row[2], amount=row[3])

    def change(self, identity: int, state: str) -> None:
        """Set a record's state; call it inside `once`."""
        self._db.execute("UPDATE records SET state = ? WHERE id = ?", (state, identity))

    def standing(self, *states: str) -> dict[str, int]:
        """Return how many records in one of these states each booking has; bookings with none are left out."""
        rows = self._db.execute("SELECT booking, state FROM records ORDER BY id")
        return dict(Counter(str(booking) for booking, state in rows if state in states))

    def record_count(self) -> int:
        """Return how many effects there have been, undone ones included."""
        return int(self._db.execute("SELECT COUNT(*) FROM records").fetchone()[0])

    def visits(self) -> list[tuple[str, str, str, int]]:
        """Return (service, booking, route, times) of every kind of request that was received."""
        return list(self._db.execute("SELECT service, booking, route, n FROM visits"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
