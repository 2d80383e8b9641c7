"""Stories of calls that did not plainly succeed, and the latest status, kept in the state file for people to read."""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unbreakable.events import Explained
from unbreakable.log import log
from unbreakable.outcome import in_one_line
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

    Stories come from nodes that it listens to.  A status that cannot be had is told in the log, and costs no story.
    Raises a StateError when the file cannot be used.
    """

    def __init__(self, state: str | os.PathLike[str], status: Callable[[], Mapping[str, Any]]) -> None:
        self._status = status
        self._last: dict[str, Any] | None = None
        self._mute = False
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=MOST_WAITING)
        self._taken: list[tuple[Any, ...]] = []
        file = open_state(state)
        try:
            file.adopt(SCHEMA)
        except BaseException:
            close_state(file)
            raise
        self._writer = BackgroundWriter(file, SCHEMA, self, what="the history", restless=True)

    def note(self, story: Explained) -> None:
        """Take in a story; this is what nodes call."""
        self._waiting.append((story.id, story.node, story.status, time_of_day(), story.text[:MOST_CHARACTERS]))
        self._writer.wake()

    # ── what is written ──────────────────────────────────────────────────────────────────────────────────────────

    def take(self) -> Sequence[Statement]:
        """Return what is to be written: the new stories and the status."""
        self._taken = []
        while self._waiting:
            self._taken.append(self._waiting.popleft())
        statements: list[Statement] = [(TELL, row) for row in self._taken]
        if statements:
            statements.append((DROP_THE_OLDEST, (MOST_STORIES,)))
        status = self._asked()
        shown = [] if status is None else [(SHOW, ("system", os.getpid(), time_of_day(), status))]
        return [*statements, *shown]

    def _asked(self) -> str | None:
        """Return the status as JSON; None when it cannot be had."""
        try:
            text = json.dumps(self._last or dict(self._status()), default=str)
        except Exception as error:
            if not self._mute:
                log("the status cannot be had: %s", in_one_line(error))
            self._mute = True
            return None
        self._mute = False
        return text

    def put_back(self) -> None:
        """Write once more what was taken last, as far as there is room."""
        room = MOST_WAITING - len(self._waiting)
        self._waiting.extendleft(reversed(self._taken[-room:] if room else []))

    def put_back_all(self) -> None:
        """Go on in a new file: what was told in the one that is gone is not known here any more."""

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def trouble(self) -> str | None:
        """Why the last write failed; None when it did not."""
        return self._writer.trouble

    def flush(self) -> bool:
        """Write now; return whether everything is in the file."""
        return self._writer.flush()

    def settle(self) -> None:
        """Ask for the status for the last time, while there is still something to show; stories are still taken in."""
        if self._last is None and self._writer.is_open:
            with contextlib.suppress(Exception):  # then what was last shown is left as it is
                self._last = {**self._status(), "closed": True}

    def close(self) -> None:
        """Write what is left, and that this is the end, and give the file back."""
        self.settle()
        self._writer.close()
