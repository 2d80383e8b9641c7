"""What a system keeps is read by another process, while the system runs or after it has ended."""

from __future__ import annotations

import json
import os
from typing import Any

from unbreakable.errors import StateBroken
from unbreakable.outcome import in_one_line
from unbreakable.record import Record
from unbreakable.storage.lookup import look_up, owner_of
from unbreakable.storage.stamp import time_of_day


class Told(Record):
    """Hold one story: when it happened (seconds since 1970), in which node, how it ended, and the story itself."""

    id: str
    node: str
    status: str
    at: float
    text: str


class Snapshot(Record):
    """Hold the latest status that process *pid* wrote, *age* seconds ago.

    *closed*: it has ended its work in good order; *alive*: it has not, and still holds the state.
    """

    pid: int
    age: float
    alive: bool
    closed: bool
    status: dict[str, Any]


STORIES = "SELECT id, node, status, at, text FROM story "


def story_of(state: str | os.PathLike[str], outcome_id: str) -> Told | None:
    """Return the story of the outcome of that id, None when none is kept; raise StateError without a readable file."""
    rows = look_up(state, STORIES + "WHERE id = ?", outcome_id)
    return _told(rows[0]) if rows else None


def latest_stories(state: str | os.PathLike[str], most: int) -> list[Told]:
    """Return the newest stories, the newest first; raise StateError without a readable file."""
    return [_told(row) for row in look_up(state, STORIES + "ORDER BY number DESC LIMIT ?", most)]


def latest_snapshot(state: str | os.PathLike[str]) -> Snapshot | None:
    """Return the latest status of the system at *state*, None when it wrote none.

    Raises a StateError without a readable file, and StateBroken when what is there is no status.
    """
    rows = look_up(state, "SELECT pid, at, status FROM snapshot WHERE name = ?", "system")
    if not rows:
        return None
    pid, at, text = rows[0]
    try:
        status = dict(json.loads(text))
        closed, age = bool(status.pop("closed", False)), max(0.0, time_of_day() - at)
    except (TypeError, ValueError) as error:
        raise StateBroken(f"{state}: the status there cannot be read ({in_one_line(error)})") from error
    alive = not closed and owner_of(state) == pid
    return Snapshot(pid=pid, age=age, alive=alive, closed=closed, status=status)


def _told(row: tuple[Any, ...]) -> Told:
    return Told(**dict(zip(Told.fields, row, strict=True)))
