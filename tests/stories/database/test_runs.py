"""A function with a key is done exactly once, and its result is remembered."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, OperationalError

import unbreakable as ub
from unbreakable import errors
from unbreakable.errors import NotRecordable
from unbreakable.nodes import DatabaseNode, Rows
from unbreakable.nodes.database import keys as key_rows
from unbreakable.nodes.database.session import Session

pytestmark = pytest.mark.real

ADD = "INSERT INTO orders (item) VALUES (:item)"
SOON = ub.Retry(3, backoff=ub.Backoff(0.001))


ROW = Rows(("id",), [(1,)])[0]


class Work:
    """A function that counts how often it is called, and does as it is told."""

    def __init__(self, result=None, troubles=()):
        self.calls, self.result, self.troubles = 0, result, list(troubles)

    async def book(self, tx):
        self.calls += 1
        await tx.execute(ADD, {"item": f"call {self.calls}"})
        if self.troubles:
            raise self.troubles.pop(0)
        return self.result


def trouble(code, name):
    """Return the error that SQLAlchemy raises when SQLite says *code*."""
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = code
    return OperationalError("…", None, error)


async def count(db):
    return (await db.query("SELECT count(*) FROM orders")).scalar()


async def test_a_key_is_done_once(db, ask):
    """The second call gets the stored result, and the function is not called."""
    work = Work({"id": 1, "seats": [1, 2]})
    first, second = [await ask.run(db, work.book, "order-17") for _ in range(2)]

    assert {"id": 1, "seats": [1, 2]} == first == second
    assert (1, 1) == (work.calls, await count(db))
    assert {"executed": 1, "replayed": 1, "in_doubt": 0} == db.get_status().runs


async def test_a_key_outlives_the_node(url, db, ask):
    """Another node on the same file, as after a restart, replays."""
    work = Work("booked")
    await ask.run(db, work.book, "order-17")
    await db.aclose()
    async with DatabaseNode(url) as later:
        assert "booked" == await ask.run(later, work.book, "order-17")

    assert 1 == work.calls


async def test_both_colours_share_the_keys(db):
    """What async code did is not done again by sync code, when the functions have the same name."""

    async def book(tx):
        return (await tx.execute("INSERT INTO orders (item) VALUES ('a') RETURNING id")).scalar()

    first = await db.run(book, key="k")

    def book(tx):
        raise AssertionError

    book.__qualname__ = test_both_colours_share_the_keys.__qualname__ + ".<locals>.book"

    assert 1 == first == await asyncio.to_thread(db.run_sync, book, "k")


async def test_the_result_is_the_same_each_time(db, ask):
    """What comes back is what is stored: a tuple is a list from the first time on."""
    work = Work((1, ("a", None)))

    assert [[1, ["a", None]]] * 2 == [await ask.run(db, work.book, "k") for _ in range(2)]


async def test_rows_are_a_result(db, ask):
    """What a statement returned may be returned, and is rows again when it is replayed."""

    async def book(tx):
        return await tx.execute("INSERT INTO orders (item) VALUES ('a'), ('b') RETURNING id, item")

    first, second = [await ask.run(db, book, "k") for _ in range(2)]

    assert Rows(("id", "item"), [(1, "a"), (2, "b")], 2) == first == second


async def test_what_the_function_raises_undoes_it(db, ask):
    """Its exception is raised as it is, not repeated, and the key stays free; the database is not to blame."""
    work = Work("done", [ValueError("no seats")] * 9)
    told = [await ask.run_told(db, work.book, "k") for _ in range(9)]
    free = await ask.run(db, work.book, "k")

    assert {"no seats"} == {str(outcome.error) for outcome in told}
    assert (["no seats"], 10) == (list({str(outcome.error) for outcome in told}), work.calls)
    assert ("done", 1, "closed") == (free, await count(db), db.breaker.state.value)


@pytest.mark.parametrize(("code", "name"), [(5, "database is locked"), (517, "snapshot"), (10, "disk I/O error")])
async def test_passing_trouble_of_the_database_repeats_it_whole(url, ask, code, name):
    """What was done before is undone, and the function is called again with a new transaction."""
    async with DatabaseNode(url, retry=SOON) as db:
        await db.query("CREATE TABLE orders (item TEXT)")
        work = Work("done", [trouble(code, name), trouble(code, name)])
        for each in work.troubles:
            calls_mark(each)
        outcome = await ask.run_told(db, work.book, "k")

        assert (ub.Status.HEALED, "done", 3) == (outcome.status, outcome.value, outcome.attempts)
        assert "call 3" == (await db.query("SELECT item FROM orders")).one().item


def calls_mark(error):
    """Say of *error* what a statement that raised it would have said."""
    from unbreakable.nodes.database.trouble import mark

    mark(error, "app.db")


async def test_a_constraint_is_not_repeated(db, ask):
    """A mistake of the function's is told at once."""

    async def twice(tx):
        await tx.execute(ADD, {"item": "a"})
        await tx.execute(ADD, {"item": "a"})

    outcome = await ask.run_told(db, twice, "k")

    assert (IntegrityError, 1, 0) == (type(outcome.error), outcome.attempts, await count(db))


