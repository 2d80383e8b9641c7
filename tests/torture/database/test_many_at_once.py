"""Many threads and event loops use one database, and some of them come to a sudden end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import unbreakable as ub
from unbreakable.nodes import DatabaseNode

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES (:note)"


def test_threads_that_read_and_then_write_never_lose_an_update(path, found):
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
    assert (360, 360) == (found("SELECT n FROM stock"), runs["executed"])


def test_event_loops_and_threads_share_one_file(path, found):
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

    assert 160 == found("SELECT n FROM stock")
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


# ── event loops that end ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine")
def test_a_loop_that_is_thrown_away_takes_no_lock_with_it(path, found):
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

    assert (1, 1) == (rows.rowcount, found())


async def twice(db):
    await db.query("INSERT INTO counter VALUES ('a'), ('b')")


def test_each_loop_may_come_and_go(path):
    """A node outlives the event loops that use it."""
    db = DatabaseNode(f"sqlite:///{path}")
    for number in range(3):
        asyncio.run(twice(db))
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


async def test_closing_while_calls_are_at_work(db, found):
    """They end as they would have; their connections are closed after them."""
    waiting = [asyncio.ensure_future(db.query(ADD, {"note": str(number)})) for number in range(20)]
    await asyncio.wait(waiting, timeout=0.001)
    await db.aclose()
    await asyncio.gather(*waiting)
    database = db.calls.database
    while database.users or database._threads is not None:
        await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(threading.Event().wait, 0.001))})

    assert 20 == found()
    assert 0 == db.get_status().connections["idle"]


def test_virtual_time_waits_for_sqlite(path, found):
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
    assert (ub.Status.OK, 1) == (free.status, found())
    assert 29 < took < 31
