"""A database is asked, and its bad moments are waited out, repeated or told, whichever is right."""

from __future__ import annotations

from dataclasses import fields
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Unpack

from unbreakable.fractal import AsyncProtected, SyncProtected
from unbreakable.fractal.options import Options
from unbreakable.fractal.ports import join
from unbreakable.fractal.settings import check_names
from unbreakable.fractal.status import NodeStatus
from unbreakable.nodes.database.rows import Rows
from unbreakable.nodes.database.run_doors import run_door, run_sync_door
from unbreakable.nodes.database.status import DatabaseStatus
from unbreakable.nodes.database.transaction import (
    Parameters,
    SyncTransactionBlock,
    TransactionBlock,
)
from unbreakable.nodes.database.undone import UndoingNode, undone
from unbreakable.nodes.doors import AsyncOperation, SyncOperation
from unbreakable.policies.effects import Effects
from unbreakable.runtime import Runtime, run_blocking

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from unbreakable.nodes.database.calls import Calls
    from unbreakable.nodes.database.session import Session


class DatabaseNode(UndoingNode):
    """Ask the SQLite database at *connection*: ``await db.query(sql)``, or ``db.query_sync(sql)``.

    >>> db = DatabaseNode("sqlite+aiosqlite://")
    >>> db.query_sync("SELECT :word AS greeting", {"word": "hello"}).scalar()
    'hello'

    *connection* is ``sqlite+aiosqlite:///relative.db``, ``sqlite+aiosqlite:////absolute.db`` or ``sqlite+aiosqlite://``
    for a database in memory; without ``+aiosqlite`` they mean the same.  The file is made when it is not there, and is
    kept in WAL mode.  When it is deleted, moved or replaced, every call raises StateGone until all nodes of it are
    closed.  Async calls work in threads of the database; the event loop goes on.

    Whoever writes stands in line for the one connection that writes, over all nodes, threads and event loops of this
    process, and waits for the lock of other programs, both within the deadline; readers wait for no writer.  What is
    cut by a cancellation, a time limit or the deadline is stopped inside SQLite and undone.  A forked child opens
    connections of its own; it is refused a file that was at work in its parent when it was forked.

    *durability* "durable" gives each commit an fsync, so that it survives a power cut; "process" only the death of the
    process.  *keep* is how many keys of ``run`` are remembered; *most_rows* how many rows a statement may return.  The
    other keywords are those of ``ub.protect``.  A time limit and a hedge are not learned here: a call that waits for a
    lock is not slow, and a second copy of it would wait, too.

    Needs SQLAlchemy: ``pip install 'unbreakable[database]'``.  Raises ConfigurationError when a setting is wrong.
    """

    speaks_of_itself = True

    def __init__(
        self,
        connection: str = "sqlite+aiosqlite:///app.db",
        *,
        durability: Literal["process", "durable"] = "durable",
        keep: int = 100_000,
        most_rows: int = 100_000,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_names(name or "database", options, DatabaseNode)
        self.calls: Calls = database_library().new_calls(connection, durability, keep, most_rows)
        pinned, system = "effects" in options, options.pop("system", None)
        options.setdefault("effects", "none")
        strategy = options.get("strategy")
        if getattr(strategy, "timeout", None) is None:
            options.setdefault("timeout", False)
        if getattr(strategy, "hedge", None) is None:
            options.setdefault("hedge", False)
        super().__init__(name or self.calls.name, **options)
        if not pinned:
            self.targets.tell_effects(_effects)
        beginning = UndoingNode(
            f"{self.name} transaction",
            parent=self,
            effects="once",
            retry=options.get("retry"),
            breaker=options.get("breaker"),
            timeout=False,  # in sync code it would leave a thread behind, with a transaction that nobody ends
            hedge=False,
        )
        beginning.target.circuit = self.target.circuit  # one database, one circuit
        self._begin: AsyncProtected[[], Session] = AsyncProtected(self._begun, beginning)
        self._begin_sync: SyncProtected[[], Session] = SyncProtected(lambda: run_blocking(self._begun()), beginning)
        join(self, system)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

    @AsyncOperation
    async def query(self, sql: str | Executable, params: Parameters = None) -> Rows:
        """Carry out one statement, and return its rows.

        *sql* is text, or a statement built with SQLAlchemy; *params* a dictionary with a value for each ``:name`` in
        the text, a tuple or list with one for each ``?``, or a list of either to carry it out for each.  Without params
        the text goes to SQLite as it is.

        What reads (SELECT, VALUES, EXPLAIN, and WITH before a SELECT) is repeated when it fails.  Anything else is done
        in a transaction of its own, and repeated when SQLite has undone it and may succeed the next time.

        Raises SQLAlchemy's exceptions, with a ``kind``: a mistake in the statement, or a constraint that is violated,
        is not repeated and keeps the circuit closed.  Raises errors.ValidationFailed for more than ``most_rows`` rows,
        and for statements that would begin or end a transaction; errors.CommitUnknown when the disk failed at the very
        commit.
        """
        return await undone(self.calls.query(sql, params))

    @SyncOperation
    def query_sync(self, sql: str | Executable, params: Parameters = None) -> Rows:
        """Carry out one statement from sync code; otherwise as ``query``."""
        return run_blocking(undone(self.calls.query(sql, params)))

    @run_door
    async def run(self, fn: Any, key: str | None = None) -> Any:
        """Return what ``await fn(tx)`` returned, the one time that it was committed.

        *fn* gets a ``Transaction`` and may be called several times, each time with a new one; what it did in an
        attempt that failed is undone.  So it must touch nothing but its transaction.  What it raises is raised, after
        its work was undone, and not repeated; trouble of the database is, within retry and deadline.

        The *key* names the work: it is written, with the result, in the same transaction.  Whoever calls with it again,
        in this process or another, now or after a crash, gets the stored result and *fn* is not called; while another
        process is at it, that is waited for.  So whoever was cut, and cannot tell whether the commit took place, calls
        again with it.  A key that belongs to another function is refused; functions are known by their qualified names,
        so a new version of one finds its keys, lambdas also by what they do.  What a function closes over or is a
        partial of is not looked at: the key has to tell it.  The newest ``keep`` keys are remembered, in the table
        ``unbreakable_run``.  Without a key every call is work of its own, which its own attempts do once;
        what calls it and may be repeated passes a key: ``key=ub.current().idempotency_key``.

        The result must be None, bool, int, float, str, or lists and dicts of them, or Rows of them, up to a million
        characters of JSON; it is returned as it reads back (tuples as lists).  Anything else raises NotRecordable (a
        TypeError) before the commit.  Raises errors.CommitUnknown, with ``key``, when the disk failed at the commit and
        the row could not be asked for in time.
        """
        return await undone(self.calls.run(fn, key))

    @run_sync_door
    def run_sync(self, fn: Any, key: str | None = None) -> Any:
        """Return what ``fn(tx)``, a plain function, returned; otherwise as ``run``."""
        return run_blocking(undone(self.calls.run(fn, key)))

    def transaction(self) -> TransactionBlock:
        """Return a block whose statements take effect together: ``async with db.transaction() as tx: …``.

        It begins when no other transaction of this process, and no other program, writes.  It is committed when the
        block ends, undone when the block raises or is cancelled.  The block is yours, so it is not repeated.  Its
        statements are given the node's deadline, counted from the beginning, after which they raise
        errors.DeadlineExceeded.  Leaving it raises errors.CommitUnknown when the disk failed at the very commit.  Until
        it has ended, a call around it counts it as a call under way that must not be made twice.
        """
        return TransactionBlock(self._begin)

    def transaction_sync(self) -> SyncTransactionBlock:
        """Return a block for sync code, ``with db.transaction_sync() as tx: …``; otherwise as ``transaction``."""
        return SyncTransactionBlock(self._begin_sync)

    async def _begun(self) -> Session:
        return await undone(self.calls.begin())

    # ── looking and leaving ──────────────────────────────────────────────────────────────────────────────────────

    def get_status(self) -> DatabaseStatus:
        """Return how the node and its database are doing right now."""
        node = super().get_status()
        known = {field.name: getattr(node, field.name) for field in fields(NodeStatus)}
        return DatabaseStatus(**known, **self.calls.survey())

    async def _let_go(self, runtime: Runtime) -> None:
        """Close the connections, unless another node of the process uses them; a later call opens new ones."""
        await self.calls.aclose() if runtime.preemptive else self.calls.close()


def _effects(first: Any = None, *_: Any, **given: Any) -> Effects:
    """Return what a call does: a query that reads, nothing; what writes is repeated only when it was undone."""
    from unbreakable.nodes.database.statements import reads

    return "none" if reads(given.get("sql", first)) else "once"


def database_library() -> ModuleType:
    """Return the module that works with SQLAlchemy; ImportError says how to get that."""
    try:
        from unbreakable.nodes.database import calls
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sqlalchemy":
            raise
        msg = "DatabaseNode needs SQLAlchemy: pip install 'unbreakable[database]'"
        raise ImportError(msg, name="sqlalchemy") from error
    return calls
