"""What was learned survives the process: one SQLite file, which nobody who makes a call ever waits for."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from unbreakable.fractal import LocalMemory
from unbreakable.fractal.memory import MOST_TARGETS, Knowledge
from unbreakable.outcome import in_one_line
from unbreakable.policies import Plan
from unbreakable.stats import Arms, Traffic
from unbreakable.storage.background import BackgroundWriter
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Schema, StateFile, Statement
from unbreakable.storage.stamp import time_of_day

SCHEMA = Schema(
    "knowledge",
    (("CREATE TABLE knowledge (target TEXT PRIMARY KEY, record TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",),),
)
KEEP = "INSERT OR REPLACE INTO knowledge (target, record, at) VALUES (?, ?, ?)"
DROP_THE_OLDEST = (
    "DELETE FROM knowledge WHERE target IN (SELECT target FROM knowledge ORDER BY at DESC LIMIT -1 OFFSET ?)"
)


class SqliteMemory:
    """Keep what was learned about at most 1,000 targets in the file at *state*, or in ``runs.db`` if it is a folder.

    Give it to nodes as ``memory=``.  What changed is written by a thread, at most once a second, and at the end.  One
    process at a time may hold the file: StateOwned says which one does.  A file that is broken is set aside with a
    StateSetAsideWarning, and what is learned begins anew.  Use it as a context manager, or ``close()`` it.  A forked
    child knows what its parent knew and keeps nothing.
    """

    def __init__(self, state: str | os.PathLike[str]) -> None:
        self._book, self._changed, self._taken = LocalMemory(), dict[str, None](), dict[str, None]()
        file = open_state(state)
        try:
            file.adopt(SCHEMA)
            self._load(file)
        except BaseException:
            close_state(file)
            raise
        self._writer = BackgroundWriter(file, self._take, self._put_back, what="what is learned")

    def get(self, target: str) -> dict[str, Any] | None:
        """Return what is known about *target*, None for nothing."""
        return self._book.get(target)

    def add(self, target: str, record: dict[str, Any], source: object) -> None:
        """Merge *record* into what is known, tell the watchers of the target, and have it written soon."""
        self._book.add(target, record, source)
        if self._writer.is_open:
            self._changed[target] = None
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
        return self._writer.trouble

    def flush(self) -> bool:
        """Write what changed; return whether all of it is in the file."""
        return self._writer.flush()

    def _take(self) -> Sequence[Statement]:
        """Return what is to be written: the records that changed."""
        self._taken, now = dict.fromkeys(list(self._changed)), time_of_day()
        for target in self._taken:
            self._changed.pop(target, None)
        if not self._taken:
            return ()
        records = ((target, self._book.get(target)) for target in self._taken)
        rows = [(KEEP, (target, json.dumps(record), now)) for target, record in records if record is not None]
        return [*rows, (DROP_THE_OLDEST, (MOST_TARGETS,))]

    def _put_back(self) -> None:
        """Write once more what was taken last."""
        self._changed.update(self._taken)

    def _load(self, file: StateFile) -> None:
        for target, text in file.read("SELECT target, record FROM knowledge ORDER BY at"):
            try:
                self._book.add(target, _checked(json.loads(text)), self)
            except ValueError as error:
                logging.getLogger("unbreakable").warning(
                    "what was known about %s cannot be read and is left out: %s", target, in_one_line(error)
                )

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Write what is left and give the file back; closing twice is the same as once."""
        self._writer.close()

    def __enter__(self) -> Self:
        """Return the memory."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close the memory."""
        self.close()


def _checked(record: Any) -> dict[str, Any]:
    """Return *record* if it is one that a memory wrote; ValueError for any other."""
    try:
        Traffic.from_dict(record["traffic"])
        Arms.from_dict(record["arms"])
        if record["plan"] is not None:
            Plan.from_record(record["plan"])
        lessons = [
            (str(sign), str(remedy), float(prior), bool(worked)) for sign, remedy, prior, worked in record["lessons"]
        ]
        totals = {name: int(record["totals"][name]) for name in ("learnings", "healings", "optimizations")}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the record of a target: {in_one_line(error)}") from error
    if not all(0.0 <= prior <= 1.0 for _, _, prior, _ in lessons):
        raise ValueError("lessons: expected priors in 0..1")
    return {**record, "lessons": lessons, "totals": totals}
