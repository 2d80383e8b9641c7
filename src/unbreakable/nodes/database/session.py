"""One transaction: it begins, does what it is told, and is committed, or leaves nothing behind."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from unbreakable.errors import CommitUnknown
from unbreakable.nodes.database.database import Database
from unbreakable.nodes.database.lane import Lane
from unbreakable.nodes.database.patience import patiently
from unbreakable.nodes.database.rows import Rows
from unbreakable.nodes.database.statements import Statement, read_statement
from unbreakable.nodes.database.trouble import DISK_ERROR, code_of
from unbreakable.policies import Context, current
from unbreakable.policies.timeout import time_is_up
from unbreakable.policies.under_way import UnderWay


class Session:
    """Hold the writing connection of *database* for one transaction, made by the call of *ctx*.

    Every ``begin()`` that returned is followed by one ``commit()`` or ``leave(error)``; every ``hand_over()`` by one
    ``end(error)``.
    """

    lane: Lane
    block: UnderWay  #: what is under way once it is handed over

    def __init__(self, database: Database, ctx: Context, most_rows: int) -> None:
        self.database, self.ctx, self.most_rows = database, ctx, most_rows
        self.carrier = database.carrier(ctx)
        self.started = ctx.runtime.now()
        self.until = self.started + ctx.remaining()
        self.live = self.in_doubt = self.committed = self.wrote = False
        self.broken: Exception | None = None  #: what made SQLite itself end the transaction
        self.points: list[str] = []
        self.numbers = itertools.count(1)  # no two savepoints have the same name

    # ── beginning and ending ─────────────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Begin, once it is our turn in this process and no other program holds SQLite's lock."""
        self.lane = await self.database.lend_writer(self.ctx, self.until)
        try:
            await self._patiently(lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"), stoppable=False)
        except BaseException as error:
            await self.leave(error)
            raise
        self.live = True

    async def commit(self, last: Callable[[Connection], None] | None = None) -> None:
        """Commit, with what *last* does; raise CommitUnknown when the disk failed right at that moment.

        A caller who is cancelled meanwhile waits for the end: ``committed`` tells what became of it.
        """
        self._check_live()
        try:
            await self._patiently(functools.partial(self._commit, last), stoppable=False)
        except BaseException as error:
            await self.leave(error)
            if self.in_doubt and code_of(error) == DISK_ERROR:
                raise CommitUnknown(f"{self.database.place}: the disk failed at the commit") from error
            raise
        await self.leave(None)

    def _commit(self, last: Callable[[Connection], None] | None, connection: Connection) -> None:
        self._check_open()
        if last is not None:
            last(connection)
        self.live = False
        try:
            connection.exec_driver_sql("COMMIT")
        except Exception:
            self.live = self.lane.is_in_transaction()  # a lock, say, was in the way: it can be tried again, or undone
            self.in_doubt = not self.live
            raise
        self.committed = True

    def hand_over(self) -> None:
        """Belong from now on to the attempt around the call that began it: nobody knows what that will do in it."""
        self.block = UnderWay("once", self.ctx.parent)

    async def end(self, error: BaseException | None) -> None:
        """Commit; or, when *error* ended what was done in it, leave.

        What was written is not written again because something fails later in the attempt around it.
        """
        with self.block:
            await self._end(error)

    async def _end(self, error: BaseException | None) -> None:
        if error is not None:
            await self.leave(error)
            return
        try:
            await self.commit()
        finally:
            around = current()
            if around is not None and self.wrote and (self.committed or self.in_doubt):
                around.deeds.add(acted=True, unrepeatable=True, doubtful=self.in_doubt)

    async def leave(self, error: BaseException | None) -> None:
        """Undo what is not committed and give the connection back."""
        self.live = False
        cannot_wait = isinstance(error, GeneratorExit) and self.ctx.runtime.preemptive
        if cannot_wait or self.lane.is_clean():
            self.database.give_back(self.lane)
        else:
            await self.carrier.finish(functools.partial(self.database.clean, self.lane))

    # ── working ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def execute(self, sql: Any, parameters: Any) -> Rows:
        """Carry out a statement and return its rows."""
        return await self.carry_out(read_statement(sql, parameters))

    async def carry_out(self, statement: Statement) -> Rows:
        """Carry out a statement that was read."""
        if statement.sets and not self.database.in_memory:
            self.lane.worn = True
        self.wrote = self.wrote or not statement.reads
        rows: Rows = await self.do(functools.partial(statement.execute, most=self.most_rows))
        return rows

    async def do(self, work: Callable[[Connection], Any]) -> Any:
        """Return what *work* returns, which is done within the transaction."""
        self._check_live()
        self.check_time()
        return await self._patiently(functools.partial(self._within, work))

    async def undo(self, work: Callable[[Connection], Any]) -> None:
        """Do *work*, which undoes something, whatever the time; if it cannot be done, the transaction is lost."""
        try:
            await self._patiently(functools.partial(self._within, work), stoppable=False)
        except Exception as error:
            self.broken = self.broken or error

    def _within(self, work: Callable[[Connection], Any], connection: Connection) -> Any:
        self._check_open()
        try:
            value = work(connection)
        except BaseException as error:
            if not self.lane.is_in_transaction():
                words = f"{self.database.place}: SQLite has rolled the whole transaction back at this"
                error.add_note(words)
                self.broken = error if isinstance(error, Exception) else RuntimeError(f"{words}: {error!r}")
            raise
        return value

    async def _patiently(self, work: Callable[[Connection], Any], *, stoppable: bool = True) -> Any:
        return await patiently(self.carrier, self.ctx, self.lane, work, self.until, stoppable=stoppable)

    # ── what may be asked of it ──────────────────────────────────────────────────────────────────────────────────

    def check_time(self) -> None:
        """Raise DeadlineExceeded, or AttemptTimeout, when the time is up."""
        if self.ctx.runtime.now() >= self.until:
            raise time_is_up(self.ctx, self.started)

    def _check_live(self) -> None:
        if not self.live:
            raise RuntimeError(f"{self.database.place}: this transaction is over: nothing can be done in it any more")

    def _check_open(self) -> None:
        """Be sure that the connection is still in this transaction: a statement's turn may come late."""
        self._check_live()
        if self.broken is not None:
            raise self.broken
        if not self.lane.is_in_transaction():
            raise RuntimeError(f"{self.database.place}: a statement has ended this transaction behind our back")
