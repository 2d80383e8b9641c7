"""One SQLite file with one writing connection: what ``write`` returned from is still there after a crash.

The law of this file.  ``write`` is one transaction: all of its statements, or none, and it returns after the commit.
With durability "process" (WAL, ``synchronous=NORMAL``) a commit survives the death of the process; with "durable"
(``FULL``, one fsync each) also a power cut.  Whoever shares the file adopts a ``Schema`` of its own tables.  Nothing is
written to a file that was deleted or replaced, since nobody would find it there.  Before a fork the connection is
closed, and the parent's next use opens it again; the child has to open the file anew.

A file that cannot be read any more is set aside: renamed, never deleted, with a ``StateSetAsideWarning`` that is given
*before* the rename.  Turn that warning into an error, and a broken file is refused and left where it is.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from unbreakable.errors import (
    StateBroken,
    StateError,
    StateFull,
    StateGone,
    StateLocked,
    StateNotOurs,
    StateSetAsideWarning,
    StateTooNew,
)
from unbreakable.storage.forking import Turn
from unbreakable.storage.owner import Ownership
from unbreakable.storage.seal import broken_at, is_sealed, sealing
from unbreakable.storage.whereabouts import Whereabouts

if TYPE_CHECKING:
    import sqlite3

    from unbreakable.storage.connection import Connection

Statement: TypeAlias = tuple[str, tuple[Any, ...]]
Durability: TypeAlias = Literal["process", "durable"]

APPLICATION = 0x756E6272  # "unbr", at byte 68 of the file
FORMAT = 1
MAGIC = b"SQLite format 3\0"
LEAST = 512  # bytes of the smallest database
VERSION = "SELECT version FROM part WHERE name = ?"
NORMAL, FULL = "PRAGMA synchronous=NORMAL", "PRAGMA synchronous=FULL"
DAMAGED = 11  # SQLite's result code
#: SQLite's result codes when a statement does not fit, or a value is too big: our own first ones read nothing such in a
#: file that is whole.
UNREADABLE = (1, 18)
TROUBLES: dict[int, tuple[type[StateError], str]] = {  # by SQLite's primary result code
    5: (StateLocked, "another program holds its write lock"),
    6: (StateLocked, "another statement holds its write lock"),
    DAMAGED: (StateBroken, "its content is damaged"),
    13: (StateFull, "there is no room left to write"),
    26: (StateBroken, "it is not a database any more"),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one part of the library: ``migrations[n]`` are the statements that lead from version n to n + 1."""

    name: str
    migrations: tuple[tuple[str, ...], ...]


