"""What a system keeps is read by another process, while the system runs or after it has ended."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbreakable.record import Record
from unbreakable.storage.shared import place_of
from unbreakable.storage.stamp import time_of_day
from unbreakable.storage.trouble import StateError

if TYPE_CHECKING:
    import sqlite3


class Told(Record):
    """Hold one story: when it happened (seconds since 1970), in which node, how it ended, and the story itself."""

    id: str
    node: str
    status: str
    at: float
    text: str


class Snapshot(Record):
    """Hold the latest status that process *pid* wrote, *age* seconds ago; *alive*: that process is still there."""

    pid: int
    age: float
    alive: bool
    status: dict[str, Any]


def story_of(state: str | os.PathLike[str], outcome_id: str) -> Told | None:
    """Return the story of the outcome of that id, None when none is kept; raise StateError without a readable file."""
    with _read_only(place_of(state)) as connection:
        rows = _rows(connection, "SELECT id, node, status, at, text FROM story WHERE id = ?", outcome_id)
    return Told(**dict(zip(Told.fields, rows[0], strict=True))) if rows else None


def latest_stories(state: str | os.PathLike[str], most: int) -> list[Told]:
    """Return the newest stories, the newest first; raise StateError without a readable file."""
    with _read_only(place_of(state)) as connection:
        rows = _rows(connection, "SELECT id, node, status, at, text FROM story ORDER BY number DESC LIMIT ?", most)
    return [Told(**dict(zip(Told.fields, row, strict=True))) for row in rows]


def latest_snapshot(state: str | os.PathLike[str]) -> Snapshot | None:
    """Return the latest status of the system at *state*, None when it wrote none; raise StateError without a file."""
    with _read_only(place_of(state)) as connection:
        rows = _rows(connection, "SELECT pid, at, status FROM snapshot WHERE name = ?", "system")
    if not rows:
        return None
    pid, at, status = rows[0]
    return Snapshot(pid=pid, age=max(0.0, time_of_day() - at), alive=_is_alive(pid), status=json.loads(status))


@contextlib.contextmanager
def _read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for reading beside its owner, who alone writes."""
    import sqlite3

    if not path.exists():
        raise StateError(f"{path}: there is no state; run a system with it first, or name another place with --state")
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)
    except sqlite3.Error as error:
        raise StateError(f"{path}: cannot be read ({error})") from error
    try:
        yield connection
    except sqlite3.Error as error:
        raise StateError(f"{path}: cannot be read ({error})") from error
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, sql: str, value: object) -> list[tuple[Any, ...]]:
    import sqlite3

    try:
        return connection.execute(sql, (value,)).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []  # a state in which nothing of the sort was ever kept
        raise


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True
