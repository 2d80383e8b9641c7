"""Where loops stand is kept in the tables of a state file, each in two slots that are written in turn.

The law of this file.  A record bears its sequence number and its CRC-32.  The newer of the two slots counts, if it is
whole; otherwise the one before, and what was damaged is copied into a table of its own and told.  What a loop writes
replaces the older slot: at no moment is there none.
"""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from unbreakable.log import log
from unbreakable.loops.checkpoint import Checkpoint, checkpoint_from
from unbreakable.loops.commit import GroupCommit
from unbreakable.loops.lessons import parsed
from unbreakable.policies.check import refuse
from unbreakable.runtime import Runtime, new_lock
from unbreakable.storage.lookup import look_up
from unbreakable.storage.shared import close_state, open_state, place_of
from unbreakable.storage.sqlite import Durability, Schema, StateFile, Statement
from unbreakable.storage.stamp import time_of_day
from unbreakable.storage.values import read

T = TypeVar("T")

MOST_LOOPS = 100_000  # that are remembered; beyond that those that ran longest ago are forgotten
MOST_ASIDE = 64  # damaged records that are kept for a person to look at
TABLE = """CREATE TABLE {} (name TEXT NOT NULL, slot INTEGER NOT NULL, seq INTEGER NOT NULL, crc INTEGER NOT NULL,
    text TEXT NOT NULL, changed REAL NOT NULL, PRIMARY KEY (name, slot)) WITHOUT ROWID"""
SCHEMA = Schema(
    "loops",
    (
        (
            TABLE.format("loop"),
            TABLE.format("loop_state"),
            "CREATE TABLE loop_aside (kind TEXT, name TEXT, seq INTEGER, crc INTEGER, text, changed REAL, aside REAL)",
        ),
        (TABLE.format("loop_lessons"),),
    ),
)
# An older record never replaces a newer one, in whichever order they come.
WRITE = """INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET seq = excluded.seq, crc = excluded.crc, text = excluded.text, changed = excluded.changed
    WHERE excluded.seq > seq"""
READ = "SELECT slot, seq, crc, CAST(text AS BLOB) FROM {} WHERE name = ? ORDER BY seq DESC"
READ_ALL = "SELECT name, seq, crc, CAST(text AS BLOB) FROM loop ORDER BY name, seq DESC"
ASIDE = "INSERT INTO loop_aside SELECT ?, name, seq, crc, text, changed, ? FROM {} WHERE name = ? AND slot = ?"
FORGET = "DELETE FROM {} WHERE name = ? AND slot = ?"
CROWDED = "DELETE FROM loop_aside WHERE rowid NOT IN (SELECT rowid FROM loop_aside ORDER BY rowid DESC LIMIT ?)"
OLD = """DELETE FROM {} WHERE name IN
    (SELECT name FROM loop GROUP BY name ORDER BY max(changed) DESC LIMIT -1 OFFSET ?)"""
TABLES = ("loop_state", "loop_lessons", "loop")


class Found(NamedTuple):
    """What is kept of a loop: where it stood, its state, what it has learned; the sequence numbers to go on from."""

    seq: int
    checkpoint: Checkpoint | None
    state_seq: int
    state: Any
    lessons_seq: int
    lessons: str | None


