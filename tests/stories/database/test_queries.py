"""One statement is asked: its rows, its mistakes, and what neither the caller nor the database did wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import sqlite3
import types

import pytest
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, insert, literal, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, StatementError

import unbreakable as ub
from unbreakable import errors
from unbreakable.nodes import DatabaseNode, DatabaseStatus
from unbreakable.nodes.database.statements import Statement

pytestmark = pytest.mark.real

ADD = "INSERT INTO orders (item, seats) VALUES (:item, :seats)"


async def test_rows_come_back(db, ask):
    """What was written is read, by name and by place."""
    written = await ask.query(db, ADD, {"item": "CAI", "seats": 2})
    rows = await ask.query(db, "SELECT id, item FROM orders WHERE seats = :seats", {"seats": 2})

    assert (1, 0) == (written.rowcount, len(written))
    assert (("id", "item"), 1, "CAI") == (rows.columns, rows.one().id, rows[0]["item"])


async def test_any_mapping_will_do(db, ask):
    """Parameters need not be a plain dictionary, nor a plain list of them."""
    frozen = types.MappingProxyType({"item": "a", "seats": 1})
    await ask.query(db, ADD, frozen)
    await ask.query(db, ADD, ({**frozen, "item": "b"}, types.MappingProxyType({"item": "c", "seats": 2})))

    assert 3 == (await db.query("SELECT count(*) FROM orders")).scalar()


async def test_a_circuit_that_is_open_refuses_everything(db, ask):
    """One database has one circuit: for statements, functions and blocks."""
    db.breaker.force_open()

    async def block():
        async with ask.transaction(db):
            raise AssertionError

    for refused in (ask.query(db, "SELECT 1"), ask.query(db, ADD), ask.run(db, block), block()):
        with pytest.raises(errors.CircuitOpen):
            await refused


async def test_many_rows_are_written_with_one_statement(db, ask):
    """A list of dictionaries carries the statement out for each, all of them or none."""
    rows = await ask.query(db, ADD, [{"item": "a", "seats": 1}, {"item": "b", "seats": 2}])
    with pytest.raises(IntegrityError):
        await ask.query(db, ADD, [{"item": "c", "seats": 1}, {"item": "b", "seats": 2}])

    assert 2 == rows.rowcount
    assert 2 == (await db.query("SELECT count(*) FROM orders")).scalar()


async def test_what_was_written_may_be_returned(db, ask):
    """RETURNING gives the rows that were changed."""
    rows = await ask.query(db, f"{ADD} RETURNING id, item", {"item": "a", "seats": 1})

    assert ([(1, "a")], 1) == (list(rows), rows.rowcount)


async def test_statements_of_sqlalchemy_are_taken(db, ask):
    """What is built with SQLAlchemy keeps its types, and whether it reads is known as well."""
    flights = Table("flights", MetaData(), Column("id", Integer, primary_key=True), Column("at", DateTime))
    at = dt.datetime(2026, 11, 25, 9, 30)  # noqa: DTZ001 - SQLite keeps no zone
    await ask.query(db, "CREATE TABLE flights (id INTEGER PRIMARY KEY, at TEXT)")
    await ask.query(db, insert(flights).values(at=at))
    rows = await ask.query(db, select(flights.c.at))
    plain = await ask.query(db, text("SELECT at FROM flights WHERE at = :at"), {"at": at})

    assert (at, "2026-11-25 09:30:00.000000") == (rows.scalar(), plain.scalar())


async def test_without_params_the_text_is_left_alone(db, ask):
    """A colon in a text is a colon."""
    assert "at :noon" == (await ask.query(db, "SELECT 'at :noon'")).scalar()


@pytest.mark.parametrize(
    ("sql", "params", "kind"),
    [
        ("SELEC 1", None, OperationalError),
        ("SELECT * FROM nothing", None, OperationalError),
        (ADD, {"item": None, "seats": 1}, IntegrityError),
        (ADD, {"item": "a", "seats": 0}, IntegrityError),
        (ADD, {"item": "a"}, StatementError),
        (ADD, {"item": "a", "seats": [1]}, DatabaseError),
        (ADD, {"item": "a", "seats": 2**80}, OverflowError),
        ("SELECT :text", {"text": "\ud800"}, UnicodeEncodeError),
        ("SELECT 1; SELECT 2", None, DatabaseError),
    ],
)
async def test_a_callers_mistake_is_told_once(url, ask, sql, params, kind):
    """It is raised as it is, is not repeated, and says nothing against the database."""
    async with DatabaseNode(url, breaker=ub.CircuitBreaker(1)) as db:
        await db.query("CREATE TABLE orders (item TEXT NOT NULL, seats INTEGER CHECK (seats > 0))")
        outcome = await ask.told(db, sql, params)

        assert isinstance(outcome.error, kind)
        assert (1, errors.Kind.INVALID) == (outcome.attempts, outcome.error.kind)
        assert "closed" == db.breaker.state.value


async def test_values_go_by_place_where_the_text_has_question_marks(db, ask):
    """A tuple or a list has a value for each ``?``; a list of them carries the statement out for each."""
    await ask.query(db, "CREATE TABLE stamps (name TEXT, at TEXT)")
    moment = dt.datetime(2026, 1, 2, 3)  # noqa: DTZ001 - SQLite keeps no zone
    await ask.query(db, "INSERT INTO stamps VALUES (?, ?)", [("a", moment), ["b", moment.date()]])

    assert "b" == (await ask.query(db, "SELECT name FROM stamps WHERE name = ? AND 1 = ?", ("b", 1))).scalar()
    assert "x:y" == (await ask.query(db, "SELECT 'x:y' WHERE 1 = ?", [1])).scalar()
    stored = [row["at"] for row in await ask.query(db, "SELECT at FROM stamps ORDER BY name")]
    assert ["2026-01-02 03:00:00.000000", "2026-01-02"] == stored


async def test_a_moment_is_stored_in_one_way(db, ask):
    """Whether the row before has one, too, a date or time goes in as it is looked for."""
    moment = dt.datetime(2026, 1, 2, 3)  # noqa: DTZ001 - SQLite keeps no zone
    rows = [{"name": "none", "at": None}, {"name": "text", "at": "soon"}, {"name": "moment", "at": moment}]
    await ask.query(db, "CREATE TABLE stamps (name TEXT, at TEXT)")
    await ask.query(db, "INSERT INTO stamps VALUES (:name, :at)", rows)
    await ask.query(db, "INSERT INTO stamps VALUES (:name, :at)", rows[::-1])

    found = await ask.query(db, "SELECT name FROM stamps WHERE at = :at", {"at": moment})
    assert [("moment",), ("moment",)] == list(found)


async def test_old_moments_sort_before_young_ones(db, ask):
    """A year before 1000 has four figures, too, however it is handed over; zones are not kept."""
    old = dt.datetime(987, 1, 2, tzinfo=dt.timezone.utc)  # noqa: UP017 - as users write it
    await ask.query(db, "CREATE TABLE stamps (at TEXT)")
    await ask.query(db, "INSERT INTO stamps VALUES (?)", [old])
    await ask.query(db, "INSERT INTO stamps VALUES (:at)", {"at": old})

    stored = [row["at"] for row in await ask.query(db, "SELECT at FROM stamps")]
    assert ["0987-01-02 00:00:00.000000"] * 2 == stored


@pytest.mark.parametrize(
    ("sql", "params", "complaint"),
    [
        (7, None, "sql must be text or a SQLAlchemy statement, not a int"),
        ("SELECT ?", {1}, "params must be a dict .* or a list of either, not a set"),
        ("SELECT ?", [1, {"a": 1}], "params must be a dict"),
        ("SELECT ?", [1, (2,)], "params must be a dict"),
        ("SELECT :a", [], "params must be a dict .* or a list of either, not \\[\\]"),
        (select(literal(1)), (1,), "params must be a dict, or a list of dicts, for a statement that SQLAlchemy built"),
        ("SELECT :a", "a", "params must be a dict"),
    ],
)
async def test_what_cannot_be_asked_is_refused(db, ask, sql, params, complaint):
    """The refusal says what was expected."""
    with pytest.raises(errors.ValidationFailed, match=complaint):
        await ask.query(db, sql, params)


async def test_an_answer_that_is_too_long_is_refused(url, ask):
    """More rows than were agreed on are no answer at all, and what the statement did is undone."""
    async with DatabaseNode(url, most_rows=3) as db:
        await db.query("CREATE TABLE n (i INTEGER)")
        assert 3 == len(await ask.query(db, "VALUES (1), (2), (3)"))
        for statement in ("VALUES (1), (2), (3), (4)", "INSERT INTO n VALUES (1), (2), (3), (4) RETURNING i"):
            with pytest.raises(errors.ValidationFailed, match="more than 3 rows"):
                await ask.query(db, statement)

        assert 0 == (await db.query("SELECT count(*) FROM n")).scalar()


async def test_a_refused_answer_holds_nothing_open(url, tmp_path):
    """As long as its error lives, neither does a reader keep SQLite from tidying its log."""
    async with DatabaseNode(url, most_rows=1) as db:
        await db.query("CREATE TABLE n (i INTEGER)")
        await db.query("INSERT INTO n VALUES (1), (2), (3)")
        outcome = await db.query.outcome("SELECT * FROM n")
        await db.query("INSERT INTO n VALUES (4)")
        with contextlib.closing(sqlite3.connect(tmp_path / "app.db", timeout=0)) as plain:
            busy, *_ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    assert (0, False) == (busy, outcome.ok)


async def test_what_is_taken_for_reading_cannot_write(db):
    """Should a statement ever be misjudged, SQLite refuses it: readers have connections of their own."""
    wrong = Statement("INSERT INTO orders (item) VALUES ('a')", None, reads=True)
    outcome = await db.execute(lambda ctx: db.calls._look(ctx, functools.partial(wrong.execute, most=1)))

    assert "attempt to write a readonly database" in str(outcome.error)


async def test_secrets_are_not_told(db, ask):
    """Neither an error nor its story repeats what was passed."""
    outcome = await ask.told(db, ADD, {"item": None, "seats": "s3cret"})

    assert "s3cret" not in outcome.explain() + str(outcome.error)


async def test_a_mistaken_setting_of_the_connection_does_not_outlive_its_call(db, ask):
    """What a PRAGMA, or an ATTACH, does to a connection is not there for the next call."""
    await ask.query(db, "PRAGMA query_only=ON")
    await ask.query(db, ADD, {"item": "a", "seats": 1})
    await ask.query(db, "ATTACH ':memory:' AS other")
    with pytest.raises(OperationalError, match="unknown database other"):
        await ask.query(db, "CREATE TABLE other.t (a)")


async def test_foreign_keys_count(db, ask):
    """A row that refers to nothing is refused."""
    await ask.query(db, "CREATE TABLE seats (id INTEGER PRIMARY KEY, flight INTEGER REFERENCES orders (id))")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        await ask.query(db, "INSERT INTO seats (flight) VALUES (1)")


async def test_a_constraint_that_is_checked_at_the_commit(db, ask):
    """It is refused there, undone, and the next one works."""
    await ask.query(db, "CREATE TABLE seats (flight INTEGER REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED)")
    outcome = await ask.told(db, "INSERT INTO seats VALUES (1)")
    await ask.query(db, ADD, {"item": "a", "seats": 1})

    assert (IntegrityError, 1) == (type(outcome.error), outcome.attempts)
    assert 0 == (await db.query("SELECT count(*) FROM seats")).scalar()


async def test_the_file_is_safe_by_default(db, tmp_path):
    """A write-ahead log, and one fsync for each commit; "process" is had by asking for it."""
    await db.query("SELECT 1")
    hasty = DatabaseNode(f"sqlite:///{tmp_path / 'hasty.db'}", durability="process")
    settings = [(await node.query("PRAGMA synchronous")).scalar() for node in (db, hasty)]
    await hasty.aclose()

    assert [2, 1] == settings  # FULL, NORMAL
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as plain:
        assert "wal" == plain.execute("PRAGMA journal_mode").fetchone()[0]


async def test_the_safest_wish_counts(tmp_path):
    """Two nodes on one file share its connections, and neither gets less than it asked for."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    async with DatabaseNode(url, durability="process") as hasty:
        await hasty.query("CREATE TABLE t (a)")
        async with DatabaseNode(url) as careful:
            await careful.query("INSERT INTO t VALUES (1)")

            assert 2 == (await hasty.query("PRAGMA synchronous")).scalar()
            assert hasty.calls.database is careful.calls.database


