"""What a query, a keyed run and the beginning of a transaction do, in either colour."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from unbreakable.errors import AttemptTimeout, CommitUnknown, DeadlineExceeded, ValidationFailed
from unbreakable.nodes.database.address import MEMORY, read_address
from unbreakable.nodes.database.carrier import OffLoop
from unbreakable.nodes.database.database import Database, Durability, open_database, shut_down
from unbreakable.nodes.database.keys import MOST_MADE, Done, KeyTable
from unbreakable.nodes.database.naming import NAMELESS, are_the_same, name_of
from unbreakable.nodes.database.patience import patiently
from unbreakable.nodes.database.result import as_text, as_value
from unbreakable.nodes.database.rows import Rows
from unbreakable.nodes.database.session import Session
from unbreakable.nodes.database.statements import read_statement
from unbreakable.nodes.database.transaction import SyncTransaction, Transaction
from unbreakable.nodes.database.trouble import code_of
from unbreakable.policies import Backoff, Context, check, current
from unbreakable.policies.check import refuse
from unbreakable.runtime import new_lock

MOST_KEY = 500  # characters
ASK_BACKOFF = Backoff(first=0.05, most=1.0)  # seconds between two tries to find out what became of a commit
BEFORE_THE_END = 0.1  # seconds left with which nobody asks again: who is cut as he asks is not told of the doubt


def new_calls(connection: Any, durability: Any, keep: Any, most_rows: Any) -> Calls:
    """Return what the calls of a node share; ConfigurationError for a setting that is wrong."""
    path = read_address(connection)
    if durability not in ("process", "durable"):
        raise refuse("durability", '"process" or "durable"', durability)
    check.whole("keep", keep, least=1)
    check.whole("most_rows", most_rows, least=1)
    return Calls(path, durability, keep, most_rows)


class Calls:
    """Hold what the calls of one node share."""

    def __init__(self, path: Path | None, durability: Durability, keep: int, most_rows: int) -> None:
        self.path, self.durability, self.most_rows = path, durability, most_rows
        self.name = MEMORY if path is None else path.name
        self.named, self.made = KeyTable("unbreakable_run", keep), KeyTable("unbreakable_call", MOST_MADE)
        self.lock = new_lock()
        self.runs = {"executed": 0, "replayed": 0, "in_doubt": 0}
        self.database: Database | None = None
        self._uses: dict[Database, weakref.finalize[[], Any]] = {}  #: one, as long as the database is used

    def open(self) -> Database:
        """Return the database, which is used from now until ``close()``, or until nobody knows the node any more."""
        with self.lock:
            if self.database is None:
                new = open_database(self.path, self.durability)
                self.database = self.database or new
            if not self._uses:
                self.database.enter()
                use = weakref.finalize(self, self.database.leave)
                if self._uses.setdefault(self.database, use) is not use:
                    use()  # the collector has closed a coroutine meanwhile that opened it, too
            return self.database

    def close(self) -> None:
        """Let go of the database; closing twice is the same as once."""
        use = None if self.database is None else self._uses.pop(self.database, None)
        if use is not None:
            shut_down(use())

    async def aclose(self) -> None:
        """Let go of the database, off the event loop."""
        if self.database is not None and self._uses:
            await OffLoop(self.database.threads).finish(self.close)

    def survey(self) -> dict[str, Any]:
        """Return what a ``DatabaseStatus`` says of the database and the runs."""
        connections = {"writing": 0, "reading": 0, "idle": 0, "waiting": 0}
        return {
            "database": str(self.path or MEMORY),
            "durability": self.durability if self.database is None else self.database.durability,
            "journal": None if self.database is None else self.database.journal,
            "connections": connections if self.database is None else self.database.count(),
            "runs": dict(self.runs),
        }

    def _count(self, what: str) -> None:
        with self.lock:
            self.runs[what] += 1

    # ── one statement ────────────────────────────────────────────────────────────────────────────────────────────

    async def query(self, sql: Any, parameters: Any) -> Rows:
        """Carry out one statement: one that reads beside everything else, any other in a transaction of its own."""
        ctx, statement = call_at_work(), read_statement(sql, parameters)
        if statement.reads:
            rows: Rows = await self._look(ctx, functools.partial(statement.execute, most=self.most_rows))
            return rows
        ctx.undone = True  # until it is committed
        session = Session(self.open(), ctx, self.most_rows)
        await session.begin()
        try:
            rows = await session.carry_out(statement)
        except BaseException as error:
            await session.leave(error)
            raise
        ctx.undone = False
        await session.commit()
        return rows

    async def _look(self, ctx: Context, work: Callable[[Connection], Any]) -> Any:
        """Return what *work* finds, on a connection that only reads."""
        database, until = self.open(), ctx.runtime.now() + ctx.remaining()
        carrier = database.carrier(ctx)
        lane = await database.lend_reader(ctx, until)
        try:
            return await patiently(carrier, ctx, lane, work, until)
        finally:
            database.give_back(lane)

    # ── a transaction ────────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> Session:
        """Return a transaction that has begun: so far nothing was done, and what is, is known when it ends.

        Until then it is under way, without a moment in between: this call is over in the ledger after it is in there.
        """
        ctx = call_at_work()
        ctx.undone = True
        session = Session(self.open(), ctx, self.most_rows)
        await session.begin()
        session.hand_over()
        return session

    # ── a function, exactly once ─────────────────────────────────────────────────────────────────────────────────

    async def run(self, fn: Callable[[Any], Any], key: Any) -> Any:
        """Return what *fn* returned in the one transaction with *key* that was ever committed."""
        ctx = call_at_work()
        if not callable(fn):
            raise ValidationFailed(
                f"fn must be a function of the transaction, not {fn!r:.100}: query() takes statements"
            )
        ctx.undone, ctx.vouched = True, key is not None  # who calls with a key again gets what was done
        table, key = self._table(ctx, key)
        session = Session(self.open(), ctx, self.most_rows)
        await session.begin()
        try:
            done = await session.do(functools.partial(table.claim, key=key, fn=name_of(fn)))
            result = None if done else await self._work(session, fn, key)
        except BaseException as error:
            await session.leave(error)
            raise
        if result is None:
            await session.leave(None)
            return self._replayed(done, fn, key)
        ctx.undone = not session.wrote
        try:
            await session.commit(functools.partial(table.finish, key=key, result=result))
        except CommitUnknown as doubt:
            if not await self._was_committed(ctx, table, key, doubt):
                raise doubt.__cause__ or doubt from None
            session.committed = True
        finally:
            if session.committed:
                self._count("executed")
        return as_value(result)

    def _table(self, ctx: Context, key: Any) -> tuple[KeyTable, str]:
        """Return the key and where it is written; one that is made is the same for all attempts of this call only."""
        if key is None:
            return self.made, f"{ctx.idempotency_key}@{ctx.started:.9f}"
        if (
            not isinstance(key, str)
            or not 0 < len(key) <= MOST_KEY
            or any("\ud800" <= each <= "\udfff" for each in key)
        ):
            raise ValidationFailed(f"key must be text of 1 to {MOST_KEY} characters of Unicode, not {key!r:.100}")
        return self.named, key

    async def _work(self, session: Session, fn: Callable[[Any], Any], key: str) -> str:
        """Return as text what *fn* returns; what it raises says nothing of the database, unless that raised it."""
        ctx = session.ctx
        try:
            value = await handed(session, fn)
            text = as_text(value, f"the result of run({key!r})")
            session.check_time()
        except Exception as error:
            cut_by_us = isinstance(error, (AttemptTimeout, DeadlineExceeded))
            ctx.blameless = code_of(error) is None and not cut_by_us
            raise
        return text

    def _replayed(self, done: Done | None, fn: Callable[[Any], Any], key: str) -> Any:
        """Return the stored result, once it is sure that the same function was meant."""
        assert done is not None  # noqa: S101 - or there would be a result
        name = name_of(fn)
        if not are_the_same(done.fn, name):
            hint = "; a lambda that was edited is another one" if NAMELESS in name else ""
            raise ValidationFailed(
                f"key {key!r} is the key of {done.fn}, whose result is stored; {name} needs a key of its own{hint}"
            )
        self._count("replayed")
        return as_value(done.result)

    async def _was_committed(self, ctx: Context, table: KeyTable, key: str, doubt: CommitUnknown) -> bool:
        """Return whether the row of *key* is there; raise *doubt* when that cannot be told in time."""
        number = 0
        while True:
            try:
                return await self._look(ctx, functools.partial(table.find, key=key)) is not None
            except Exception:
                number += 1
                pause = ASK_BACKOFF.pause(number, ctx.runtime.random())
                if pause + BEFORE_THE_END >= ctx.remaining():
                    self._count("in_doubt")
                    doubt.key = key
                    doubt.add_note(f"run() with key {key!r} again: it returns the result, or does the work")
                    raise doubt from doubt.__cause__
            await ctx.runtime.sleep(pause)


def call_at_work() -> Context:
    """Return the context of the call that this is part of."""
    ctx = current()
    assert ctx is not None  # noqa: S101 - every call comes through a door
    return ctx


async def handed(session: Session, fn: Callable[[Any], Any]) -> Any:
    """Return what *fn* makes of the transaction."""
    runtime = session.ctx.runtime
    if not runtime.preemptive:
        return await runtime.call(functools.partial(fn, SyncTransaction(session)))
    awaited = fn(Transaction(session))
    if not inspect.isawaitable(awaited):
        raise TypeError("run() takes an async function; run_sync() a plain one")
    return await awaited
