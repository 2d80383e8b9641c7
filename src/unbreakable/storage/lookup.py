"""A state file is looked into by another process, while its owner works with it or after it has ended."""

from __future__ import annotations

import os
from typing import Any

from unbreakable.errors import StateError
from unbreakable.storage.owner import owner_at
from unbreakable.storage.shared import place_of


def look_up(state: str | os.PathLike[str], sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows that *sql* selects; none where nothing of the sort was ever kept.

    Raises StateError when there is no state at *state*, or it cannot be read.
    """
    import sqlite3

    path = place_of(state)
    if not path.exists():
        raise StateError(f"{path}: there is no state; run a system with it first, or name another place")
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if "no such table" in str(error):
            return []
        raise StateError(f"{path}: cannot be read ({error})") from error


def owner_of(state: str | os.PathLike[str]) -> int | None:
    """Return the number of the process that works with the file at this moment, None when none does."""
    return owner_at(place_of(state))
