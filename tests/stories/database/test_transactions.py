"""What is done in a transaction is done altogether or not at all, and a checkpoint does that for a part."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from unbreakable import errors
from unbreakable.nodes import DatabaseNode
from unbreakable.policies import CircuitBreaker

pytestmark = pytest.mark.real

ADD = "INSERT INTO orders (item) VALUES (:item)"


async def items(db):
    return [row.item for row in await db.query("SELECT item FROM orders ORDER BY id")]


async def test_a_block_that_ends_well_is_committed(db, ask, tmp_path):
    """Others see nothing of it before, and all of it after."""
    async with ask.transaction(db) as tx:
        await tx.execute(ADD, {"item": "a"})
        await tx.execute(ADD, {"item": "b"})
        with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as plain:
            before = plain.execute("SELECT count(*) FROM orders").fetchone()

    assert (0,) == before
    assert ["a", "b"] == await items(db)


async def test_a_block_that_raises_leaves_nothing_behind(db, ask):
    """The exception is the block's own."""

    async def block():
        async with ask.transaction(db) as tx:
            await tx.execute(ADD, {"item": "a"})
            raise KeyError("sold out")

    with pytest.raises(KeyError, match="sold out"):
        await block()

    assert [] == await items(db)


async def test_a_part_that_raises_is_undone_alone(db, ask):
    """What was done before and after it stays."""

    async def part(tx):
        async with tx.checkpoint():
            await tx.execute(ADD, {"item": "part"})
            await tx.execute(ADD, {"item": "before"})

    async with ask.transaction(db) as tx:
        await tx.execute(ADD, {"item": "before"})
        with pytest.raises(IntegrityError):
            await part(tx)
        await tx.execute(ADD, {"item": "after"})

    assert ["before", "after"] == await items(db)


async def test_a_part_that_was_kept_goes_with_the_whole(db, ask):
    """What a checkpoint kept is undone with the transaction around it, tables that were made included."""

    async def block():
        async with ask.transaction(db) as tx:
            async with tx.checkpoint():
                await tx.execute(ADD, {"item": "a"})
                await tx.execute("CREATE TABLE made (id INTEGER)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await block()

    assert [] == await items(db)
    assert 0 == (await db.query("SELECT count(*) FROM sqlite_master WHERE name = 'made'")).scalar()


def test_the_driver_alone_would_have_kept_it(tmp_path):
    """The trap that this closes: by default a released savepoint survives the ROLLBACK around it."""
    engine = create_engine(f"sqlite:///{tmp_path / 'app.db'}")

    def block(connection):
        with connection.begin():
            with connection.begin_nested():
                connection.execute(text("INSERT INTO orders VALUES ('a')"))
            raise ZeroDivisionError

    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE orders (item TEXT)"))
        connection.commit()
        with pytest.raises(ZeroDivisionError):
            block(connection)
        survived = connection.execute(text("SELECT count(*) FROM orders")).scalar()
    engine.dispose()

    assert 1 == survived


async def test_what_is_over_cannot_be_used(db, ask):
    """A transaction, and a checkpoint, say so instead of doing something else."""
    async with ask.transaction(db) as tx:
        point = tx.checkpoint()
        async with point:
            await tx.execute(ADD, {"item": "a"})
        with pytest.raises(RuntimeError, match="a checkpoint is entered once"):
            async with point:
                pass
    with pytest.raises(RuntimeError, match="this transaction is over"):
        await tx.execute(ADD, {"item": "b"})
    with pytest.raises(RuntimeError, match="this transaction is over"):
        async with tx.checkpoint():
            pass
    block = ask.transaction(db)
    async with block:
        pass
    with pytest.raises(RuntimeError, match="a transaction is entered once"):
        async with block:
            pass

    assert ["a"] == await items(db)


async def test_a_checkpoint_ends_with_the_one_around_it(db):
    """One that is left after the one around it has nothing to keep, and says so."""
    async with db.transaction() as tx:
        outer, inner = tx.checkpoint(), tx.checkpoint()
        await outer.__aenter__()
        await inner.__aenter__()
        await tx.execute(ADD, {"item": "a"})
        await outer.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="ended together with the one around it"):
            await inner.__aexit__(None, None, None)

    assert ["a"] == await items(db)


async def test_an_undone_part_leaves_no_savepoint(db, ask):
    """A loop over parts that fail does not pile them up in SQLite."""

    async def part(tx):
        async with tx.checkpoint():
            raise ZeroDivisionError

    async with ask.transaction(db) as tx:
        with pytest.raises(ZeroDivisionError):
            await part(tx)
        with pytest.raises(sqlite3.OperationalError, match="no such savepoint"):
            db.calls.database.writer.raw.execute("RELEASE unbreakable_1")


async def test_so_many_checkpoints_and_no_more(db, ask):
    """Thirty-two may be open inside each other."""

    async def deeper(tx, left):
        async with tx.checkpoint():
            if left:
                await deeper(tx, left - 1)

    async with ask.transaction(db) as tx:
        await deeper(tx, 31)
        with pytest.raises(RuntimeError, match="32 checkpoints are open"):
            await deeper(tx, 32)
        await tx.execute(ADD, {"item": "a"})

    assert ["a"] == await items(db)


ENDINGS = ["COMMIT", "/* now */ end", "; ROLLBACK", "begin immediate", "SAVEPOINT a", "-- so\nRELEASE a"]


