"""An event loop that is closed over what it had begun takes no connection with it."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import gc
import threading
from pathlib import Path

import pytest

from unbreakable.nodes import DatabaseNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking

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
                    await ASYNCIO.sleep(0.0005)
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


@pytest.mark.parametrize("is_closed", [False, True])
def test_the_collector_may_come_while_work_is_handed_to_a_thread(db, is_closed):
    """It closes an abandoned coroutine in the middle of that, in the same thread, which must not wait for itself."""
    loop, begun = asyncio.new_event_loop(), asyncio.Event()
    tasks = [loop.create_task(stories(db)["block"](begun))]
    loop.run_until_complete(begun.wait())
    if is_closed:
        db.aclose_sync()
    loop.close()
    tasks[0]._log_destroy_pending = False

    def handing_over():
        with db.calls.database.threads._shutdown_lock, concurrent.futures.thread._global_shutdown_lock:
            tasks.clear()
            ASYNCIO.forget_closed()
            gc.collect()

    thread = threading.Thread(target=handing_over, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    status = db.get_status().connections
    assert (0, 0 if is_closed else status["idle"]) == (status["writing"], status["idle"])


@pytest.fixture
def file_db(path):
    """Return a node on a file."""
    node = DatabaseNode(f"sqlite:///{path}", deadline=5.0)
    yield node
    node.aclose_sync()


def connections_to(path):
    """Return how many descriptors this process has for the file and its log."""
    return sum(str(each.resolve()).startswith(str(path)) for each in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("story", ["block", "keyed"])
def test_closing_the_node_frees_the_lock(file_db, path, is_free, story):
    """What was abandoned is undone and closed, though nobody in this process waits for the connection."""
    left = Abandoned(stories(file_db)[story])
    file_db.aclose_sync()

    assert (True, 0) == (is_free(), connections_to(path))
    left.forget()
    file_db.query_sync(ADD)
    assert 1 == rows(file_db)


def test_closing_the_node_from_async_code_frees_the_lock(file_db, path, is_free):
    """As in plain code."""
    left = Abandoned(stories(file_db)["block"])
    asyncio.run(file_db.aclose())

    assert (True, 0) == (is_free(), connections_to(path))
    left.forget()


def test_who_waited_on_a_closed_event_loop_keeps_no_connection_open(file_db, path, is_free):
    """Those in line, those whose turn had come, and those who read are counted out with it."""

    async def crowd(begun):
        waiting = [asyncio.ensure_future(file_db.query(ADD)) for _ in range(3)]
        reading = [asyncio.ensure_future(file_db.query("SELECT * FROM counter")) for _ in range(9)]
        async with file_db.transaction() as tx:
            while file_db.get_status().connections["waiting"] < 2:
                await ASYNCIO.sleep(0.0005)
            await tx.execute(ADD)
            kept.extend([*waiting, *reading])
            await hang(begun)

    kept = []
    left = Abandoned(crowd)
    file_db.aclose_sync()
    until = BLOCKING.now() + 5.0
    while connections_to(path) and BLOCKING.now() < until:
        run_blocking(BLOCKING.sleep(0.01))  # a thread that was at work for them may still be at its end

    assert (True, 0) == (is_free(), connections_to(path))
    for task in kept:
        task._log_destroy_pending = False
    kept.clear()
    left.forget()
    file_db.query_sync(ADD)
    status = file_db.get_status().connections
    assert (0, 0, 0) == (status["writing"], status["reading"], status["waiting"])
    file_db.aclose_sync()
    assert 0 == connections_to(path)


def test_async_callers_take_over_too(db):
    """On another event loop, which goes on meanwhile."""
    left = Abandoned(stories(db)["block"])

    async def story():
        await asyncio.gather(*(db.query(ADD) for _ in range(3)))

    asyncio.run(story())
    assert 3 == rows(db)
    left.forget()
