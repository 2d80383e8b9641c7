"""What is written can be found, also when somebody has changed the file behind our back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest

from unbreakable.errors import StateGone

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES ('x')"
COUNT = "SELECT count(*) FROM counter"


def rows(path) -> int:
    """Ask from outside how many rows the counter has."""
    with contextlib.closing(sqlite3.connect(path)) as plain:
        return plain.execute(COUNT).fetchone()[0]


async def test_nothing_is_told_of_a_file_that_was_deleted(path, db):
    """SQLite would go on with the file that nobody can open any more; nobody is told that anything was done."""
    await db.query(ADD)
    await db.query(COUNT)
    for each in path.parent.iterdir():
        each.unlink()

    for sql in (COUNT, ADD) * 5:
        outcome = await db.query.outcome(sql)
        assert (StateGone, 1) == (type(outcome.error), outcome.attempts)
    with pytest.raises(StateGone, match="close all DatabaseNodes of it"):
        await db.run(lambda tx: tx.execute(ADD), key="order-1")
    assert "closed" == db.get_status().breaker
    assert not path.exists()


async def test_who_waited_for_his_turn_is_told_as_well(path, db):
    """A transaction that is under way goes on where it began; what begins after it does not begin."""
    async with db.transaction() as tx:
        await tx.execute(ADD)
        waiting = asyncio.ensure_future(db.query.outcome(ADD))
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
        path.rename(path.with_name("archive.db"))

    assert StateGone is type((await waiting).error)


async def test_a_backup_that_is_put_in_its_place_stays_what_it_is(path, db):
    """SQLite would copy the old one's log into it; once the node was closed, it goes on with the backup."""
    backup = path.with_name("backup.db")
    await db.query(ADD)
    with contextlib.closing(sqlite3.connect(path)) as here, contextlib.closing(sqlite3.connect(backup)) as there:
        here.backup(there)
    await db.query(ADD)
    backup.replace(path)

    with pytest.raises(StateGone):
        await db.query(ADD)
    await db.aclose()

    assert 1 == (await db.query(COUNT)).scalar()
    await db.query(ADD)
    assert 2 == rows(path)


async def test_a_backup_that_comes_while_somebody_connects_stays_what_it_is(path, db, monkeypatch):
    """Whoever opens it knows, before he reads the log beside it, that this is not the file that was here."""
    backup, engine = path.with_name("backup.db"), db.calls.open().engine
    await db.query(ADD)
    with contextlib.closing(sqlite3.connect(path)) as here, contextlib.closing(sqlite3.connect(backup)) as there:
        here.backup(there)
    await db.query(ADD)
    await db.query(COUNT)  # by a connection that keeps the log open
    db.calls.open().writer.worn = True
    connect = engine.connect
    monkeypatch.setattr(engine, "connect", lambda: (backup.exists() and backup.replace(path)) and connect())

    with pytest.raises(StateGone):
        await db.query(ADD)
    await db.aclose()

    assert 1 == rows(path)


async def test_a_database_that_is_moved_away_takes_everything_along(path, db):
    """Its log keeps the old name, where nobody would look for it: what was confirmed comes into the file."""
    archive = path.with_name("archive.db")
    for _ in range(100):
        await db.query(ADD)
    path.rename(archive)

    await db.aclose()

    assert (100, False) == (rows(archive), path.exists())