@pytest.mark.parametrize("words", ENDINGS)
async def test_nobody_ends_a_transaction_behind_its_back(db, ask, words):
    """Statements that begin or end things are refused, inside a transaction and outside."""

    async def block():
        async with ask.transaction(db) as tx:
            await tx.execute(ADD, {"item": "a"})
            await tx.execute(words)

    for wrong in (block(), ask.query(db, words)):
        with pytest.raises(errors.ValidationFailed, match="is not for you to say"):
            await wrong

    assert [] == await items(db)


ENDS_IT_ALL = "INSERT OR ROLLBACK INTO orders (item) VALUES ('a')"


async def test_what_sqlite_has_rolled_back_is_not_gone_on_with(db, ask):
    """When a statement's failure ends the whole transaction, no later statement is done without one."""

    async def block():
        async with ask.transaction(db) as tx:
            await tx.execute(ADD, {"item": "a"})
            with pytest.raises(IntegrityError):
                await tx.execute(ENDS_IT_ALL)
            with pytest.raises(IntegrityError):
                await tx.execute(ADD, {"item": "alone"})

    with pytest.raises(IntegrityError) as raised:
        await block()

    assert any("rolled the whole transaction back" in note for note in raised.value.__notes__)
    assert [] == await items(db)


async def test_what_sqlite_has_rolled_back_is_not_committed(db, ask):
    """A block that swallowed that failure, in a checkpoint even, does not end well."""

    async def part(tx):
        async with tx.checkpoint():
            await tx.execute(ENDS_IT_ALL)

    async def block():
        async with ask.transaction(db) as tx:
            await tx.execute(ADD, {"item": "a"})
            with pytest.raises(IntegrityError):
                await part(tx)

    with pytest.raises(IntegrityError):
        await block()

    assert [] == await items(db)


async def test_one_that_waits_for_itself_is_told(db, ask):
    """Writing beside one's own open transaction would wait for it for ever."""
    async with ask.transaction(db) as tx:
        await tx.execute(ADD, {"item": "a"})
        door = db.query if ask.is_async else db.query_sync
        outcome = await ask_here(door, ADD, {"item": "b"})
        seen = await ask_here(door, "SELECT count(*) FROM orders")

    assert "use the transaction's own execute()" in str(outcome.error)
    assert 0 == seen.value.scalar()
    assert ["a"] == await items(db)


async def ask_here(door, *args):
    outcome = door.outcome(*args)
    return await outcome if asyncio.iscoroutine(outcome) else outcome


async def test_statements_at_the_same_time_are_done_one_by_one(db):
    """Tasks that share a transaction do not get in each other's way."""
    async with db.transaction() as tx:
        await asyncio.gather(*(tx.execute(ADD, {"item": f"{number}"}) for number in range(50)))

    assert 50 == (await db.query("SELECT count(*) FROM orders")).scalar()


async def test_a_statement_that_comes_too_late_is_not_done(db):
    """A task that outlives the block does nothing outside of it."""
    async with db.transaction() as tx:
        late = [asyncio.ensure_future(tx.execute(ADD, {"item": f"{number}"})) for number in range(20)]
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    done = await asyncio.gather(*late, return_exceptions=True)
    async with db.transaction() as other:
        with pytest.raises(RuntimeError):
            await tx.execute(ADD, {"item": "late"})
        await other.execute(ADD, {"item": "other"})
    kept = await items(db)

    assert len([one for one in done if not isinstance(one, Exception)]) == len(kept) - 1
    assert "late" not in kept


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO made SELECT i FROM n"


async def test_a_transaction_has_its_time(url, ask):
    """At the deadline the statement at work is stopped, later ones are refused, and what was done is undone."""
    db, patient = DatabaseNode(url, deadline=0.3), DatabaseNode(url)
    await patient.query("CREATE TABLE made (item TEXT)")

    async def block():
        async with ask.transaction(db) as tx:
            await tx.execute("INSERT INTO made VALUES ('a')")
            with pytest.raises(errors.DeadlineExceeded, match="into the attempt"):
                await tx.execute(ENDLESS)
            await tx.execute("INSERT INTO made VALUES ('b')")

    with pytest.raises(errors.DeadlineExceeded):
        await block()

    assert 0 == (await patient.query("SELECT count(*) FROM made")).scalar()
    await patient.aclose()
    await db.aclose()


async def test_waiting_for_our_own_writer_opens_no_circuit(url, ask):
    """Who finds it busy until the deadline says nothing of the database: it can be read meanwhile."""
    db, patient = DatabaseNode(url, deadline=0.2, breaker=CircuitBreaker(1)), DatabaseNode(url)
    await patient.query("CREATE TABLE made (item TEXT)")
    begun, over = asyncio.Event(), asyncio.Event()

    async def writer():
        async with patient.transaction():
            begun.set()
            await over.wait()

    writing = asyncio.ensure_future(writer())
    await begun.wait()
    ends = [await ask.told(db, "INSERT INTO made VALUES ('a')") for _ in range(2)]

    assert [errors.DeadlineExceeded] * 2 == [type(end.error) for end in ends]
    assert "closed" == db.get_status().breaker
    assert 0 == (await db.query("SELECT count(*) FROM made")).scalar()
    over.set()
    await writing
    await patient.aclose()
    await db.aclose()
