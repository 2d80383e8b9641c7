"""What was learned survives the process: one SQLite file, which nobody who makes a call ever waits for."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from unbreakable.fractal import LocalMemory
from unbreakable.fractal.gathering import gather
from unbreakable.fractal.memory import MOST_TARGETS, Knowledge
from unbreakable.log import log
from unbreakable.outcome import in_one_line
from unbreakable.policies import Plan
from unbreakable.runtime.loading import is_loading
from unbreakable.stats import Arms, Traffic
from unbreakable.storage.background import BackgroundWriter
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Schema, StateFile, Statement
from unbreakable.storage.stamp import time_of_day

N = TypeVar("N", int, float)

SCHEMA = Schema(
    "knowledge",
    (("CREATE TABLE knowledge (target TEXT PRIMARY KEY, record TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",),),
)
# Text as it lies there: what is none is damage of that record, and not of the whole answer.
READ = "SELECT CAST(target AS BLOB), CAST(record AS BLOB) FROM knowledge ORDER BY at"
KEEP = "INSERT OR REPLACE INTO knowledge (target, record, at) VALUES (?, ?, ?)"
DROP_THE_OLDEST = (
    "DELETE FROM knowledge WHERE target IN (SELECT target FROM knowledge ORDER BY at DESC LIMIT -1 OFFSET ?)"
)


class SqliteMemory:
    """Keep what was learned about at most 1,000 targets in the file at *state*, or in ``runs.db`` if it is a folder.

    Give it to nodes as ``memory=``.  They learn from many calls at a time; what they have learned is written by a
    thread, at most once a second, and at the end together with what they have not learned from by then.
    One process at a time may hold the file: StateOwned says which one does.  A file that is broken is set aside with a
    StateSetAsideWarning, and what is learned begins anew; one that was deleted meanwhile is made again.  Use it as a
    context manager, or close it.  A forked child knows what its parent knew and keeps nothing; a worker process of a
    loop that loads the program keeps nothing either.
    """

    def __init__(self, state: str | os.PathLike[str]) -> None:
        self._book = LocalMemory()
        self._news = News(self._book)
        self._writer: BackgroundWriter | None = None
        if is_loading():  # the file is the parent's
            return
        file = open_state(state)
        try:
            file.adopt(SCHEMA)
            self._load(file)
        except BaseException:
            close_state(file)
            raise
        self._writer = BackgroundWriter(
            file, SCHEMA, self._news, what="what is learned", before_the_end=functools.partial(gather, self)
        )

    def get(self, target: str) -> dict[str, Any] | None:
        """Return what is known about *target*, None for nothing."""
        return self._book.get(target)

    def add(self, target: str, record: dict[str, Any], source: object) -> None:
        """Merge *record* into what is known, tell the watchers of the target, and have it written soon."""
        self._book.add(target, record, source)
        if self._writer is not None and self._writer.is_open:
            self._news.note(target)
            self._writer.wake()

    def watch(self, target: str, told: Callable[[dict[str, Any], object], None]) -> None:
        """Call ``told(record, source)`` for every record that is added for *target*, as long as *told* lives."""
        self._book.watch(target, told)

    def summary(self) -> Knowledge:
        """Return in four figures what is known of all targets together."""
        return self._book.summary()

    # ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def trouble(self) -> str | None:
        """Why the last write failed; None when it did not."""
        return None if self._writer is None else self._writer.trouble

    def flush(self) -> bool:
        """Let the nodes learn from what has piled up, and write it; return whether all that is known is in the file."""
        gather(self)
        return self._writer is not None and self._writer.flush()

    def _load(self, file: StateFile) -> None:
        for target, text in file.read(READ):
            try:
                self._book.add(target.decode(), _checked(json.loads(text.decode())), self)
            except ValueError as error:
                log(
                    "what was known about %s cannot be read and is left out: %s",
                    target.decode("utf-8", "replace"),
                    in_one_line(error),
                )

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Let the nodes learn the rest, write it and give the file back; closing twice is the same as once."""
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        """Return the memory."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close the memory."""
        self.close()


class News:
    """Know which records of *book* are not in the file yet."""

    def __init__(self, book: LocalMemory) -> None:
        self._book, self._changed, self._taken = book, dict[str, None](), dict[str, None]()

    def note(self, target: str) -> None:
        """Have what is known of *target* written."""
        self._changed[target] = None

    def take(self) -> Sequence[Statement]:
        """Return what is to be written: the records that changed."""
        self._taken = dict.fromkeys(list(self._changed))
        for target in self._taken:
            self._changed.pop(target, None)
        rows = [row for target in self._taken if (row := self._row(target)) is not None]
        return [*rows, (DROP_THE_OLDEST, (MOST_TARGETS,))] if rows else ()

    def _row(self, target: str) -> Statement | None:
        record = self._book.get(target)
        try:
            return None if record is None else (KEEP, (target, json.dumps(record), time_of_day()))
        except (TypeError, ValueError) as error:  # it will not pass, and must not keep the others from being written
            log("what is known about %s cannot be written: %s", target, in_one_line(error))
            return None

    def put_back(self) -> None:
        """Write once more what was taken last."""
        self._changed.update(self._taken)

    def put_back_all(self) -> None:
        """Write all that is known: the file that had it is gone."""
        self._changed.update(dict.fromkeys(self._book.targets()))


def _checked(record: Any) -> dict[str, Any]:
    """Return *record* if it is one that a memory wrote; ValueError for any other."""
    try:
        Traffic.from_dict(record["traffic"])
        Arms.from_dict(record["arms"])
        if record["plan"] is not None:
            Plan.from_record(record["plan"])
        lessons = [
            [str(sign), str(remedy), _within(float(prior), 1.0), *(_within(int(count), math.inf) for count in counts)]
            for sign, remedy, prior, *counts in record["lessons"]
        ]
        lives = [
            [str(sign), str(remedy), float(least), float(most), int(calls)]
            for sign, remedy, least, most, calls in record.get("lives", ())
        ]
        totals = {name: int(record["totals"][name]) for name in ("learnings", "healings", "optimizations")}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the record of a target: {in_one_line(error)}") from error
    if not all(len(row) == 6 for row in lessons):
        raise ValueError("lessons: expected a signature, a remedy, a prior and three counts")
    return {**record, "lessons": lessons, "lives": lives, "totals": totals}


def _within(number: N, most: float) -> N:
    """Return *number* if it is between 0 and *most*; ValueError for any other."""
    if not 0 <= number <= most:
        raise ValueError(f"lessons: expected numbers in 0..{most}, got {number!r}")
    return number
