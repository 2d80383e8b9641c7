"""The SQLite database that holds the passages, in memory or in a file, for all threads of a process.

The law of this file.  There is one connection and one lock, which is held for a few statements at a time and never
while somebody waits for another process.  Several processes may use one file: each commit is whole, and survives the
death of its process.  A forked child opens a file anew; what is in memory it inherits as a copy, because nobody may
fork while the lock is held.  An error of SQLite is raised as a StateError; a file that turned out to be damaged is
opened again as soon as it has changed, in case somebody has mended it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unbreakable.errors import DeadlineExceeded, StateBroken, StateError, StateLocked, StateNotOurs, StateTooNew
from unbreakable.runtime.world import REAL
from unbreakable.storage.asking import answers
from unbreakable.storage.forking import Turn, refuse_if_torn
from unbreakable.storage.seal import broken_at, sealing
from unbreakable.storage.sqlite import LEAST, TROUBLES, UNREADABLE, code_of
from unbreakable.storage.turn import when_out
from unbreakable.storage.whereabouts import Whereabouts

if TYPE_CHECKING:
    import sqlite3

    from unbreakable.storage.connection import Connection

APPLICATION = 0x756E626B  # "unbk", at byte 68 of the file
PATIENCE = 1.0  # seconds that a commit, or opening a file, waits for other processes
PAUSE = 0.01  # seconds between two looks whether they are done
BUSY = 0.02  # seconds that SQLite itself waits for them, with the lock held
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
        self.turn = Turn(path, self, self.name)
        self._connection: Connection | None = None
        _shelves.add(self)
        self._finalizer: weakref.finalize[[Connection, int], Shelf]
        self._damage: tuple[object, str] | None = None  #: which state of the file was found damaged, and how
        was_there = self._state() is not None
        self._warn_of_an_empty_file()
        try:
            self._patiently(self._look_inside)
        except (StateNotOurs, StateTooNew):
            raise
        except StateError:
            if not was_there:
                raise

    def _warn_of_an_empty_file(self) -> None:
        """Warn of a file that holds nothing: SQLite takes it for a new one, and it may have been cut off."""
        try:
            is_empty = self.path is not None and self.path.stat().st_size < LEAST
        except OSError:
            return
        if is_empty:
            warnings.warn(
                f"{self.name} is an empty file: it was cut off, or never filled", RuntimeWarning, stacklevel=4
            )

    # ── use ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def at_work(self, late: Callable[[], bool] | None = None) -> Iterator[sqlite3.Connection]:
        """Hold the connection; what runs when *late* says so is stopped, and DeadlineExceeded is raised."""
        interrupts: list[BaseException] = []
        with self.turn.taken(), self._explained():
            connection = self._open()
            if late is not None:
                connection.set_progress_handler(answers(late, interrupts.append), STEPS)
            try:
                yield connection
            except Exception:
                if not interrupts:
                    raise
            finally:
                if late is not None and self._connection is connection:
                    connection.set_progress_handler(None, 0)
            if interrupts:
                raise interrupts[0]

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection for one transaction: all of it, or nothing when something is raised."""
        give_up = REAL.now() + PATIENCE
        while True:
            with self.turn.taken():
                if self._has_begun(give_up):
                    with self._committed() as connection:
                        yield connection
                    return
            REAL.sleep(PAUSE)

    @contextlib.contextmanager
    def _committed(self) -> Iterator[sqlite3.Connection]:
        """Commit the transaction that has begun at the end of the block, or undo it."""
        try:
            with self._explained():
                connection = self._open()
                yield connection
                connection.execute("COMMIT")
        finally:
            with contextlib.suppress(StateError), self._explained():
                if self._connection is not None and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database for good; what a handler of signals has interrupted comes to its end before."""
        when_out(self._close_for_good)

    def _close_for_good(self) -> None:
        with self.turn.taken():
            self.closed = True
            self._let_go()

    def _has_begun(self, give_up: float) -> bool:
        """Begin a transaction, or return False where another process is in the way and it is not time to *give_up*."""
        try:
            with self._explained():
                self._open().execute("BEGIN IMMEDIATE")
        except StateLocked:
            if REAL.now() >= give_up:
                raise
            return False
        return True

    def _look_inside(self) -> None:
        with self.at_work():
            pass

    def _patiently(self, step: Callable[[], None]) -> None:
        """Carry out *step*, again and again for a second as long as another process is in the way."""
        give_up = REAL.now() + PATIENCE
        while True:
            try:
                return step()
            except StateLocked:
                if REAL.now() >= give_up:
                    raise
            REAL.sleep(PAUSE)

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Connection:
        if self.closed:
            raise StateError(f"{self.name} was closed")
        if self._connection is not None and not self._connection.in_transaction and self._connection.is_astray:
            self._let_go()  # and turn to the file that is there now
        if self._connection is None:
            if self._damage is not None and self._damage[0] == self._state():
                raise StateBroken(self._damage[1])
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Connection:
        import sqlite3

        from unbreakable.storage.connection import Connection

        if self.path is not None:
            refuse_if_torn(self.path)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(f"{self.name}: its folder cannot be made ({error.strerror})") from error
        connection = Connection(
            ":memory:" if self.path is None else self.path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            self._inspect(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error) and code_of(error) in UNREADABLE:
                raise self._broken(error) from error  # our own statements fit every schema that is whole
            raise
        self._finalizer = weakref.finalize(self, _close, connection, os.getpid())
        self._finalizer.atexit = False  # a thread may be at work on it when the program ends: see _close_all
        connection.whereabouts = None if self.path is None else Whereabouts(self.path)
        return connection

    def _inspect(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # all of one moment: another process may be making the file, or changing it
        version = self._version(connection)
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if version < len(self.migrations):
            self._migrate(connection)

    def _version(self, connection: sqlite3.Connection) -> int:
        """Return the version of what is ours and whole; raise a StateError for anything else."""
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION and (application or tables):
            raise StateNotOurs(f"{self.name} is a database of another program; name another file")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self.migrations):
            raise StateTooNew(f"{self.name}: format {version} of a newer Unbreakable; upgrade, or name another file")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        damage = broken_at(connection, versions="") if verdict == "ok" else verdict
        if damage is not None:
            raise self._broken(damage)
        return int(version)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have been quicker
        with sealing(connection, versions=""):
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
        except (sqlite3.Error, UnicodeDecodeError) as error:
            code = code_of(error)
            if code == INTERRUPTED:
                raise DeadlineExceeded("the deadline came during the search") from error
            kind, what = TROUBLES.get(code, (StateError, "SQLite refuses"))
            raise (self._broken(error) if kind is StateBroken else kind(f"{self.name}: {what} ({error})")) from error

    def _broken(self, how: object) -> StateBroken:
        """Return the error of a file that is damaged, which is not opened again before it has changed."""
        error = StateBroken(f"{self.name}: its content is damaged ({how})")
        if self.path is not None:
            self._damage = self._state(), str(error)
            self._let_go()
        return error

    def _state(self) -> object:
        """Return what tells whether the file was changed; None when there is none."""
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:  # something is there that we may not look at
            return error.errno
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection = None
            self._finalizer()

    def rest(self) -> None:
        """Close the file until the next use; a forked child inherits what is in memory as a copy."""
        if self.path is not None:
            self._let_go()

    def leave(self, *, midway: bool) -> None:
        """Leave to the parent process what a thread was at work on when it forked."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(midway=midway)
        self.closed = self.closed or self.path is None


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()


def _close_all() -> None:
    """Close, when the program ends, the files that nobody has closed, each in its turn: a thread may be at work."""
    for shelf in list(_shelves):
        with shelf.turn.taken():
            shelf.rest()


atexit.register(_close_all)