@pytest.mark.parametrize("result", [object(), {1: "a"}, float("nan"), b"bytes", "x" * 2**21, ROW])
async def test_a_result_that_cannot_be_stored_is_told_before_the_commit(db, ask, result):
    """Nothing is done, and the message says what to return instead."""
    work = Work(result)
    with pytest.raises(NotRecordable, match=r"the result of run\('k'\)"):
        await ask.run(db, work.book, "k")

    assert (0, "closed") == (await count(db), db.breaker.state.value)


async def test_a_key_of_another_function_is_refused(db, ask):
    """It would get a result that is not its own, and its work would not be done."""

    async def charge(tx):
        return "charged"

    async def refund(tx):
        return "refunded"

    await ask.run(db, charge, "order-17")
    with pytest.raises(errors.ValidationFailed, match=r"the key of .*charge, whose result is stored; .*refund needs"):
        await ask.run(db, refund, "order-17")


async def test_two_lambdas_are_two_functions(db, ask):
    """A key that was used with one lambda is refused to another in the same place, and not to the same one."""

    async def book(tx, item):
        await tx.execute(ADD, {"item": item})
        return item

    first, second, again = [
        (lambda tx: book(tx, "tea")),
        (lambda tx: book(tx, "coffee")),
        (lambda tx: book(tx, "tea")),
    ]

    assert "tea" == await ask.run(db, first, "order-17")
    assert "tea" == await ask.run(db, again, "order-17")
    with pytest.raises(errors.ValidationFailed, match=r"the key of .*<lambda>.* a lambda that was edited is another"):
        await ask.run(db, second, "order-17")


@pytest.mark.parametrize("key", ["", "x" * 501, 7, b"k", "half a character: \ud800"])
async def test_a_key_that_is_none_is_refused(db, ask, key):
    """The refusal says what a key is."""
    with pytest.raises(errors.ValidationFailed, match="key must be text of 1 to 500 characters"):
        await ask.run(db, Work().book, key)


def test_a_statement_is_no_function(db):
    """The refusal says who takes statements."""
    with pytest.raises(errors.ValidationFailed, match=r"not 'SELECT 1': query\(\) takes statements"):
        db.run_sync("SELECT 1")


async def test_without_a_key_each_call_is_its_own(db, ask):
    """Two calls do the work twice."""
    work = Work()
    for _ in range(2):
        await ask.run(db, work.book)

    assert 2 == await count(db)


@pytest.mark.parametrize("shared", [True, False])
async def test_the_repeats_of_a_call_around_it(db, shared):
    """They do the work again, unless they pass their own key, which is the same for all of them."""
    work, tries = Work("done"), []

    @ub.protect("booking", effects="idempotent", retry=SOON)
    async def booking():
        tries.append(await db.run(work.book, key=ub.current().idempotency_key if shared else None))
        if len(tries) < 3:
            raise ConnectionResetError
        return tries[-1]

    assert "done" == await booking()
    assert (["done"] * 3, 1 if shared else 3) == (tries, await count(db))


async def test_made_keys_tell_calls_apart(db):
    """Calls at the same time, inside one call, are each their own."""
    work = Work("done")

    async def many():
        return await asyncio.gather(*(db.run(work.book) for _ in range(5)))

    outcome = await ub.FractalNode("many").execute(many, idempotency_key="run-1")

    assert (["done"] * 5, 5) == (outcome.value, await count(db))


async def test_an_attempt_that_was_cut_in_its_commit_is_not_done_twice(url, monkeypatch):
    """Where repeats are allowed after a cut, the made key is the same for all attempts of the call."""
    async with DatabaseNode(url, effects="idempotent", timeout=ub.Timeout(0.2), retry=SOON) as db:
        await db.query("CREATE TABLE orders (item TEXT)")
        work, commit = Work("done"), Session._commit

        def slowly(session, last, connection):
            commit(session, last, connection)
            if work.calls == 1:
                threading.Event().wait(0.4)

        monkeypatch.setattr(Session, "_commit", slowly)
        outcome = await db.run.outcome(work.book)

        assert ("done", 2, 1) == (outcome.value, outcome.attempts, work.calls)
        assert 1 == await count(db)