class Shelf:
    """Keep loops by their names in the file at *path*, which is open as long as one of them runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = 0
        self._lock = new_lock()
        self._names: dict[str, object] = {}
        self._file: StateFile | None = None

    def enter(self, name: str, who: object) -> None:
        """Claim *name*, the same *who* as often as they like; ConfigurationError when somebody else has it."""
        with self._lock:
            if self._names.setdefault(name, who) is not who:
                raise refuse("name", f"one that no other loop in this process keeps in {self.path}", name)

    def leave(self, name: str, who: object) -> None:
        """Let go of *name*; the last one closes the file."""
        with self._lock:
            if self._names.get(name) is who:
                del self._names[name]
            if not self._names:
                self._close()

    def ready(self, durability: Durability) -> int:
        """Have the file open, a new one if it was deleted or replaced, with at least *durability*.

        Returns another number than before where it may be another one.  Raises StateError when it cannot be used.
        """
        with self._lock:
            file = self._file
            if file is None or file.is_gone:
                self._open(durability)
            else:
                file.strengthen(durability)
            return self._opened

    def read(self, name: str) -> Found:
        """Return what is kept of loop *name*; what is damaged is set aside and told."""
        seq, checkpoint = self._newest("loop", name, checkpoint_from)
        state_seq, state = self._newest("loop_state", name, read)
        if state_seq and not seq:
            log(
                "%s: where loop %s stood is not to be found there; it begins with its state, and counts anew",
                self.path,
                name,
            )
        return Found(seq, checkpoint, state_seq, state, *self._newest("loop_lessons", name, parsed))

    def look(self, name: str) -> Found:
        """Return what is kept of loop *name* in a file that cannot be written in; StateError if it cannot be read."""
        kept: list[tuple[int, Any]] = []
        for table, parse in (("loop", checkpoint_from), ("loop_state", read), ("loop_lessons", parsed)):
            rows = look_up(self.path, READ.format(table), name)
            values = ((seq, _value(name, seq, crc, text, parse)) for _, seq, crc, text in rows)
            kept.append(next(((seq, value[0]) for seq, value in values if value is not None), (0, None)))
        return Found(*kept[0], *kept[1], *kept[2])

    def set_aside(self, name: str) -> None:
        """Set aside what is kept of loop *name*, which is told if there is anything."""
        statements = [each for table in TABLES for each in _aside(table, name, (0, 1))]
        is_there = any(self.file.read(READ.format(table), (name,)) for table in TABLES)
        if is_there:
            self.file.write([*statements, (CROWDED, (MOST_ASIDE,))])
            log(
                "%s: could not be read when loop %s began, or was replaced since; it goes on by what this process "
                "knows; what an earlier one kept is in the table loop_aside",
                self.path,
                name,
            )

    async def write(self, runtime: Runtime, statements: Sequence[Statement]) -> None:
        """Commit *statements*, all or none; raise a StateError that says why not."""
        if self.file.is_durable:
            await self._group.write(runtime, statements)
        else:
            self.file.write(statements)

    def write_now(self, statements: Sequence[Statement]) -> None:
        """Do the same, and let this thread wait for the disk."""
        self.file.write(statements)

    @property
    def file(self) -> StateFile:
        """The file, which is ready."""
        assert self._file is not None  # noqa: S101 - it was made ready
        return self._file

    def forget(self) -> None:
        """Leave all to the parent process, in a forked child."""
        self._file, self._lock = None, new_lock()
        self._names.clear()

    # ── how it is done ──────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, durability: Durability) -> None:
        new = open_state(self.path, durability)
        try:
            new.adopt(SCHEMA)
            new.write([(OLD.format(table), (MOST_LOOPS,)) for table in TABLES])
        except BaseException:
            close_state(new)
            raise
        self._close()
        self._file, self._group = new, GroupCommit(new)
        self._opened += 1

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            self._group.finally_do(functools.partial(close_state, file))

    def _newest(self, table: str, name: str, read: Callable[[str], T]) -> tuple[int, T | None]:
        """Return the newest record that is whole, with its number."""
        found, damaged = None, []
        for slot, seq, crc, text in self.file.read(READ.format(table), (name,)):
            value = _value(name, seq, crc, text, read)
            if value is None:
                damaged.append(slot)
            elif found is None:
                found = seq, value[0]
        if damaged:
            log(
                "%s: a record of loop %s is damaged; %s, and it is kept in the table loop_aside",
                self.path,
                name,
                "it begins anew" if found is None else "the one before it counts",
            )
            self.file.write([*_aside(table, name, damaged), (CROWDED, (MOST_ASIDE,))])
        return found or (0, None)


def statement(table: str, name: str, seq: int, text: str) -> Statement:
    """Return what writes *text* as record number *seq* of loop *name*."""
    return WRITE.format(table), (name, seq % 2, seq, _crc(name, seq, text.encode()), text, time_of_day())


def _crc(name: str, seq: int, text: bytes) -> int:
    return zlib.crc32(f"{name}/{seq}/".encode() + text)


def _value(name: str, seq: Any, crc: Any, text: Any, read: Callable[[str], T]) -> tuple[T] | None:
    """Return what the record holds, None if it is damaged."""
    try:
        return (read(text.decode()),) if crc == _crc(name, seq, text) else None
    except (AttributeError, TypeError, ValueError):  # SQLite keeps any type in any column
        return None


def _aside(table: str, name: str, slots: Sequence[int]) -> list[Statement]:
    now = time_of_day()
    return [
        each
        for slot in slots
        for each in ((ASIDE.format(table), (table, now, name, slot)), (FORGET.format(table), (name, slot)))
    ]


def kept_loops(state: str | os.PathLike[str]) -> dict[str, Checkpoint]:
    """Return where each loop that is kept at *state* stands, by its name, as another process may ask at any time.

    Raises StateError when there is no state, or it cannot be read.
    """
    found: dict[str, Checkpoint] = {}
    for name, seq, crc, text in look_up(state, READ_ALL):
        value = None if name in found else _value(name, seq, crc, text, checkpoint_from)
        if value is not None:
            found[name] = value[0]
    return found


_shelves: WeakValueDictionary[Path, Shelf] = WeakValueDictionary()


def shelf_at(state: str | os.PathLike[str]) -> Shelf:
    """Return the shelf in the file, or the folder, at *state*; ConfigurationError for what is not a path."""
    path = place_of(state)
    return _shelves.setdefault(path, Shelf(path))


def _forget_all() -> None:
    for shelf in list(_shelves.values()):
        shelf.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
