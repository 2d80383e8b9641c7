"""A row for each key says that its work is done, in the very transaction that did it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Column, Connection, Float, Integer, MetaData, Table, Text, bindparam, func, inspect, select
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.schema import CreateTable

from unbreakable.storage.stamp import time_of_day

MOST_MADE = 10_000  # rows kept of keys that nobody gave: they serve repeats inside one call, which follow soon


class Done(NamedTuple):
    """Hold the name of the function that did the work, and what it returned as JSON."""

    fn: str
    result: str


class KeyTable:
    """Keep the newest *keep* rows in the table of that *name*, which is made when it is first needed."""

    def __init__(self, name: str, keep: int) -> None:
        self.table = Table(
            name,
            MetaData(),
            Column("number", Integer, primary_key=True),  # the order in which they came
            Column("key", Text, nullable=False, unique=True),
            Column("fn", Text, nullable=False),
            Column("at", Float, nullable=False),  # seconds since 1970, for people
            Column("result", Text),
        )
        columns = self.table.c
        newest = select(func.max(columns.number)).scalar_subquery()
        self.make = str(CreateTable(self.table, if_not_exists=True).compile(dialect=dialect()))
        self.add = insert(self.table).on_conflict_do_nothing(index_elements=[columns.key]).inline()
        self.fill = self.table.update().where(columns.key == bindparam("mine")).values(result=bindparam("result"))
        self.look = select(columns.fn, columns.result).where(columns.key == bindparam("mine"))
        self.forget = self.table.delete().where(columns.number <= newest - keep)

    def claim(self, connection: Connection, key: str, fn: str) -> Done | None:
        """Write the row of *key* and return None; or return what is written there, because the work was done."""
        connection.exec_driver_sql(self.make)
        claimed = connection.execute(self.add, {"key": key, "fn": fn, "at": time_of_day()})
        return None if claimed.rowcount == 1 else self._read(connection, key)

    def finish(self, connection: Connection, key: str, result: str) -> None:
        """Write what the function returned; forget the rows that are too old."""
        if connection.execute(self.fill, {"mine": key, "result": result}).rowcount != 1:
            raise RuntimeError(f"the row of key {key!r} in {self.table} is gone: the function must not touch it")
        connection.execute(self.forget)

    def find(self, connection: Connection, key: str) -> Done | None:
        """Return what is written for *key*, None when its work was not done."""
        return self._read(connection, key) if inspect(connection).has_table(self.table.name) else None

    def _read(self, connection: Connection, key: str) -> Done | None:
        row = connection.execute(self.look, {"mine": key}).first()
        return None if row is None else Done(*row)
