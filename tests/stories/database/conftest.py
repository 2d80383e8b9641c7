"""A database file, and a way to ask it in either colour."""

from __future__ import annotations

import asyncio
import functools
import inspect
from pathlib import Path
from typing import Any

import pytest

from unbreakable.nodes import DatabaseNode

ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL UNIQUE, seats INTEGER CHECK (seats > 0))"


class Plain:
    """Let a plain transaction be used as if it were async, so that a story is written once."""

    def __init__(self, tx: Any) -> None:
        self.tx = tx

    async def execute(self, *args: Any) -> Any:
        return self.tx.execute(*args)

    def checkpoint(self) -> Any:
        return Block(self.tx.checkpoint())


class Block:
    """The same for its blocks."""

    def __init__(self, block: Any) -> None:
        self.block = block

    async def __aenter__(self) -> Any:
        inside = self.block.__enter__()
        return Plain(inside) if hasattr(inside, "execute") else inside

    async def __aexit__(self, *error: object) -> Any:
        return self.block.__exit__(*error)


def driven(script: Any) -> Any:
    """Return what an async function returns that never waits for anything."""
    try:
        script.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("it waited")


class Asker:
    """Ask a node in one of the two colours."""

    def __init__(self, colour: str) -> None:
        self.colour, self.is_async = colour, colour == "async"

    async def query(self, db: DatabaseNode, *args: Any) -> Any:
        return await db.query(*args) if self.is_async else await asyncio.to_thread(db.query_sync, *args)

    async def told(self, db: DatabaseNode, *args: Any) -> Any:
        door = db.query if self.is_async else db.query_sync
        return await self._asked(door.outcome, *args)

    async def run(self, db: DatabaseNode, fn: Any, key: str | None = None) -> Any:
        return await self._asked(db.run if self.is_async else db.run_sync, self.spelt(fn), key)

    async def run_told(self, db: DatabaseNode, fn: Any, key: str | None = None) -> Any:
        return await self._asked((db.run if self.is_async else db.run_sync).outcome, self.spelt(fn), key)

    def transaction(self, db: DatabaseNode) -> Any:
        return db.transaction() if self.is_async else Block(db.transaction_sync())

    async def _asked(self, door: Any, *args: Any) -> Any:
        if inspect.iscoroutinefunction(door) or self.is_async:
            return await door(*args)
        return await asyncio.to_thread(door, *args)

    def spelt(self, fn: Any) -> Any:
        """Return *fn*, which is async, as this colour spells it."""
        if self.is_async:
            return fn

        @functools.wraps(fn)
        def plain(tx: Any) -> Any:
            return driven(fn(Plain(tx)))

        return plain


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest) -> Asker:
    """Return what asks in one of the two colours."""
    return Asker(request.param)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a database file."""
    return f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"


@pytest.fixture
async def db(url: str) -> Any:
    """Return a node with a table of orders."""
    async with DatabaseNode(url) as node:
        await node.query(ORDERS)
        yield node
