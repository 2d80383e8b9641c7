"""Whether the layer around what was done in a database may be repeated."""

from __future__ import annotations

import contextlib

import pytest

from unbreakable import current, protect

pytestmark = pytest.mark.real

ROW = "INSERT OR REPLACE INTO orders (id, item, seats) VALUES (1, 'tour', 2)"


async def reads_in_a_block(db):
    async with db.transaction() as tx:
        await tx.execute("SELECT * FROM orders")


async def writes_in_a_block(db):
    async with db.transaction() as tx:
        await tx.execute(ROW)


async def undoes_a_block(db):
    with contextlib.suppress(LookupError):
        async with db.transaction() as tx:
            await tx.execute(ROW)
            raise LookupError


async def asks(db):
    await db.query("SELECT * FROM orders")


async def inserts(db):
    await db.query(ROW)


async def row(tx):
    await tx.execute(ROW)


async def no_row(tx):
    await tx.execute(ROW)
    raise LookupError


@protect("charge", effects="once")
async def charge():
    return "charged"


async def charges_in_a_run(db):
    async def fn(tx):
        await charge()
        raise LookupError

    with contextlib.suppress(LookupError):
        await db.run(fn, key=current().idempotency_key)


async def runs(db):
    await db.run(row)


async def runs_by_key(db):
    await db.run(row, key=current().idempotency_key)


async def undoes_a_run(db):
    with contextlib.suppress(LookupError):
        await db.run(no_row)


@pytest.mark.parametrize(
    ("does", "attempts"),
    [
        (reads_in_a_block, 3),
        (writes_in_a_block, 1),
        (undoes_a_block, 3),
        (asks, 3),
        (inserts, 1),
        (runs, 1),
        (runs_by_key, 3),
        (undoes_a_run, 3),
        (charges_in_a_run, 1),
    ],
)
async def test_only_what_was_committed_without_a_key_is_not_repeated(db, does, attempts):
    """To begin does nothing, what was undone was not done, and a key tells that it was."""
    tries = []

    @protect("layer")
    async def layer():
        tries.append(1)
        await does(db)
        raise ConnectionResetError("the mail server")

    outcome = await layer.outcome()

    assert (ConnectionResetError, attempts) == (type(outcome.error), len(tries))
