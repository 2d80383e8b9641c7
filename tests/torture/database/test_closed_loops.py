"""An event loop that is closed over what it had begun takes no connection with it."""

from __future__ import annotations

import asyncio
import gc

import pytest

from unbreakable.nodes import DatabaseNode
from unbreakable.runtime import ASYNCIO

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES ('x')"


class Abandoned:
    """Begin *story* on an event loop, and close that once *begun* is set; the tasks are kept."""

    def __init__(self, story):
        self.loop, self.begun = asyncio.new_event_loop(), asyncio.Event()
        self.tasks = [self.loop.create_task(story(self.begun))]
        self.loop.run_until_complete(self.begun.wait())
        self.loop.close()

    def forget(self):
        while self.tasks:
            self.tasks.pop()._log_destroy_pending = False
        gc.collect()


async def hang(begun):
    begun.set()
    await asyncio.Event().wait()


@pytest.fixture(params=["file", "memory"])
def db(request, path):
    """Return a node on a file, and on a database in memory."""
    node = DatabaseNode(f"sqlite:///{path}" if request.param == "file" else "sqlite://", deadline=5.0)
    node.query_sync("CREATE TABLE IF NOT EXISTS counter (note TEXT)")
    yield node
    node.aclose_sync()


def rows(db):
    return db.query_sync("SELECT count(*) FROM counter").scalar()


def stories(db):
    async def block(begun):
        async with db.transaction() as tx:
            await tx.execute(ADD)
            await hang(begun)

    async def keyed(begun):
        async def work(tx):
            await tx.execute(ADD)
            await hang(begun)

        await db.run(work, "k")

    return {"block": block, "keyed": keyed}


@pytest.mark.parametrize("story", ["block", "keyed"])
def test_who_waits_takes_the_connection_over(db, story):
    """What was not committed is undone, and the next transaction is not kept waiting."""
    left = Abandoned(stories(db)[story])

    for expected in (1, 2):
        db.query_sync(ADD)
        assert expected == rows(db)
    left.forget()  # now its coroutine is closed, and gives back what it has no more
    db.query_sync(ADD)
    assert 3 == rows(db)
    status = db.get_status()
    assert (0, 0.0) == (status.connections["writing"], status.heal_rate)


def test_the_key_of_a_run_that_was_abandoned_is_free(db):
    """Its function did nothing that counts."""
    left = Abandoned(stories(db)["keyed"])

    assert "done" == db.run_sync(lambda tx: "done", "k")
    left.forget()


def test_a_place_that_was_given_to_a_closed_event_loop_goes_to_the_next(db):
    """It was woken, and had no time to come."""

    def abandon():
        loop = asyncio.new_event_loop()

        async def story():
            async with db.transaction():
                waiting = asyncio.ensure_future(db.query(ADD))
                while not db.get_status().connections["waiting"]:
                    await ASYNCIO.sleep(0)
            return waiting

        waiting = loop.run_until_complete(story())
        loop.close()
        return waiting

    waiting = abandon()
    db.query_sync(ADD)
    assert 1 == rows(db)
    waiting._log_destroy_pending = False
    del waiting
    gc.collect()
    db.query_sync(ADD)
    assert 2 == rows(db)


def test_async_callers_take_over_too(db):
    """On another event loop, which goes on meanwhile."""
    left = Abandoned(stories(db)["block"])

    async def story():
        await asyncio.gather(*(db.query(ADD) for _ in range(3)))

    asyncio.run(story())
    assert 3 == rows(db)
    left.forget()
