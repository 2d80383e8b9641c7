"""A connection to SQLite whose file was moved leaves no log behind, whoever closes it."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from unbreakable.storage.connection import Connection
from unbreakable.storage.whereabouts import Whereabouts

pytestmark = pytest.mark.real


@pytest.fixture
def place(tmp_path):
    return tmp_path / "app.db"


@pytest.fixture
def opened(place):
    """Return a connection to a file with one row, which lies in the log."""
    connection = sqlite3.connect(place, isolation_level=None, factory=Connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE note AS SELECT 'here' AS words")
    connection.whereabouts = Whereabouts(place)
    yield connection
    connection.close()


def words(place) -> list[str]:
    with contextlib.closing(sqlite3.connect(place)) as plain:
        return [found for (found,) in plain.execute("SELECT words FROM note")]


def test_a_file_that_was_moved_is_whole(place, opened):
    """All that was confirmed is in it, and the log at its old place is empty."""
    moved = place.rename(place.with_name("moved.db"))
    opened.close()

    assert ["here"] == words(moved)
    assert 0 == place.with_name("app.db-wal").stat().st_size


def test_what_is_put_in_its_place_stays_what_it_is(place, opened):
    """There is nothing to copy into it, also when the connection may only read."""
    opened.execute("PRAGMA query_only=ON")
    place.rename(place.with_name("moved.db"))
    with contextlib.closing(sqlite3.connect(place.with_name("backup.db"))) as plain:
        plain.executescript("CREATE TABLE note AS SELECT 'restored' AS words")
    place.with_name("backup.db").rename(place)
    opened.close()

    assert ["restored"] == words(place)


def test_closing_twice_is_the_same_as_once(place, opened):
    """The second time there is nothing left to bring into the file."""
    place.rename(place.with_name("moved.db"))
    opened.close()
    opened.close()

    assert ["here"] == words(place.with_name("moved.db"))
