"""What a database says by a code, whatever its driver calls the error."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy.exc import DBAPIError

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.outcome import Failure
from unbreakable.policies.effects import leaves_doubt
from unbreakable.testing import virtual_time


class OfPsycopg2(Exception):
    """Hold the code under another name, where a type of C does: seen only by who asks the object."""

    __slots__ = ("pgcode",)

    def __init__(self, code: str | None) -> None:
        super().__init__("no")
        self.pgcode = code


def of_class(code: object) -> Exception:
    """Return an error as asyncpg and psycopg make them: a class for each code."""
    return type("PostgresError", (Exception,), {"sqlstate": code})("no")


def wrapped(error: Exception) -> Exception:
    """Return what SQLAlchemy makes of a driver's error."""
    return DBAPIError("insert", (), error)


CODES = [
    *((code, Kind.INVALID) for code in ("22001", "22P02", "23505", "23503", "23502", "42P01", "42601", "42S02")),
    *((code, Kind.INVALID) for code in ("0A000", "21000", "3D000", "3F000", "44000")),
    *((code, Kind.CREDENTIALS) for code in ("28000", "28P01")),
    *((code, Kind.TRANSIENT) for code in ("40001", "40P01", "53100", "53200", "55P03", "57P03", "57000")),
    *((code, Kind.UNREACHABLE) for code in ("08000", "08006", "08003", "57P01", "57P02", "57P05", "40003")),
    ("53300", Kind.THROTTLED),
    ("57014", Kind.TIMEOUT),
    *((code, Kind.UNKNOWN) for code in ("P0001", "XX000", "HY000", "55000", "2300", "235050", 23505, None, b"23505")),
]


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_the_code_says_whose_fault_it_is(code, kind):
    """Of the class, of the object, and of what SQLAlchemy hides in its own error."""
    errors = (of_class(code), OfPsycopg2(code), wrapped(of_class(code)), wrapped(OfPsycopg2(code)))

    assert [kind] * 4 == [classify(error) for error in errors]


@pytest.mark.parametrize(
    ("code", "doubt"), [("08006", True), ("40003", True), ("57P01", True), ("23505", False), ("40001", False)]
)
def test_who_hung_up_leaves_in_doubt_what_became_of_it_and_who_said_no_does_not(code, doubt):
    """A deadlock is undone by the database; a server that shuts down may have been at the commit."""
    error = of_class(code)

    assert doubt is leaves_doubt(Failure(error, classify(error)))


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
def test_a_statement_that_was_prepared_before_a_migration_is_worth_a_repeat(wrap):
    """As the documentation of asyncpg says of it; its code says that a feature is missing."""
    error = type("InvalidCachedStatementError", (Exception,), {"sqlstate": "0A000"})("the plan is invalid")

    assert Kind.TRANSIENT is classify(wrap(error))


def test_a_code_that_says_nothing_leaves_it_to_the_name():
    """As without a code, and as with one that is none."""
    integrity = type("IntegrityError", (type("DatabaseError", (Exception,), {"sqlstate": None}),), {})

    assert Kind.INVALID is classify(integrity("no"))


@pytest.mark.parametrize("statement", ["select * from nope", "selec 1", "select nope from (select 1)"])
def test_what_sqlite_cannot_make_sense_of_is_wrong(statement):
    """A missing table or column and a syntax error are its code 1, in an OperationalError like every outage."""
    with closing(sqlite3.connect(":memory:")) as database, pytest.raises(sqlite3.OperationalError) as caught:
        database.execute(statement)

    assert [Kind.INVALID] * 2 == [classify(caught.value), classify(wrapped(caught.value))]


def test_a_lock_of_sqlite_is_no_mistake(tmp_path):
    """Another program's transaction ends."""
    path = str(tmp_path / "db")
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as one,
        closing(sqlite3.connect(path, timeout=0.0)) as other,
    ):
        one.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError, match="locked") as caught:
            other.execute("create table a (b)")

    assert Kind.UNKNOWN is classify(caught.value)


def test_rows_that_are_there_already_shut_the_database_for_nobody():
    """One attempt each, and the circuit stays closed."""

    @ub.protect("db", effects="idempotent")
    async def insert(key: int) -> int:
        if key == 1:
            raise of_class("23505")
        return key

    async def story():
        return [await insert.outcome(key) for key in (1,) * 6 + (2,)]

    with virtual_time():
        outcomes = asyncio.run(story())

    assert [1] * 7 == [outcome.attempts for outcome in outcomes]
    assert outcomes[-1].ok
