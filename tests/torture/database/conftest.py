"""A database file, and how others see it."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from unbreakable.nodes import DatabaseNode


@pytest.fixture
def path(tmp_path):
    """Return a file with a counter and a stock."""
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE counter (note TEXT); "
            "CREATE TABLE stock (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO stock VALUES (1, 0);"
        )
    return path


@pytest.fixture
async def db(path):
    """Return a node on it."""
    async with DatabaseNode(f"sqlite:///{path}") as node:
        yield node


@pytest.fixture
def found(path):
    """Return a function that asks from outside: how many rows the counter has, or something else."""

    def found(sql="SELECT count(*) FROM counter"):
        with contextlib.closing(sqlite3.connect(path)) as plain:
            return plain.execute(sql).fetchone()[0]

    return found


@pytest.fixture
def is_free(path):
    """Return a function that says whether nobody holds SQLite's write lock."""

    def is_free():
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as plain:
            plain.execute("BEGIN IMMEDIATE")
            plain.execute("ROLLBACK")
        return True

    return is_free
