"""What is written can be found, also when somebody has changed the file behind our back."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

pytestmark = pytest.mark.real

ADD = "INSERT INTO counter (note) VALUES ('x')"


async def test_nothing_is_written_to_a_file_that_was_deleted(path, db):
    """SQLite would go on with the file that nobody can open any more; what begins later finds an empty one."""
    await db.query(ADD)
    await db.query("SELECT * FROM counter")
    for each in path.parent.iterdir():
        each.unlink()

    with pytest.raises(OperationalError, match="no such table"):
        await db.query("SELECT * FROM counter")
    with pytest.raises(OperationalError, match="no such table"):
        await db.query(ADD)


async def test_a_file_that_was_put_in_the_place_of_another_is_the_one_that_counts(path, db, found):
    """A backup that is put back is read and written from then on, by readers and by the one who writes."""
    backup = path.with_name("backup.db")
    await db.query(ADD)
    with sqlite3.connect(path) as here, sqlite3.connect(backup) as there:
        here.backup(there)
    here.close()
    there.close()
    await db.query(ADD)
    backup.replace(path)  # beside which SQLite finds the log of the other one

    assert 1 == (await db.query("SELECT count(*) FROM counter")).scalar()
    await db.query(ADD)
    assert 2 == found()