class StateFile:
    """Hold the one connection to the file at *path*, which is made if it is not there.

    Raises StateOwned when another process has it, StateNotOurs when another program made it, StateTooNew when a newer
    version did.  ``set_aside`` is where a broken predecessor went, or None.  *owner* is the lock if it is held.
    """

    def __init__(self, path: Path, durability: Durability = "process", owner: Ownership | None = None) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._log_path = path.with_name(f"{path.name}-wal")
        self._log: os.stat_result | None = None  #: as it was found last
        self._turn = Turn(path, self)
        self._pid = os.getpid()
        self._durability: Durability = "process"
        self._connection: Connection | None = None
        self._is_closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{path}: its folder cannot be made ({error.strerror})") from error
        self._owner: Ownership | None = (owner := owner or Ownership(path))
        try:
            with self._turn.taken():
                self._open(owner)
            self.strengthen(durability)
        except BaseException:
            self._turn.end()
            owner.withdraw()
            raise
        owner.confirm()

    # ── use ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, statements: Iterable[Statement]) -> None:
        """Carry out all *statements* and commit, or raise a StateError and change nothing."""
        if self.is_gone:
            raise self._gone()
        with self._at_work() as connection, _transaction(connection):
            for sql, values in statements:
                connection.execute(sql, values)

    def read(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that *sql* selects."""
        with self._at_work() as connection:
            return connection.execute(sql, values).fetchall()

    def adopt(self, schema: Schema) -> None:
        """Bring the tables of *schema* up to date; what several threads ask for at the same time is done once."""
        version, known = version_in(self.read(VERSION, (schema.name,))), len(schema.migrations)
        if version > known:
            raise StateTooNew(
                f"{self.path}: its {schema.name} were written in version {version} by a newer Unbreakable, "
                f"this one reads up to version {known}; upgrade, or name another state file"
            )
        for number, migration in enumerate(schema.migrations[version:], version + 1):
            with self._at_work() as connection, _transaction(connection), sealing(connection):
                if version_in(connection.execute(VERSION, (schema.name,)).fetchall()) >= number:
                    continue  # another thread was faster
                for sql in migration:
                    connection.execute(sql)
                connection.execute("INSERT OR REPLACE INTO part VALUES (?, ?)", (schema.name, number))

    def strengthen(self, durability: Durability) -> None:
        """Give every later commit at least *durability*."""
        if durability == "durable" and not self.is_durable:
            self._durability = durability
            with self._at_work() as connection:
                connection.execute(FULL)

    @property
    def is_durable(self) -> bool:
        """Whether each commit waits for the device."""
        return self._durability == "durable"

    @property
    def is_gone(self) -> bool:
        """Whether the file at the path is not the one that was opened."""
        return self._owner is None or not self._whereabouts.is_right()

    def abandon(self) -> Ownership | None:
        """Serve nobody any more, since the file is gone; return the lock if it is still that of the path."""
        self._disconnect()
        owner, self._owner = self._owner, None
        if owner is not None and owner.is_current:
            owner.was_ours = False  # what is there now, if anything, came from somebody else
            return owner
        if owner is not None:
            owner.forget()
        return None

    def refuse_if_in_use(self) -> None:
        """Raise StateInUse in a handler of signals that interrupted this very thread in the middle of using it."""
        self._turn.refuse_if_mine()

    def _disconnect(self) -> None:
        with self._turn.taken():
            self._is_closed = True
            self.rest()
            self._whereabouts.let_go()
        self._turn.end()

    def close(self) -> None:
        """Close the connection and give the file free; closing twice is the same as once."""
        if self._pid == os.getpid():
            self._disconnect()
            if self._owner is not None:
                self._owner.release()

    def forget(self) -> None:
        """Let go of the file in a forked child, whose parent goes on with it."""
        if self._owner is not None:
            self._owner.forget()
        self._whereabouts.let_go()

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, owner: Ownership) -> None:
        with self._explained():
            try:
                self._look_at_the_head(owner)
                self._connect()
            except StateBroken as trouble:
                if not (owner.was_ours or self._bears_our_mark()):
                    raise StateNotOurs(f"{self.path}: not a state file of Unbreakable; name another one") from trouble
                self.set_aside = self._put_away(str(trouble))
                self._connect()

    def _look_at_the_head(self, owner: Ownership) -> None:
        """Raise StateBroken for a file of ours that SQLite would take for a new one, or for one that is read only."""
        try:
            with self.path.open("rb") as file:
                head = file.read(LEAST)
        except OSError:
            return
        if owner.was_ours and len(head) < LEAST:
            raise StateBroken(f"{self.path}: its content was cut off")
        if head.startswith(MAGIC) and not {*head[18:20]} <= {1, 2}:
            raise StateBroken(f"{self.path}: its header is damaged")

    def _connect(self) -> None:
        connection = self._new_connection("rwc")
        try:
            with self._explained(while_opening=True):
                self._inspect(connection)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(NORMAL)
        except BaseException:
            self.rest()
            raise
        self._whereabouts = connection.whereabouts = Whereabouts(self.path)

    def _connect_again(self) -> Connection:
        """Open the file that was closed for a fork: nobody else may have made it, so it is not looked through again."""
        if self.is_gone:
            raise self._gone()
        connection = self._new_connection("rw")
        connection.whereabouts = self._whereabouts
        try:
            if self.is_gone:  # and what is open now is another one
                raise self._gone()
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
                raise StateBroken(f"{self.path}: its content was cut off or replaced")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(FULL if self._durability == "durable" else NORMAL)
        except BaseException:
            self.rest()
            raise
        self._whereabouts.let_go()
        return connection

    def _new_connection(self, mode: str) -> Connection:
        """Open the file, which *mode* "rw" does not make, and keep the connection at once: a fork may come."""
        from unbreakable.storage.connection import Connection

        place = f"{self.path.as_uri()}?mode={mode}"
        self._connection = connection = Connection(
            place, uri=True, timeout=0.0, isolation_level=None, check_same_thread=False
        )
        return connection

    def rest(self) -> None:
        """Close the connection until the next use; whoever calls has the turn."""
        connection, self._connection, self._log = self._connection, None, None
        if connection is not None:
            if connection.whereabouts is not None:
                connection.whereabouts.hold()
            connection.close()

    def leave(self, *, midway: bool) -> None:
        """Never touch, in a forked child, the connection that was at work in the parent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(midway=midway)

    def _inspect(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == 0 and tables == 0:
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={FORMAT}")
        elif application != APPLICATION:
            raise StateNotOurs(f"{self.path}: a database of another program; name another state file")
        damage = broken_at(connection)
        if damage is not None:
            raise StateBroken(f"{self.path}: its schema is damaged ({damage})")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise StateTooNew(f"{self.path}: format {version} of a newer Unbreakable, this one reads {FORMAT}; upgrade")
        was_sealed = is_sealed(connection)
        for check in ("quick_check(1)", *["integrity_check(part)"] * was_sealed):  # the quick one looks at no index
            (verdict,) = connection.execute(f"PRAGMA {check}").fetchone()
            if verdict != "ok":
                raise StateBroken(f"{self.path}: its content is damaged ({verdict})")
        if not was_sealed:
            with _transaction(connection), sealing(connection):
                connection.execute("CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")

    def _bears_our_mark(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(72)[68:] == APPLICATION.to_bytes(4, "big")

    def _put_away(self, reason: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self.path.with_name(f"{self.path.name}.broken-{stamp}-{os.getpid()}")
        warnings.warn(
            f"{reason}; it is set aside as {target.name} and work goes on with an empty file: "
            "runs that were in flight in it need a person (sqlite3's .recover may read them)",
            StateSetAsideWarning,
            stacklevel=2,
        )
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(target.with_name(target.name + suffix))
        return target

    def _log_is_gone(self) -> bool:
        """Return whether the log that is written was deleted, where nobody would find it after a crash."""
        try:
            found = self._log_path.stat()
        except OSError as error:
            return self._log is not None and isinstance(error, FileNotFoundError)
        before, self._log = self._log, found
        return before is not None and not os.path.samestat(before, found)

    # ── trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _gone(self) -> StateGone:
        return StateGone(f"{self.path}: was deleted or replaced while this process worked with it")

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[sqlite3.Connection]:
        if self._pid != os.getpid():
            raise StateError(f"{self.path}: opened by process {self._pid}; open it anew in a forked child")
        with self._turn.taken(), self._explained():
            if self._is_closed:
                raise StateError(f"{self.path}: was closed")
            if self._connection is not None and self._log_is_gone():
                self.rest()  # which brings into the file what is in the log, and the next connection has a new one
            yield self._connection or self._connect_again()

    @contextlib.contextmanager
    def _explained(self, *, while_opening: bool = False) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            code = code_of(error)
            if while_opening and code in UNREADABLE:
                code = DAMAGED
            kind, what = TROUBLES.get(code, (StateError, "SQLite refuses"))
            raise kind(f"{self.path}: {what} ({error})") from error


def version_in(found: list[tuple[int]]) -> int:
    """Return the version that was found of a part's tables, 0 when there are none yet."""
    return found[0][0] if found else 0


def code_of(error: Exception) -> int:
    """Return SQLite's primary result code, that of damage for text that is none."""
    if isinstance(error, UnicodeDecodeError) or "Could not decode to UTF-8" in str(error):
        return DAMAGED
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done in this block, or nothing of it when it raises."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