async def test_so_many_keys_are_remembered(url, ask):
    """The oldest make room for the newest; made keys take no room from given ones."""
    async with DatabaseNode(url, keep=3, durability="process") as db:
        await db.query("CREATE TABLE orders (item TEXT)")
        work = Work()
        for number in range(5):
            await ask.run(db, work.book, f"k{number}")
            await ask.run(db, work.book)
        kept = [row.key for row in await db.query("SELECT key FROM unbreakable_run ORDER BY number")]

    assert ["k2", "k3", "k4"] == kept
    assert key_rows.MOST_MADE >= 5


async def test_callers_with_one_key_at_the_same_time(db):
    """One of them does the work, the others wait and get its result."""
    work = Work("done")
    results = await asyncio.gather(*(db.run(work.book, key="k") for _ in range(20)))

    assert (["done"] * 20, 1) == (results, work.calls)


async def test_a_function_that_touches_the_rows_of_keys_is_stopped(db, ask):
    """Without its row nobody could tell that the work was done."""

    async def wipe(tx):
        await tx.execute("DELETE FROM unbreakable_run")

    with pytest.raises(RuntimeError, match="must not touch it"):
        await ask.run(db, wipe, "k")


async def test_the_colours_are_told_apart(db):
    """A plain function is refused by run, an async one by run_sync; nothing is done."""

    async def book(tx):
        await tx.execute(ADD, {"item": "a"})

    def plain(tx):
        return None

    with pytest.raises(TypeError, match="run_sync"):
        await db.run(plain, key="k")
    with pytest.raises(TypeError, match="async function"):
        await asyncio.to_thread(db.run_sync, book, "k")

    assert 0 == await count(db)


# ── in doubt ────────────────────────────────────────────────────────────────────────────────────────────────────────


class LostAnswers:
    """Let a COMMIT fail as it does when the disk fails, undone or done; and then some questions, too."""

    def __init__(self, db, when, times=1, questions=0):
        self.when, self.times, self.questions = when, times, questions
        event.listen(db.calls.open().engine, f"{when}_cursor_execute", self)

    def __call__(self, connection, cursor, statement, parameters, context, many):
        if statement == "COMMIT" and self.times:
            self.times -= 1
            if self.when == "before":
                cursor.connection.rollback()  # as SQLite does
        elif statement.startswith("SELECT unbreakable_run") and self.questions and not self.times:
            self.questions -= 1
        else:
            return
        error = trouble(10, "disk I/O error")
        raise error if self.when == "before" else error.orig  # as SQLAlchemy wraps what comes from the driver


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_to_the_commit_is_found_out(url, ask, when):
    """The row of the key says whether it took place: then its result is returned, else the work is done again."""
    async with DatabaseNode(url, retry=SOON) as db:
        await db.query("CREATE TABLE orders (item TEXT)")
        work = Work("done")
        LostAnswers(db, when, questions=2)
        outcome = await ask.run_told(db, work.book, "k")

        assert ("done", 1) == (outcome.value, await count(db))
        assert {"before": (2, 2), "after": (1, 1)}[when] == (outcome.attempts, work.calls)
        assert (1, 0) == (db.get_status().runs["executed"], db.get_status().runs["in_doubt"])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_cannot_be_found_out_in_time_is_told(url, ask, when):
    """Neither success nor failure is claimed; the key tells later."""
    async with DatabaseNode(url, retry=SOON, deadline=1.0) as db:
        await db.query("CREATE TABLE orders (item TEXT)")
        work = Work("done")
        await ask.run(db, Work().book, "before")
        lost = LostAnswers(db, when, questions=10**9)
        outcome = await ask.run_told(db, work.book, "k")
        lost.questions = 0

        assert (errors.CommitUnknown, "k", 1) == (type(outcome.error), outcome.error.key, outcome.attempts)
        assert "run() with key 'k' again" in outcome.error.__notes__[0]
        assert (1, "done") == (db.get_status().runs["in_doubt"], await ask.run(db, work.book, "k"))
        assert 2 == await count(db)


async def test_a_statement_without_a_key_is_not_repeated_in_doubt(url, ask):
    """A write whose commit nobody answered is told as unknown, once."""
    async with DatabaseNode(url, retry=SOON) as db:
        await db.query("CREATE TABLE orders (item TEXT)")
        LostAnswers(db, "after")
        outcome = await ask.told(db, ADD, {"item": "a"})

        assert (errors.CommitUnknown, 1, 1) == (type(outcome.error), outcome.attempts, await count(db))


async def test_asking_in_doubt_needs_no_table(url, ask):
    """When the very first run fails at its commit there is no row, and no table for it."""
    async with DatabaseNode(url, retry=False) as db:
        LostAnswers(db, "before")

        async def nothing(tx):
            return None

        outcome = await ask.run_told(db, nothing, "k")

        assert isinstance(outcome.error, OperationalError)
        assert None is await ask.run(db, nothing, "k")
