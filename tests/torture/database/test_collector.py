"""The collector may close what a closed event loop left behind between any two lines of the database's own code."""

from __future__ import annotations

import asyncio
import gc
import itertools

import pytest
from tests.dense import lines
from tests.lines import AtLine

from unbreakable.nodes import DatabaseNode
from unbreakable.nodes.database import calls, database, lane, session
from unbreakable.runtime import ASYNCIO, BLOCKING, gate, run_blocking

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES ('x')"
OURS = {module.__file__ for module in (calls, database, lane, session, gate)}


class Abandoned:
    """Begin *stories*, which hang in the end, on an event loop, and close that over them; keep *nodes* as long."""

    def __init__(self, *stories, nodes=()):
        self.nodes = list(nodes)
        self.loop = asyncio.new_event_loop()
        self.tasks = [self.loop.create_task(story()) for story in stories]
        self.loop.run_until_complete(self._until_all_hang())
        self.loop.close()

    async def _until_all_hang(self):
        while any(task.get_name() != "hangs" for task in self.tasks):
            await ASYNCIO.sleep(0.0005)
        for _ in range(5):
            await ASYNCIO.sleep(0)  # who waits for a connection has come that far, too

    def forget(self):
        self.loop = None  # whose timers know who waits
        self.nodes.clear()
        while self.tasks:
            self.tasks.pop()._log_destroy_pending = False
        ASYNCIO.forget_closed()
        gc.collect()


async def hang():
    asyncio.current_task().set_name("hangs")
    await asyncio.Event().wait()


def collecting(left, turn):
    """Let go of what *left* holds at the line number *turn* of the database's code in this thread."""
    return AtLine(OURS, left.forget, turn)


@pytest.fixture
def db(path):
    """Return a node on a file."""
    node = DatabaseNode(f"sqlite:///{path}", deadline=5.0, retry=False, breaker=False)
    yield node
    node.aclose_sync()


@pytest.fixture(autouse=True)
def _collected_at_that_line_only():
    gc.disable()
    gc.freeze()  # so that each of many collections looks only at what came since
    yield
    gc.enable()


def writes(db):
    async def write():
        async with db.transaction() as tx:
            await tx.execute(ADD)
            await hang()

    return write


def waits(db):
    async def wait():
        asyncio.current_task().set_name("hangs")
        await db.query(ADD)

    return wait


def reads(db):
    async def read():
        ours = db.calls.open()
        lent = await ours.lend_reader(NoTime, ASYNCIO.now() + 5.0)
        try:
            await hang()
        finally:
            ours.give_back(lent)

    return read


class NoTime:
    """As much of a context as who lends connections looks at."""

    runtime = ASYNCIO


LEFT = {
    "a writer": [writes],
    "a writer and who waits for it": [writes, waits, waits],
    "all readers": [reads] * database.READERS,
    "readers and a writer": [reads, writes, reads],
}
NEXT = {
    "writing": lambda db: db.query_sync(ADD),
    "reading": lambda db: db.query_sync("SELECT * FROM counter"),
    "closing": lambda db: db.aclose_sync(),
}


def is_at_rest(ours):
    status = ours.count()
    return (0, 0, 0) == (status["writing"], status["reading"], status["waiting"]) and not (ours.lent or ours.calls)


@pytest.mark.parametrize("later", NEXT)
@pytest.mark.parametrize("left", LEFT)
def test_the_collector_may_come_at_any_line(db, left, later):
    """Whoever comes next is served, nothing that was taken back is in use, and every place is free again."""
    db.query_sync(ADD)
    expected = 1
    share = [*LEFT].index(left) + [*NEXT].index(later)  # each line with every other thing left
    first, stride = lines(share, 2, sparse=2)
    for turn in itertools.count(1 + first, stride):
        abandoned = Abandoned(*[story(db) for story in LEFT[left]])
        with collecting(abandoned, turn) as collector:
            NEXT[later](db)
        abandoned.forget()
        expected += later == "writing"
        assert expected == db.query_sync("SELECT count(*) FROM counter").scalar(), turn
        ours = db.calls.database
        until = BLOCKING.now() + 5.0
        while not is_at_rest(ours) and BLOCKING.now() < until:
            run_blocking(BLOCKING.sleep(0.001))  # a thread that cleans up may still be at it
            gc.collect()  # again: what a coroutine brought to life when it was closed
        assert is_at_rest(ours), turn
        assert not any(each.retired for each in (ours.writer, *ours.idle, *ours.readers)), turn
        if collector.lines < turn:
            break


@pytest.mark.parametrize("later", NEXT)
@pytest.mark.parametrize(("share", "left"), [(0, []), (1, [writes]), (2, [reads, writes])])
def test_the_collector_may_drop_another_node_at_any_line(db, path, share, left, later):
    """One that was never closed, and whose loops were closed over it: it leaves the database in the middle of that."""
    first, stride = lines(share + [*NEXT].index(later), 3, sparse=2)
    for turn in itertools.count(1 + first, stride):
        db.query_sync("SELECT * FROM counter")
        other = DatabaseNode(f"sqlite:///{path}", retry=False)
        other.query_sync("SELECT * FROM counter")
        abandoned = Abandoned(*[story(other) for story in left], nodes=[other])
        del other
        with collecting(abandoned, turn) as collector:
            NEXT[later](db)
        abandoned.forget()
        db.query_sync(ADD)
        ours = db.calls.database
        until = BLOCKING.now() + 5.0
        while not (is_at_rest(ours) and ours.nodes == 1) and BLOCKING.now() < until:
            run_blocking(BLOCKING.sleep(0.001))
            gc.collect()
        assert (True, 1) == (is_at_rest(ours), ours.nodes), turn
        if collector.lines < turn:
            break


def test_a_coroutine_may_ask_when_the_collector_closes_it(db):
    """In the middle of the node's opening, too: the node is counted once, and its last use closes the connections."""

    async def asks_again():
        try:
            await hang()
        finally:
            db.query_sync("SELECT * FROM counter")

    for turn in itertools.count(1):
        abandoned = Abandoned(asks_again)
        db.aclose_sync()
        with collecting(abandoned, turn) as collector:
            db.query_sync("SELECT * FROM counter")
        abandoned.forget()
        assert 1 == db.calls.database.nodes, turn
        if collector.lines < turn:
            break
