"""A database under load and under attack: many threads, several event loops, cancellation at every moment."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

import unbreakable as ub
from unbreakable.nodes import DatabaseNode
from unbreakable.nodes.database.lane import Job

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES (:note)"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE counter (note TEXT); "
            "CREATE TABLE stock (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO stock VALUES (1, 0);"
        )
    return path


@pytest.fixture
async def db(path):
    async with DatabaseNode(f"sqlite:///{path}") as node:
        yield node


def found(path, sql="SELECT count(*) FROM counter"):
    with contextlib.closing(sqlite3.connect(path)) as plain:
        return plain.execute(sql).fetchone()[0]


def is_free(path):
    """Return whether nobody holds SQLite's write lock."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as plain:
        plain.execute("BEGIN IMMEDIATE")
        plain.execute("ROLLBACK")
    return True


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_threads_that_read_and_then_write_never_lose_an_update(path):
    """Six threads add one sixty times each, by reading first: no lock error, no lost update."""
    db = DatabaseNode(f"sqlite:///{path}", durability="process")

    def add(tx):
        n = tx.execute("SELECT n FROM stock").scalar()
        tx.execute("UPDATE stock SET n = :n", {"n": n + 1})

    def work(number):
        return [db.run_sync.outcome(add, f"{number}-{turn}").status for turn in range(60)]

    with ThreadPoolExecutor(6) as threads:
        ends = list(itertools.chain(*threads.map(work, range(6))))
    runs = db.get_status().runs
    db.aclose_sync()

    assert {ub.Status.OK} == set(ends)
    assert (360, 360) == (found(path, "SELECT n FROM stock"), runs["executed"])


def test_event_loops_and_threads_share_one_file(path):
    """Two loops, two threads and two nodes write and read the same file at the same time."""
    nodes = [DatabaseNode(f"sqlite:///{path}", durability="process") for _ in range(2)]

    async def one(node, number):
        async with node.transaction() as tx:
            n = (await tx.execute("SELECT n FROM stock")).scalar()
            await tx.execute("UPDATE stock SET n = :n", {"n": n + 1})
        return (await node.query("SELECT n FROM stock")).scalar()

    async def many(node):
        return await asyncio.gather(*(one(node, number) for number in range(40)))

    def plain(node):
        for _ in range(40):
            with node.transaction_sync() as tx:
                n = tx.execute("SELECT n FROM stock").scalar()
                tx.execute("UPDATE stock SET n = :n", {"n": n + 1})

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(asyncio.run, many(node)) for node in nodes]
        work += [threads.submit(plain, node) for node in nodes]
        for each in work:
            each.result()
    connections = nodes[0].get_status().connections
    for node in nodes:
        node.aclose_sync()

    assert 160 == found(path, "SELECT n FROM stock")
    assert (0, 0, 0) == (connections["writing"], connections["reading"], connections["waiting"])


async def test_the_event_loop_goes_on_while_sqlite_works(db):
    """Neither a long statement nor a wait for the lock blocks other tasks."""
    turns = 0
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) SELECT count(*) FROM n"
    asked = asyncio.ensure_future(db.query(counting))
    while not asked.done():
        turns += 1
        await asyncio.wait({asked}, timeout=0.001)

    assert 1_000_000 == asked.result().scalar()
    assert turns > 10


# ── cancelled ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Cut:
    """Cancel a task at the *chosen* one of all moments: before each piece of work, and after it."""

    def __init__(self, monkeypatch, chosen):
        self.chosen, self.moments, self.reached = chosen, itertools.count(), False
        self.loop = asyncio.get_running_loop()
        self.task = None
        run = Job.run

        def watched(job):
            self.pass_one()
            try:
                return run(job)
            finally:
                self.pass_one()

        monkeypatch.setattr(Job, "run", watched)

    def pass_one(self):
        if self.task is not None and next(self.moments) == self.chosen:
            self.reached = True
            self.loop.call_soon_threadsafe(self.task.cancel)

    async def ended(self, story):
        self.task = asyncio.ensure_future(story)
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        task, self.task = self.task, None
        return task


async def block(db):
    async with db.transaction() as tx:
        await tx.execute(ADD, {"note": "a"})
        async with tx.checkpoint():
            await tx.execute(ADD, {"note": "b"})


async def broken_part(db):
    async with db.transaction() as tx:
        await tx.execute(ADD, {"note": "a"})
        with contextlib.suppress(ZeroDivisionError):
            async with tx.checkpoint():
                await tx.execute(ADD, {"note": "gone"})
                raise ZeroDivisionError
        await tx.execute(ADD, {"note": "b"})


async def statement(db):
    await db.query("INSERT INTO counter VALUES ('a'), ('b')")


async def keyed(db):
    async def work(tx):
        await tx.execute(ADD, {"note": "a"})
        await tx.execute(ADD, {"note": "b"})

    await db.run(work, key="once")


