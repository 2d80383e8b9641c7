"""A database call that is cancelled at any moment leaves nothing half done, and nothing open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import time

import pytest
from sqlalchemy.exc import OperationalError

from unbreakable.nodes import DatabaseNode
from unbreakable.nodes.database.lane import Job

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES (:note)"


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
async def test_cancelled_at_any_moment_it_is_done_or_undone(path, monkeypatch, story, found, is_free):
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
            ends.add((task.cancelled(), found()))

            assert is_free()
            assert (0, 0, 0) == (connections["writing"], connections["reading"], connections["waiting"])
            await db.query("UPDATE stock SET n = n + 1")
            if story is keyed:
                await story(db)
                assert 2 == found()
        if not cut.reached:
            break

    assert chosen == found("SELECT n FROM stock") - 1 >= 6
    assert {(False, 2), (True, 0), (True, 2)} == ends  # cancelled in the commit, it was done all the same
    assert not task.cancelled()


async def test_cancelled_in_line_it_takes_no_place(db, found):
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
    assert (6, 0) == (found(), db.calls.database.users)


async def test_a_cancelled_statement_is_stopped_in_sqlite(db, caplog, found):
    """One that would take for ever does not keep its connection; nothing about it is logged."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    for end in ("SELECT count(*) FROM n", "INSERT INTO counter SELECT i FROM n"):
        asked = asyncio.ensure_future(db.query(endless + end))
        await asyncio.wait({asked}, timeout=0.05)
        asked.cancel()
        done, _ = await asyncio.wait({asked}, timeout=60)

        assert {asked} == done
        assert asked.cancelled()
        await db.query(ADD, {"note": "next"})
    gc.collect()

    assert (2, []) == (found(), caplog.records)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "


async def cut_short(tx, statement, seconds=0.05):
    async with asyncio.timeout(seconds):
        await tx.execute(ENDLESS + statement)


async def test_a_transaction_goes_on_after_a_statement_that_was_cancelled(db, found):
    """One that only reads is stopped, and what was done before it is kept."""
    async with db.transaction() as tx:
        await tx.execute(ADD, {"note": "before"})
        with pytest.raises(TimeoutError):
            await cut_short(tx, "SELECT count(*) FROM n")
        await tx.execute(ADD, {"note": "after"})

    assert 2 == found()


async def test_a_transaction_ends_with_a_write_that_was_cancelled(db, found):
    """SQLite undoes the whole when it stops a write; nothing is done, or committed, after it."""

    async def block():
        async with db.transaction() as tx:
            await tx.execute(ADD, {"note": "before"})
            with pytest.raises(TimeoutError):
                await cut_short(tx, "INSERT INTO counter SELECT i FROM n")
            await tx.execute(ADD, {"note": "after"})

    with pytest.raises(OperationalError, match="interrupted"):
        await block()

    assert 0 == found()


async def test_a_statement_that_is_cancelled_in_its_turn_is_not_done(db, found):
    """It waited for another one of the same transaction."""
    async with db.transaction() as tx:
        first = asyncio.ensure_future(cut_short(tx, "SELECT count(*) FROM n"))
        second = asyncio.ensure_future(tx.execute(ADD, {"note": "second"}))
        await asyncio.wait({first}, timeout=0.02)
        second.cancel()
        ends = await asyncio.gather(first, second, return_exceptions=True)
        await tx.execute(ADD, {"note": "third"})

    assert [TimeoutError, asyncio.CancelledError] == [type(end) for end in ends]
    assert 1 == found()


async def test_leaving_a_block_stops_what_is_at_work_in_it(db, found, is_free):
    """A statement that a task of the block's still waits for does not hold it up."""

    async def block(tasks):
        async with db.transaction() as tx:
            endless = cut_short(tx, "INSERT INTO counter SELECT i FROM n", seconds=600)
            tasks.append(asyncio.ensure_future(endless))
            await asyncio.wait(tasks, timeout=0.05)
            raise ZeroDivisionError

    tasks, started = [], time.perf_counter()
    with pytest.raises(ZeroDivisionError):
        await block(tasks)
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert time.perf_counter() - started < 60
    assert ([OperationalError], 0) == ([type(end) for end in ends], found())
    assert is_free()
