"""What a database of ours is made of is written in it, so that a damaged schema is told from a whole one.

SQLite has no checksums: a flipped bit in the text of a table's definition makes another table of it, and no check of
SQLite's own tells.  What others add to the database is not looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import sqlite3

OBJECTS = """SELECT CAST(type || ' ' || name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master
    WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"""
VERSIONS = "SELECT CAST('version of ' || name AS BLOB), version FROM part"


@contextlib.contextmanager
def sealing(connection: sqlite3.Connection, versions: str = VERSIONS) -> Iterator[None]:
    """Write down what this block, which is within a transaction, makes; *versions* selects numbers to be kept, too."""
    before = _facts(connection, versions) if is_sealed(connection) else {}
    yield
    connection.execute("CREATE TABLE IF NOT EXISTS seal (name BLOB PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID")
    after = _facts(connection, versions)
    connection.executemany("DELETE FROM seal WHERE name = ?", [(name,) for name in before.keys() - after.keys()])
    new = [(name, value) for name, value in after.items() if before.get(name) != value]
    connection.executemany("INSERT OR REPLACE INTO seal VALUES (?, ?)", new)


def broken_at(connection: sqlite3.Connection, versions: str = VERSIONS) -> str | None:
    """Return what is not as it was sealed, None for nothing; a database that was never sealed is taken for whole."""
    if not is_sealed(connection):
        return None
    sealed, found = dict(connection.execute("SELECT name, value FROM seal")), _facts(connection, versions)
    wrong = [name for name, value in sealed.items() if found.get(name) != value]
    return ascii(wrong[0]) if wrong else None


def is_sealed(connection: sqlite3.Connection) -> bool:
    """Return whether it was ever written down what is in the database."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'seal'").fetchone()[0])


def _facts(connection: sqlite3.Connection, versions: str) -> dict[bytes, int]:
    facts = {name: crc32(sql or b"") for name, sql in connection.execute(OBJECTS)}
    (facts[b"format"],) = connection.execute("PRAGMA user_version").fetchone()
    if versions and b"table part" in facts:
        facts.update(connection.execute(versions))
    return facts
