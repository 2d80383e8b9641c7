"""What was learned survives the process: one SQLite file, which nobody who makes a call ever waits for.

The law of this file.  ``get``, ``add`` and ``watch`` work on a copy in memory.  A thread writes what changed, at most
once a second, and once more at the end; a crash loses what was learned in the last second.  A file that cannot be
written costs knowledge, never a call: it is tried again, and ``trouble`` says why.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from unbreakable.fractal import LocalMemory
from unbreakable.fractal.memory import MOST_TARGETS, Knowledge
from unbreakable.outcome import in_one_line
from unbreakable.policies import Plan
from unbreakable.stats import Arms, Traffic
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Schema, StateFile, Statement
from unbreakable.storage.stamp import time_of_day
from unbreakable.storage.trouble import StateError

PAUSE = 1.0  # seconds between two writes
SCHEMA = Schema(
    "knowledge",
    (("CREATE TABLE knowledge (target TEXT PRIMARY KEY, record TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",),),
)
KEEP = "INSERT OR REPLACE INTO knowledge (target, record, at) VALUES (?, ?, ?)"
DROP_THE_OLDEST = (
    "DELETE FROM knowledge WHERE target IN (SELECT target FROM knowledge ORDER BY at DESC LIMIT -1 OFFSET ?)"
)

_memories: weakref.WeakSet[SqliteMemory] = weakref.WeakSet()


class SqliteMemory:
    """Keep what was learned about at most 1,000 targets in the file at *state*, or in ``runs.db`` if it is a folder.

    Give it to nodes as ``memory=``.  One process at a time may hold the file: StateOwned says which one does.  A file
    that is broken is set aside with a StateSetAsideWarning, and what is learned begins anew.  Use it as a context
    manager, or ``close()`` it.  A forked child knows what its parent knew and keeps nothing.
    """

    def __init__(self, state: str | os.PathLike[str]) -> None:
        self._book = LocalMemory()
        self.trouble: str | None = None  #: why the last write failed, None when it did not
        self._file: StateFile | None = open_state(state)
        try:
            self._file.adopt(SCHEMA)
            self._load(self._file)
        except BaseException:
            close_state(self._file)
            raise
        self._changed: dict[str, None] = {}
        self._wake, self._over, self._writing = threading.Event(), threading.Event(), threading.Lock()
        self._writer = threading.Thread(target=self._write_on, name="unbreakable knowledge", daemon=True)
        self._writer.start()
        _memories.add(self)

    # ── what nodes ask for ───────────────────────────────────────────────────────────────────────────────────────

    def get(self, target: str) -> dict[str, Any] | None:
        """Return what is known about *target*, None for nothing."""
        return self._book.get(target)

    def add(self, target: str, record: dict[str, Any], source: object) -> None:
        """Merge *record* into what is known, tell the watchers of the target, and have it written soon."""
        self._book.add(target, record, source)
        if self._file is not None:
            self._changed[target] = None
            self._wake.set()

    def watch(self, target: str, told: Callable[[dict[str, Any], object], None]) -> None:
        """Call ``told(record, source)`` for every record that is added for *target*, as long as *told* lives."""
        self._book.watch(target, told)

    def summary(self) -> Knowledge:
        """Return in four figures what is known of all targets together."""
        return self._book.summary()

    # ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _load(self, file: StateFile) -> None:
        for target, text in file.read("SELECT target, record FROM knowledge ORDER BY at"):
            try:
                self._book.add(target, _checked(json.loads(text)), self)
            except ValueError as error:
                logging.getLogger("unbreakable").warning(
                    "what was known about %s cannot be read and is left out: %s", target, in_one_line(error)
                )

    def _write_on(self) -> None:
        while not self._over.is_set():
            self._wake.wait()
            self._wake.clear()
            self.flush()
            self._over.wait(PAUSE)

    def flush(self) -> bool:
        """Write what changed; return whether all of it is in the file."""
        with self._writing:
            return self._flush()

    def _flush(self) -> bool:
        file, taken = self._file, list(self._changed)
        for target in taken:
            self._changed.pop(target, None)
        if file is None or not taken:
            return file is not None
        try:
            file.write(self._statements(taken))
        except Exception as error:
            if isinstance(error, StateError):  # it may pass; a record that is not JSON stays what it is
                self._changed.update(dict.fromkeys(taken))
                self._wake.set()
            if self.trouble is None:
                logging.getLogger("unbreakable").warning("what is learned is not kept for now: %s", error)
            self.trouble = in_one_line(error)
            return False
        self.trouble = None
        return True

    def _statements(self, targets: list[str]) -> list[Statement]:
        now = time_of_day()
        records = {target: self._book.get(target) for target in targets}
        rows = [(KEEP, (target, json.dumps(record), now)) for target, record in records.items() if record is not None]
        return [*rows, (DROP_THE_OLDEST, (MOST_TARGETS,))]

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Write what is left and give the file back; closing twice is the same as once."""
        if self._file is None:
            return
        self._over.set()
        self._wake.set()
        if threading.current_thread() is not self._writer:
            self._writer.join()
        self.flush()
        file, self._file = self._file, None
        close_state(file)

    def forget(self) -> None:
        """Keep nothing from now on: in a forked child the file stays with the parent."""
        self._file, self._writing = None, threading.Lock()  # the parent's thread may have held it

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


def _close_all() -> None:
    for memory in list(_memories):
        with contextlib.suppress(Exception):
            memory.close()


def _forget_all() -> None:
    for memory in list(_memories):
        memory.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
