"""One connection to SQLite, on which one piece of work is done at a time and any can be stopped."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

from sqlalchemy import Connection

from unbreakable.nodes.database.trouble import mark
from unbreakable.runtime import Runtime
from unbreakable.runtime.chore import quietly
from unbreakable.storage.asking import answers

CHECK_EVERY = 10_000  # steps of SQLite's machine, about 70 µs, between two looks whether the work is to stop


class Stopped(Exception):
    """Say that a piece of work was not done: it was stopped while it waited for its turn."""


class Job:
    """One piece of work for a lane: ``work(connection)``, which is stopped at the moment *until* at the latest.

    What is not *stoppable*, such as a COMMIT, can be stopped only while it waits for its turn.
    """

    def __init__(
        self, lane: Lane, work: Callable[[Connection], Any], runtime: Runtime, until: float, *, stoppable: bool
    ) -> None:
        self.lane, self.work, self.runtime, self.until = lane, work, runtime, until
        self.stoppable, self.stopped = stoppable, False
        self.interrupt: BaseException | None = None  #: what came up while SQLite asked whether to give up

    def stop(self) -> None:
        """Have it stop; from any thread."""
        self.stopped = True

    def is_over(self) -> bool:
        """Return whether SQLite is to give up what it is doing."""
        return self.stoppable and (self.stopped or self.runtime.now() >= self.until)

    def run(self) -> Any:
        """Do the work when its turn comes; mark what it raises."""
        lane = self.lane
        with lane.held():
            if self.stopped:
                raise Stopped
            lane.job = self
            try:
                return self.work(lane.opened())
            except Exception as error:
                if self.interrupt is not None:
                    raise self.interrupt from None
                mark(error, lane.place)
                raise
            finally:
                lane.job = None


class Lane:
    """Hold a connection that is opened when it is first needed, and again after it was closed."""

    def __init__(self, place: str, connect: Callable[[], Connection], look: Callable[[], None]) -> None:
        self.place, self._connect, self._look = place, connect, look
        self._lock = threading.Lock()
        self._farewells: deque[Callable[[], None]] = deque()  #: what is to be done once nobody is at work on it
        self.job: Job | None = None
        self.connection: Connection | None = None
        self.raw: sqlite3.Connection | None = None
        self.inherited = False  #: whether it is the connection of a parent process, which nobody here may touch
        self.retired = False  #: whether it was taken from a transaction whose event loop was closed over it
        self.worn = False  #: whether the next transaction is to have a fresh connection

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the one who is at work on it."""
        try:
            with self._lock:
                yield
        finally:
            self._say_farewell()

    def when_free(self, farewell: Callable[[], None]) -> None:
        """Stop what is at work on it, and do *farewell* once nobody is: now, or in the thread of whoever is.

        Nobody waits: this may be the collector, which closes a coroutine in any thread and in the middle of anything.
        So it cannot hand the work to another thread either, which takes locks that the thread may hold already.
        """
        self._stop()
        self._farewells.append(farewell)
        self._say_farewell()

    def _say_farewell(self) -> None:
        while self._farewells and self._lock.acquire(blocking=False):
            self._lock.release()
            try:
                farewell = self._farewells.popleft()
            except IndexError:
                return  # somebody else was quicker
            quietly(farewell)

    def _stop(self) -> None:
        job = self.job
        if job is not None:
            job.stop()

    def opened(self) -> Connection:
        """Return the connection."""
        if self.inherited:
            raise RuntimeError(f"{self.place}: this transaction was begun by the parent process, which goes on with it")
        if self.retired:
            raise RuntimeError(f"{self.place}: the event loop of this transaction was closed over it: it was undone")
        if not self.is_in_transaction():
            self._look()
            if self.worn or self._is_struck():
                self._close()
        if self.connection is None:
            connection = self._connect()
            self.raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            self._ask_when_working(self.raw)
            self.connection = connection
        return self.connection

    def _ask_when_working(self, raw: sqlite3.Connection) -> None:
        """Have *raw* ask now and then whether to give up what it is doing."""
        raw.set_progress_handler(answers(self._is_over, self._interrupted), CHECK_EVERY)

    def _is_over(self) -> bool:
        return self.job is not None and self.job.is_over()

    def _interrupted(self, interrupt: BaseException) -> None:
        if self.job is not None:
            self.job.interrupt = interrupt

    def is_in_transaction(self) -> bool:
        """Return whether a transaction is open; without waiting for anything."""
        return self.raw is not None and not (self.inherited or self._is_struck()) and self.raw.in_transaction

    def _is_struck(self) -> bool:
        """Return whether an interrupt, such as Ctrl-C, came up within a statement: SQLAlchemy closes the connection."""
        return self.connection is not None and self.connection.invalidated

    def is_clean(self) -> bool:
        """Return whether the next one can have it as it is: nobody is at work on it and nothing is open."""
        return not (self._lock.locked() or self.is_in_transaction())

    def clean(self) -> None:
        """Stop what is at work, undo what is not committed; a connection that cannot be cleaned is closed."""
        self._stop()
        with self.held():
            try:
                if self.connection is not None and self.is_in_transaction():
                    self.connection.exec_driver_sql("ROLLBACK")
            except Exception:
                self._close()

    def hand_on(self, heir: Lane) -> None:
        """Let *heir* have the connection, with nothing open on it; this lane is retired, and of no use to anybody."""
        self.clean()
        with self.held():
            heir.connection, heir.raw, heir.worn = self.connection, self.raw, self.worn
            self.connection = self.raw = None
            if heir.raw is not None:
                heir._ask_when_working(heir.raw)

    def close(self) -> None:
        """Close the connection as soon as nobody is at work on it; closing twice is the same as once."""
        with self.held():
            self._close()

    def close_if_idle(self) -> None:
        """Close the connection unless it is at work or in a transaction; without waiting for anything."""
        if self._lock.acquire(blocking=False):
            try:
                if not self.is_in_transaction():
                    self._close()
            finally:
                self._lock.release()
            self._say_farewell()

    def _close(self) -> None:
        connection, self.connection, self.raw, self.worn = self.connection, None, None, False
        if connection is not None and not self.inherited:
            connection.close()