@pytest.mark.parametrize("story", [block, broken_part, statement, keyed])
async def test_cancelled_at_any_moment_it_is_done_or_undone(path, monkeypatch, story):
    """Afterwards no transaction is open, the next one works, and there is all of it or nothing."""
    ends = set()
    for chosen in itertools.count():
        async with DatabaseNode(f"sqlite:///{path}", durability="process") as db:
            await db.query("DELETE FROM counter")
            if chosen and story is keyed:
                await db.query("DELETE FROM unbreakable_run")
            with monkeypatch.context() as patch:
                cut = Cut(patch, chosen)
                task = await cut.ended(story(db))
            connections = db.get_status().connections
            ends.add((task.cancelled(), found(path)))

            assert is_free(path)
            assert (0, 0, 0) == (connections["writing"], connections["reading"], connections["waiting"])
            await db.query("UPDATE stock SET n = n + 1")
            if story is keyed:
                await story(db)
                assert 2 == found(path)
        if not cut.reached:
            break

    assert chosen == found(path, "SELECT n FROM stock") - 1 >= 6
    assert {(False, 2), (True, 0), (True, 2)} == ends  # cancelled in the commit, it was done all the same
    assert not task.cancelled()


async def test_cancelled_in_line_it_takes_no_place(db, path):
    """Who waits for the writing connection and is cancelled leaves the line; the others go on."""
    async with db.transaction() as tx:
        waiting = [asyncio.ensure_future(db.query(ADD, {"note": str(number)})) for number in range(10)]
        while db.get_status().connections["waiting"] < 10:
            await asyncio.wait(waiting, timeout=0.001)
        for each in waiting[::2]:
            each.cancel()
        await tx.execute(ADD, {"note": "first"})
    ends = await asyncio.gather(*waiting, return_exceptions=True)

    await db.aclose()

    assert 5 == sum(isinstance(end, asyncio.CancelledError) for end in ends)
    assert (6, 0) == (found(path), db.calls.database.users)


async def test_a_cancelled_statement_is_stopped_in_sqlite(db, path, caplog):
    """One that would take for ever does not keep its connection; nothing about it is logged."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    for end in ("SELECT count(*) FROM n", "INSERT INTO counter SELECT i FROM n"):
        asked = asyncio.ensure_future(db.query(endless + end))
        await asyncio.wait({asked}, timeout=0.05)
        asked.cancel()
        done, _ = await asyncio.wait({asked}, timeout=2)

        assert {asked} == done
        assert asked.cancelled()
        await db.query(ADD, {"note": "next"})
    gc.collect()

    assert (2, []) == (found(path), caplog.records)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "


async def cut_short(tx, statement, seconds=0.05):
    async with asyncio.timeout(seconds):
        await tx.execute(ENDLESS + statement)


async def test_a_transaction_goes_on_after_a_statement_that_was_cancelled(db, path):
    """One that only reads is stopped, and what was done before it is kept."""
    async with db.transaction() as tx:
        await tx.execute(ADD, {"note": "before"})
        with pytest.raises(TimeoutError):
            await cut_short(tx, "SELECT count(*) FROM n")
        await tx.execute(ADD, {"note": "after"})

    assert 2 == found(path)


async def test_a_transaction_ends_with_a_write_that_was_cancelled(db, path):
    """SQLite undoes the whole when it stops a write; nothing is done, or committed, after it."""

    async def block():
        async with db.transaction() as tx:
            await tx.execute(ADD, {"note": "before"})
            with pytest.raises(TimeoutError):
                await cut_short(tx, "INSERT INTO counter SELECT i FROM n")
            await tx.execute(ADD, {"note": "after"})

    with pytest.raises(OperationalError, match="interrupted"):
        await block()

    assert 0 == found(path)


async def test_a_statement_that_is_cancelled_in_its_turn_is_not_done(db, path):
    """It waited for another one of the same transaction."""
    async with db.transaction() as tx:
        first = asyncio.ensure_future(cut_short(tx, "SELECT count(*) FROM n"))
        second = asyncio.ensure_future(tx.execute(ADD, {"note": "second"}))
        await asyncio.wait({first}, timeout=0.02)
        second.cancel()
        ends = await asyncio.gather(first, second, return_exceptions=True)
        await tx.execute(ADD, {"note": "third"})

    assert [TimeoutError, asyncio.CancelledError] == [type(end) for end in ends]
    assert 1 == found(path)


async def test_leaving_a_block_stops_what_is_at_work_in_it(db, path):
    """A statement that a task of the block's still waits for does not hold it up."""

    async def block(tasks):
        async with db.transaction() as tx:
            endless = cut_short(tx, "INSERT INTO counter SELECT i FROM n", seconds=60)
            tasks.append(asyncio.ensure_future(endless))
            await asyncio.wait(tasks, timeout=0.05)
            raise ZeroDivisionError

    tasks, started = [], time.perf_counter()
    with pytest.raises(ZeroDivisionError):
        await block(tasks)
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert time.perf_counter() - started < 2
    assert ([OperationalError], 0) == ([type(end) for end in ends], found(path))
    assert is_free(path)