async def test_a_database_in_memory(ask):
    """It is one database for both colours, with transactions and keys, and nobody else's."""
    async with DatabaseNode("sqlite+aiosqlite://") as db, DatabaseNode("sqlite://") as other:
        await ask.query(db, "CREATE TABLE t (a INTEGER)")
        db.query_sync("INSERT INTO t VALUES (1)")
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO t VALUES (2)")

        async def count(tx):
            return (await tx.execute("SELECT count(*) FROM t")).scalar()

        assert [2, 2] == [await ask.run(db, count, "k"), await ask.run(db, count, "k")]
        with pytest.raises(OperationalError, match="no such table"):
            await ask.query(other, "SELECT * FROM t")
        async with db.transaction():
            told = await db.query.outcome("SELECT 1")

        assert "use the transaction's own execute()" in str(told.error)


async def test_the_status_says_how_it_is_doing(db, tmp_path):
    """Its figures are JSON-ready."""
    await db.query(ADD, {"item": "a", "seats": 1})
    status = db.get_status()

    assert isinstance(status, DatabaseStatus)
    assert ("app.db", "durable", "wal") == (status.name, status.durability, status.journal)
    assert {"writing": 0, "reading": 0, "idle": 1, "waiting": 0} == status.connections
    assert {"executed": 0, "replayed": 0, "in_doubt": 0} == status.to_dict()["runs"]


async def test_any_operation_may_be_executed_by_the_node(db):
    """A node's protection is there for the user's own operation, too."""

    async def operation(ctx):
        return (await db.query("SELECT :a", {"a": ctx.input})).scalar()

    assert (7, ub.Status.OK) == ((await db.execute(operation, 7)).value, (await db.execute(operation, 7)).status)


async def test_a_fallback_answers_for_a_broken_database(tmp_path):
    """The keywords of protect hold for queries."""
    (tmp_path / "app.db").write_bytes(b"no database at all" * 100)
    async with DatabaseNode(f"sqlite:///{tmp_path / 'app.db'}", fallback=lambda failure: []) as db:
        outcome = await db.query.outcome("SELECT 1 FROM sqlite_master")

    assert (ub.Status.DEGRADED, []) == (outcome.status, outcome.value)
