"""What a pivot knows of the statements in it: what is undone is certain, and so is what is written."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

import unbreakable as ub
from unbreakable.nodes import DatabaseNode

pytestmark = pytest.mark.real

LONG = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


@pytest.fixture
def path(tmp_path):
    """Return a database with a table."""
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE t (i)")
    return path


async def ledger_of(work):
    result = await ub.OrchestratorNode().orchestrate([ub.Step("pay", work, kind="pivot")])
    return result.ledger["pay"].value


@pytest.mark.parametrize("trouble", ["long", "turn", "lock"])
async def test_a_statement_that_was_cut_is_undone(path, trouble):
    """It ran too long, or waited for its turn or another program: nothing is written, and nobody has to look."""
    async with DatabaseNode(f"sqlite:///{path}", deadline=0.2, retry=False) as db:

        async def pay():
            await db.query(LONG if trouble == "long" else "INSERT INTO t VALUES (1)")

        async with contextlib.AsyncExitStack() as stack:
            if trouble == "turn":
                slow = DatabaseNode(f"sqlite:///{path}")
                await stack.enter_async_context(slow)
                await stack.enter_async_context(slow.transaction())
            if trouble == "lock":
                other = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
                other.execute("BEGIN IMMEDIATE")
            ledger = await ledger_of(pay)

    assert ledger in ("failed", "not_begun")


@pytest.mark.parametrize("writes", [True, False])
async def test_what_was_written_before_it_failed_is_known(path, writes):
    """A step whose mail is refused after its row was written has done something; after a look it has not."""
    async with DatabaseNode(f"sqlite:///{path}") as db:

        async def pay():
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO t VALUES (1)" if writes else "SELECT * FROM t")
            raise ConnectionRefusedError

        assert ("uncertain" if writes else "not_begun") == await ledger_of(pay)


@pytest.mark.parametrize("key", ["order-1", None])
async def test_a_function_that_was_run_before_it_failed_is_known(path, key):
    """With a key it may be asked for again, but it has been done."""
    async with DatabaseNode(f"sqlite:///{path}") as db:

        async def insert(tx):
            await tx.execute("INSERT INTO t VALUES (1)")

        async def pay():
            await db.run(insert, key)
            raise ConnectionRefusedError

        assert "uncertain" == await ledger_of(pay)
