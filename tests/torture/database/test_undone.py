"""What comes to an end by a limit, an interrupt or trouble is undone, and is told as nothing more than that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import threading

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

import unbreakable as ub
from unbreakable.nodes import DatabaseNode

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES (:note)"


def test_a_function_that_takes_too_long_is_undone(path, found):
    """In sync code it cannot be cut where it waits; but its work is not committed after the deadline."""
    with ub.testing.virtual_time() as clock:
        db = DatabaseNode(f"sqlite:///{path}")

        def slow(tx):
            tx.execute(ADD, {"note": "late"})
            clock.advance(40)

        outcome = db.run_sync.outcome(slow, "k")
        db.aclose_sync()

    assert isinstance(outcome.error, ub.errors.DeadlineExceeded)
    assert 0 == found()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_undoes_a_transaction(path, interrupt, found, is_free):
    """Ctrl-C in the middle leaves neither a lock nor half of the work."""
    db = DatabaseNode(f"sqlite:///{path}")

    def interrupted(tx):
        tx.execute(ADD, {"note": "half"})
        raise interrupt

    def block():
        with db.transaction_sync() as tx, tx.checkpoint():
            interrupted(tx)

    for way in (block, lambda: db.run_sync(interrupted, "k")):
        with pytest.raises(interrupt):
            way()
        assert is_free()
    db.aclose_sync()

    assert 0 == found()


WAYS = {
    "run": lambda db: db.run_sync(lambda tx: tx.execute(ADD, {"note": "half"}), "k"),
    "write": lambda db: db.query_sync(ADD, {"note": "half"}),
    "read": lambda db: db.query_sync("SELECT count(*) FROM counter"),
}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    ("way", "sql"), [("run", "INSERT INTO counter"), ("run", "COMMIT"), ("write", "INSERT"), ("read", "SELECT count")]
)
def test_an_interrupt_within_a_statement_passes_and_breaks_nothing(path, interrupt, way, sql, found, is_free):
    """SQLAlchemy closes the connection that a signal's handler has struck; whoever comes next has another one."""
    db = DatabaseNode(f"sqlite:///{path}")
    db.query_sync("SELECT 1")

    def strike(_connection, _cursor, statement, *_others):
        if statement.startswith(sql):
            raise interrupt

    engine = db.calls.database.engine
    event.listen(engine, "before_cursor_execute", strike)
    for _ in range(6):  # more often than there are connections
        with pytest.raises(interrupt):
            WAYS[way](db)
        assert is_free()
    event.remove(engine, "before_cursor_execute", strike)
    db.query_sync(ADD, {"note": "next"})
    db.aclose_sync()

    assert 1 == found()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals of POSIX")
@pytest.mark.parametrize("way", ["read", "write", "run"])
def test_a_signal_ends_a_statement_that_takes_long(path, way, found, is_free):
    """Its handler runs while SQLite asks whether to go on, and SQLite would drop what it raises."""

    class Hurry(BaseException):
        pass

    def handle(_number, _frame):
        raise Hurry

    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000000) SELECT i FROM n"
    ways = {
        "read": lambda db: db.query_sync(numbers.replace("SELECT i FROM n", "SELECT count(*) FROM n")),
        "write": lambda db: db.query_sync(f"INSERT INTO counter (note) {numbers}"),
        "run": lambda db: db.run_sync(lambda tx: tx.execute(f"INSERT INTO counter (note) {numbers}"), "k"),
    }
    db, before = DatabaseNode(f"sqlite:///{path}"), signal.signal(signal.SIGUSR1, handle)
    try:
        db.query_sync(ADD, {"note": "first"})
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        with pytest.raises(Hurry):
            ways[way](db)
        assert is_free()
        db.query_sync(ADD, {"note": "next"})
    finally:
        signal.signal(signal.SIGUSR1, before)
        db.aclose_sync()

    assert 2 == found()


def test_what_goes_on_after_an_interrupt_within_a_statement_is_not_done(path, found):
    """The transaction is undone with its connection; nothing more is written outside of it."""
    db = DatabaseNode(f"sqlite:///{path}")
    db.query_sync("SELECT 1")

    def strike(_connection, _cursor, _statement, parameters, *_others):
        if "struck" in parameters:
            raise KeyboardInterrupt

    def stubborn(tx):
        tx.execute(ADD, {"note": "before"})
        with contextlib.suppress(KeyboardInterrupt):
            tx.execute(ADD, {"note": "struck"})
        tx.execute(ADD, {"note": "after"})

    event.listen(db.calls.database.engine, "before_cursor_execute", strike)
    with pytest.raises(RuntimeError, match="rolled the whole transaction back"):
        db.run_sync(stubborn, "k")
    db.aclose_sync()

    assert 0 == found()


def test_a_time_limit_in_sync_code_leaves_no_transaction_behind(path, monkeypatch, found):
    """The beginning of a block is not run in a thread that may be left behind: nothing begins for nobody."""
    db = DatabaseNode(f"sqlite:///{path}", timeout=ub.Timeout(0.1))
    connect = db.calls.open()._connect_writer

    def slowly():
        threading.Event().wait(0.3)
        return connect()

    monkeypatch.setattr(db.calls.database.writer, "_connect", slowly)
    with db.transaction_sync() as tx:
        tx.execute(ADD, {"note": "a"})
    rows = db.query_sync(ADD, {"note": "b"})
    db.aclose_sync()

    assert (1, 2) == (rows.rowcount, found())


async def test_a_limit_stops_a_statement(path, found):
    """The time limit, and the deadline, end a statement in either colour; it is not the caller's mistake."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO counter SELECT i FROM n"
    for options in ({"deadline": 0.2}, {"timeout": ub.Timeout(0.2)}):
        async with DatabaseNode(f"sqlite:///{path}", **options) as db:
            outcomes = [await db.query.outcome(endless), await asyncio.to_thread(db.query_sync.outcome, endless)]
            await db.query(ADD, {"note": "next"})

            assert [True, True] == [0.2 <= outcome.elapsed < 10 for outcome in outcomes]
            assert {1} == {outcome.attempts for outcome in outcomes}
            assert all(isinstance(outcome.error, (ub.errors.DeadlineExceeded, TimeoutError)) for outcome in outcomes)

    assert 2 == found()


@pytest.mark.parametrize("way", ["query", "run", "block", "statement"])
async def test_what_was_undone_here_is_not_repeated_around_it(path, way):
    """That nothing of a transaction is left says nothing of what else the call around it has done."""
    db = DatabaseNode(f"sqlite:///{path}", deadline=0.2, retry=False)
    charges = []

    async def write(tx):
        await tx.execute(ADD, {"note": "a"})

    async def use():
        async with db.transaction() as tx:
            await tx.execute(ADD, {"note": "a"})

    @ub.protect("pay", effects="once", retry=ub.Retry(3, backoff=ub.Backoff(0.001)))
    async def pay():
        charges.append(1)
        await {"query": lambda: db.query(ADD, {"note": "a"}), "run": lambda: db.run(write), "block": use}.get(
            way, use
        )()

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        if way == "statement":
            event.listen(db.calls.open().engine, "before_cursor_execute", disk_fails_at_insert)
        else:
            other.execute("BEGIN IMMEDIATE")
        with pytest.raises((OperationalError, ub.errors.DeadlineExceeded)):  # the latter on a busy machine
            await pay()
    await db.aclose()

    assert [1] == charges


def disk_fails_at_insert(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO counter"):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise OperationalError(statement, None, error)
