"""A transaction that goes on beside what has failed is known to the call around it, from its beginning to its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

import unbreakable as ub

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES ('sold')"
AT_ONCE = ub.Retry(3, backoff=ub.Backoff(0.0))


class Gate:
    """Let the work inside begin and end when the test says so."""

    def __init__(self):
        self.entered, self.released = asyncio.Event(), asyncio.Event()

    async def pass_through(self):
        self.entered.set()
        await self.released.wait()


async def block(db, gate):
    async with db.transaction() as tx:
        await tx.execute(ADD)
        await gate.pass_through()


async def checkpoint(db, gate):
    async with db.transaction() as tx, tx.checkpoint():
        await tx.execute(ADD)
        await gate.pass_through()


async def function(db, gate):
    async def fn(tx):
        await tx.execute(ADD)
        await gate.pass_through()

    await db.run(fn)


async def empty(db, gate):
    """Write late: nobody knows it when the sibling fails."""
    async with db.transaction() as tx:
        await gate.pass_through()
        await tx.execute(ADD)


WAYS = pytest.mark.parametrize("book", [block, checkpoint, function, empty])


@WAYS
async def test_a_transaction_that_is_under_way_is_not_begun_again(db, found, book):
    """A look beside it has failed; the booking has not, and is committed a moment later."""
    tries, tasks, gate = [], set(), Gate()

    async def look():
        await gate.entered.wait()
        raise ConnectionResetError

    @ub.protect("buy", retry=AT_ONCE, breaker=False)
    async def buy():
        tries.append(1)
        booking = asyncio.create_task(book(db, gate))
        tasks.add(booking)
        await asyncio.gather(booking, look())

    outcome = await buy.outcome()
    gate.released.set()
    await asyncio.gather(*tasks)

    assert (1, 1, 1) == (len(tries), outcome.attempts, found())


@WAYS
async def test_a_step_that_leaves_a_transaction_under_way_is_undone_after_it(db, found, book):
    """That the mail server refused the connection is no word on the booking, which is still being made."""
    gate, kept, seen = Gate(), [], []

    async def order():
        kept.append(asyncio.create_task(book(db, gate)))
        await gate.entered.wait()
        asyncio.get_running_loop().call_soon(gate.released.set)
        raise ConnectionRefusedError("mail is down")

    async def cancel(ctx):
        seen.append((found(), ctx.state["certain"]))

    steps = [ub.Step("order", order, compensate=cancel)]
    result = await ub.OrchestratorNode(retry=False).orchestrate(steps)

    assert ("compensated", "undone", [(1, False)]) == (result.status.value, result.ledger["order"].value, seen)


@pytest.mark.parametrize("error", [None, ValueError("sold out")])
async def test_a_transaction_that_has_ended_is_under_way_no_more(db, found, error):
    """Committed it is done, undone it is as if it had not been."""

    async def order():
        try:
            async with db.transaction() as tx:
                await tx.execute(ADD)
                assert 1 == len(ub.current().deeds.at_work)
                if error is not None:
                    raise error
        except ValueError:
            pass
        assert not ub.current().deeds.at_work
        raise ConnectionRefusedError

    result = await ub.OrchestratorNode(retry=False).orchestrate([ub.Step("order", order, kind="pivot")])

    expected = ("uncertain", 1) if error is None else ("not_begun", 0)
    assert expected == (result.ledger["order"].value, found())


def test_a_plain_transaction_that_is_under_way_in_a_thread_is_not_begun_again(path, found):
    """The thread knows of the call around it, as those of asyncio do."""
    tries, threads, entered, released = [], [], threading.Event(), threading.Event()

    def book(db):
        with db.transaction_sync() as tx:
            tx.execute(ADD)
            entered.set()
            released.wait(60)

    @ub.protect("buy", retry=AT_ONCE, breaker=False)
    async def buy():
        tries.append(1)
        threads.append(asyncio.create_task(asyncio.to_thread(book, db)))
        await asyncio.to_thread(entered.wait, 10.0)
        raise ConnectionResetError

    async def story():
        outcome = await buy.outcome()
        released.set()
        await asyncio.gather(*threads)
        return outcome.attempts

    with ub.DatabaseNode(f"sqlite:///{path}") as db:
        assert (1, 1, 1) == (asyncio.run(story()), len(tries), found())
