"""The SQLite database that holds the passages, in memory or in a file, for all threads of a process.

The law of this file.  There is one connection and one lock, which is held for a few statements at a time.  Several
processes may use one file: each commit is whole.  A forked child opens a file anew; what is in memory it inherits as a
copy, because nobody may fork while the lock is held.  An error of SQLite is raised as a StateError; a file that turned
out to be damaged is opened anew the next time, in case somebody has mended it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unbreakable.errors import DeadlineExceeded
from unbreakable.storage.sqlite import TROUBLES
from unbreakable.storage.trouble import StateBroken, StateError, StateNotOurs, StateTooNew

if TYPE_CHECKING:
    import sqlite3

APPLICATION = 0x756E626B  # "unbk", at byte 68 of the file
PATIENCE = 1.0  # seconds that a statement waits for another process to commit
FORK_PATIENCE = 5.0  # seconds that a fork waits for the statements that other threads are at
STEPS = 2_000  # of SQLite's machine between two looks at the clock
INTERRUPTED = 9  # SQLite's result code

_shelves: weakref.WeakSet[Shelf] = weakref.WeakSet()


class Shelf:
    """Hold the connection to the database at *path*, None for one in memory; *migrations* bring its tables up to date.

    Raises StateNotOurs for a database of another program, StateTooNew for one of a newer version, StateError when a
    file cannot be made.  A file that is there and cannot be used is no reason to raise here: each use raises.
    """

    def __init__(self, path: Path | None, migrations: Sequence[Sequence[str]]) -> None:
        self.path, self.migrations = path, migrations
        self.name = "the knowledge in memory" if path is None else str(path)
        self.closed = False
        self.lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._finalizer: Callable[[], object]
        self._inherited: list[sqlite3.Connection] = []  #: a parent's, which must not be closed here
        was_there = path is not None and _exists(path)
        try:
            with self.at_work():
                pass
        except (StateNotOurs, StateTooNew):
            raise
        except StateError:
            if not was_there:
                raise
        _shelves.add(self)

    @contextlib.contextmanager
    def at_work(self, late: Callable[[], bool] | None = None) -> Iterator[sqlite3.Connection]:
        """Hold the connection; what runs when *late* says so is stopped, and DeadlineExceeded is raised."""
        with self.lock, self._explained():
            connection = self._open()
            if late is not None:
                connection.set_progress_handler(late, STEPS)
            try:
                yield connection
            finally:
                if late is not None:
                    connection.set_progress_handler(None, 0)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection for one transaction: all of it, or nothing when something is raised."""
        with self.at_work() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database for good."""
        with self.lock:
            self.closed = True
            self._let_go()

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> sqlite3.Connection:
        if self.closed:
            raise StateError(f"{self.name} was closed")
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(f"{self.name}: its folder cannot be made ({error.strerror})") from error
        connection = sqlite3.connect(
            ":memory:" if self.path is None else self.path,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._inspect(connection)
        except BaseException:
            connection.close()
            raise
        self._finalizer = weakref.finalize(self, _close, connection, os.getpid())
        return connection

    def _inspect(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION and (application or tables):
            raise StateNotOurs(f"{self.name} is a database of another program; name another file")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self.migrations):
            raise StateTooNew(f"{self.name}: format {version} of a newer Unbreakable; upgrade, or name another file")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StateBroken(f"{self.name}: its content is damaged ({verdict})")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if version < len(self.migrations):
            self._migrate(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have been quicker
        for migration in self.migrations[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={len(self.migrations)}")
        connection.execute("COMMIT")

    # ── trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == INTERRUPTED:
                raise DeadlineExceeded("the deadline came during the search") from error
            kind, what = TROUBLES.get(code, (StateError, "SQLite refuses"))
            if kind is StateBroken and self.path is not None:
                self._let_go()
            raise kind(f"{self.name}: {what} ({error})") from error

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection = None
            self._finalizer()

    def after_fork(self, *, held: bool) -> None:
        """Leave the file to the parent process; keep what is in memory, unless a thread was at it all the time."""
        self.lock = threading.Lock()
        if self._connection is not None and (self.path is not None or not held):
            self._inherited.append(self._connection)
            self._connection = None
            self.closed = self.closed or self.path is None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # something is there that we may not look at
        return True


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()


# ── forking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_held: list[tuple[Shelf, bool]] = []


def _before_fork() -> None:
    _held[:] = [(shelf, shelf.lock.acquire(timeout=FORK_PATIENCE)) for shelf in list(_shelves)]


def _after_fork_in_parent() -> None:
    for shelf, held in _held:
        if held:
            shelf.lock.release()
    _held.clear()


def _after_fork_in_child() -> None:
    for shelf, held in _held:
        shelf.after_fork(held=held)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