def test_a_function_that_takes_too_long_is_undone(path):
    """In sync code it cannot be cut where it waits; but its work is not committed after the deadline."""
    with ub.testing.virtual_time() as clock:
        db = DatabaseNode(f"sqlite:///{path}")

        def slow(tx):
            tx.execute(ADD, {"note": "late"})
            clock.advance(40)

        outcome = db.run_sync.outcome(slow, "k")
        db.aclose_sync()

    assert isinstance(outcome.error, ub.errors.DeadlineExceeded)
    assert 0 == found(path)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_undoes_a_transaction(path, interrupt):
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
        assert is_free(path)
    db.aclose_sync()

    assert 0 == found(path)


def test_a_time_limit_in_sync_code_leaves_no_transaction_behind(path, monkeypatch):
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

    assert (1, 2) == (rows.rowcount, found(path))


async def test_a_limit_stops_a_statement(path):
    """The time limit, and the deadline, end a statement in either colour; it is not the caller's mistake."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO counter SELECT i FROM n"
    for options in ({"deadline": 0.2}, {"timeout": ub.Timeout(0.2)}):
        async with DatabaseNode(f"sqlite:///{path}", **options) as db:
            outcomes = [await db.query.outcome(endless), await asyncio.to_thread(db.query_sync.outcome, endless)]
            await db.query(ADD, {"note": "next"})

            assert [True, True] == [0.2 <= outcome.elapsed < 1.5 for outcome in outcomes]
            assert {1} == {outcome.attempts for outcome in outcomes}
            assert all(isinstance(outcome.error, (ub.errors.DeadlineExceeded, TimeoutError)) for outcome in outcomes)

    assert 2 == found(path)


# ── event loops that end ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine")
def test_a_loop_that_is_thrown_away_takes_no_lock_with_it(path):
    """Its open transaction is undone, and others write."""
    db = DatabaseNode(f"sqlite:///{path}")
    loop = asyncio.new_event_loop()

    async def story(reached):
        async with db.transaction() as tx:
            await tx.execute(ADD, {"note": "a"})
            reached.set_result(None)
            await asyncio.Event().wait()

    reached = loop.create_future()
    task = loop.create_task(story(reached))
    loop.run_until_complete(reached)
    loop.close()
    task._log_destroy_pending = False
    del task, reached
    gc.collect()
    rows = db.query_sync(ADD, {"note": "b"})
    db.aclose_sync()

    assert (1, 1) == (rows.rowcount, found(path))


def test_each_loop_may_come_and_go(path):
    """A node outlives the event loops that use it."""
    db = DatabaseNode(f"sqlite:///{path}")
    for number in range(3):
        asyncio.run(statement(db))
        if number == 1:
            asyncio.run(db.aclose())

    assert 6 == db.query_sync("SELECT count(*) FROM counter").scalar()
    db.aclose_sync()


def test_a_node_that_is_forgotten_closes_its_connections(path):
    """Who never says aclose() leaves nothing open."""
    db = DatabaseNode(f"sqlite:///{path}")
    contextvars.copy_context().run(db.query_sync, ADD, {"note": "a"})  # a context knows its last call, and its node
    raw = db.calls.database.writer.raw
    del db
    gc.collect()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")


async def test_closing_while_calls_are_at_work(db, path):
    """They end as they would have; their connections are closed after them."""
    waiting = [asyncio.ensure_future(db.query(ADD, {"note": str(number)})) for number in range(20)]
    await asyncio.wait(waiting, timeout=0.001)
    await db.aclose()
    await asyncio.gather(*waiting)
    database = db.calls.database
    while database.users or database._threads is not None:
        await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(threading.Event().wait, 0.001))})

    assert 20 == found(path)
    assert 0 == db.get_status().connections["idle"]


def test_virtual_time_waits_for_sqlite(path):
    """In virtual time calls are answered, and a wait for a lock takes no time."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other, ub.testing.virtual_time() as clock:
        db = DatabaseNode(f"sqlite:///{path}", retry=False)
        other.execute("BEGIN IMMEDIATE")

        async def story():
            locked = await db.query.outcome(ADD, {"note": "a"})
            other.execute("ROLLBACK")
            return locked, await db.query.outcome(ADD, {"note": "b"})

        locked, free = asyncio.run(story())
        took = clock.now()
        db.aclose_sync()

    assert "database is locked" in str(locked.error)
    assert (ub.Status.OK, 1) == (free.status, found(path))
    assert 29 < took < 31


# ── calls around it ─────────────────────────────────────────────────────────────────────────────────────────────────


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
        with pytest.raises(OperationalError):
            await pay()
    await db.aclose()

    assert [1] == charges


def disk_fails_at_insert(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO counter"):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise OperationalError(statement, None, error)
