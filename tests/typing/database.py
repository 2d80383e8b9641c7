"""A database node as its users write it."""

from __future__ import annotations

from typing import assert_type

from sqlalchemy import Integer, column, select

import unbreakable as ub
from unbreakable.nodes import DatabaseNode, DatabaseStatus, Row, Rows, SyncTransaction, Transaction

db = DatabaseNode("sqlite+aiosqlite:///app.db", durability="process", keep=10, retry=ub.Retry(2), hedge=False)


async def book(tx: Transaction) -> int:
    rows = await tx.execute("INSERT INTO orders (item) VALUES (:item) RETURNING id", {"item": "CAI"})
    async with tx.checkpoint():
        await tx.execute("UPDATE orders SET item = :item", [{"item": "a"}, {"item": "b"}])
    return int(rows.one().id)


def book_sync(tx: SyncTransaction) -> dict[str, int]:
    with tx.checkpoint():
        tx.execute("DELETE FROM orders")
    return {"id": 1}


async def use() -> None:
    rows = await db.query("SELECT id, item FROM orders WHERE id = :id", {"id": 1})
    assert_type(rows, Rows)
    assert_type(rows.one(), Row)
    assert_type(rows[0:2], Rows)
    assert_type(rows.first(), Row | None)
    assert_type(await db.query(select(column("id", Integer))), Rows)
    assert_type(await db.query.outcome("SELECT 1"), ub.Outcome[Rows])
    assert_type(await db.run(book, key="order-17"), int)
    assert_type(await db.run.outcome(book), ub.Outcome[int])
    async with db.transaction() as tx:
        assert_type(tx, Transaction)
        assert_type(await tx.execute("SELECT 1"), Rows)
    assert_type(db.get_status(), DatabaseStatus)
    async with db as same:
        assert_type(same, DatabaseNode)


def use_sync() -> None:
    assert_type(db.query_sync("SELECT 1"), Rows)
    assert_type(db.run_sync(book_sync, "order-17"), dict[str, int])
    assert_type(db.run_sync.outcome(book_sync), ub.Outcome[dict[str, int]])
    with db.transaction_sync() as tx:
        assert_type(tx, SyncTransaction)
        assert_type(tx.execute("SELECT 1", {"a": 1}), Rows)
    db.aclose_sync()
