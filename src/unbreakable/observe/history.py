"""Stories of calls that did not plainly succeed, and the latest status, kept in the state file for people to read."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unbreakable.events import Explained
from unbreakable.storage.background import BackgroundWriter
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Schema, Statement
from unbreakable.storage.stamp import time_of_day

MOST_STORIES = 10_000  # kept; the oldest make room
MOST_WAITING = 1_000  # that wait to be written; when more come within a second the oldest are left out
MOST_CHARACTERS = 8_000  # of one story
SCHEMA = Schema(
    "history",
    (
        (
            """CREATE TABLE story (number INTEGER PRIMARY KEY, id TEXT NOT NULL, node TEXT NOT NULL,
            status TEXT NOT NULL, at REAL NOT NULL, text TEXT NOT NULL)""",
            "CREATE INDEX story_by_id ON story (id)",
            """CREATE TABLE snapshot (name TEXT PRIMARY KEY, pid INTEGER NOT NULL, at REAL NOT NULL,
            status TEXT NOT NULL)""",
        ),
    ),
)
TELL = "INSERT INTO story (id, node, status, at, text) VALUES (?, ?, ?, ?, ?)"
DROP_THE_OLDEST = "DELETE FROM story WHERE number <= (SELECT max(number) FROM story) - ?"
SHOW = "INSERT OR REPLACE INTO snapshot (name, pid, at, status) VALUES (?, ?, ?, ?)"


class History:
    """Keep the last 10,000 stories, and once a second what *status* returns, in the file at *state*.

    Stories come from nodes that it listens to.  Raises a StateError when the file cannot be used.
    """

    def __init__(self, state: str | os.PathLike[str], status: Callable[[], Mapping[str, Any]]) -> None:
        self._status = status
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=MOST_WAITING)
        self._taken: list[tuple[Any, ...]] = []
        file = open_state(state)
        try:
            file.adopt(SCHEMA)
        except BaseException:
            close_state(file)
            raise
        self._writer = BackgroundWriter(file, self._take, self._put_back, what="the history", restless=True)

    def note(self, story: Explained) -> None:
        """Take in a story; this is what nodes call."""
        self._waiting.append((story.id, story.node, story.status, time_of_day(), story.text[:MOST_CHARACTERS]))
        self._writer.wake()

    def _take(self) -> Sequence[Statement]:
        """Return what is to be written: the new stories and the status."""
        self._taken = []
        while self._waiting:
            self._taken.append(self._waiting.popleft())
        statements: list[Statement] = [(TELL, row) for row in self._taken]
        if statements:
            statements.append((DROP_THE_OLDEST, (MOST_STORIES,)))
        status = json.dumps(dict(self._status()), default=str)
        return [*statements, (SHOW, ("system", os.getpid(), time_of_day(), status))]

    def _put_back(self) -> None:
        """Write once more what was taken last, as far as there is room."""
        self._waiting.extendleft(reversed(self._taken))

    def flush(self) -> bool:
        """Write now; return whether everything is in the file."""
        return self._writer.flush()

    def close(self) -> None:
        """Write what is left and give the file back."""
        self._writer.close()
