"""A state file is looked into by another process, while its owner works with it or after it has ended."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from unbreakable.errors import StateError
from unbreakable.storage.forking import Turn
from unbreakable.storage.owner import owner_at
from unbreakable.storage.shared import place_of


def look_up(state: str | os.PathLike[str], sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows that *sql* selects; none where nothing of the sort was ever kept.

    Raises StateError when there is no state at *state*, or it cannot be read.
    """
    import sqlite3

    try:
        path = place_of(state)
        is_there = path.exists()
    except OSError as error:
        raise StateError(f"{os.fspath(state)}: cannot be looked into ({error.strerror})") from error
    if not is_there:
        raise StateError(f"{path}: there is no state; run a system with it first, or name another place")
    try:
        return _selected(path, "mode=ro", sql, values)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if "no such table" in str(error):
            return []
        if _is_at_rest(path):  # then SQLite may want to write a log that this reader must not make
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                return _selected(path, "immutable=1", sql, values)
        raise StateError(f"{path}: cannot be read ({error})") from error


def _selected(path: Path, how: str, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    import sqlite3

    turn = Turn(path)
    with (
        turn.taken(),
        contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, timeout=2.0)) as connection,
    ):
        return connection.execute(sql, values).fetchall()


def _is_at_rest(path: Path) -> bool:
    """Return whether nobody works with the file, and all that was written stands in it."""
    log = path.with_name(f"{path.name}-wal")
    return owner_at(path) is None and not (log.exists() and log.stat().st_size)


def owner_of(state: str | os.PathLike[str]) -> int | None:
    """Return the number of the process that works with the file at this moment, None when none does."""
    return owner_at(place_of(state))
