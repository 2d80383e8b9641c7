"""Processes that are killed, that hold locks, that fork; disks that are full, and files that are broken."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from tests.nursery import Child

import unbreakable as ub
from unbreakable.errors import DeadlineExceeded, Kind
from unbreakable.nodes import DatabaseNode
from unbreakable.nodes.database import patience

pytestmark = pytest.mark.real

CHILD = Path(__file__).with_name("database_child.py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.db"


def child(*words):
    return Child([CHILD, *words], stdout=subprocess.PIPE)


def said(*words):
    with child(*words) as process:
        out, _ = process.communicate(timeout=60)
    assert 0 == process.returncode
    return out


def effects(path):
    with contextlib.closing(sqlite3.connect(path)) as plain:
        return [key for (key,) in plain.execute("SELECT key FROM effects")]


# ── killed ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_killed_at_any_moment_the_work_is_done_once(path, colour):
    """A process that dies before or after any piece of a run leaves all of it or nothing; doing it again settles it."""
    found = json.loads(said("matrix", path, colour))

    assert {(1, "done k")} == {(rows, result) for _, rows, result in found}
    assert len(found) - 1 == sum(died for died, _, _ in found) >= 12


def test_killed_again_and_again_each_key_is_done_once(path):
    """At whatever moment the process dies, what it acknowledged is there, and nothing is there twice."""
    dice, acknowledged = random.Random(7), set()
    for _ in range(4):
        with child("crowd", path, 200) as process:
            for _ in range(dice.randrange(1, 60)):
                acknowledged.add(process.stdout.readline().strip())
            process.send_signal(signal.SIGKILL)
            acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        kept = effects(path)
        assert {word.removeprefix("done ") for word in acknowledged - {""}} <= set(kept)
        assert len(set(kept)) == len(kept)
    said("crowd", path, 200)

    assert sorted(f"k{number}" for number in range(200)) == sorted(effects(path))


def test_processes_with_the_same_keys_share_the_work(path):
    """Three processes at once do each of 60 keys once, and all of them get every result."""
    said("crowd", path, 0)
    processes = [child("crowd", path, 60) for _ in range(3)]
    told = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    expected = sorted(f"done k{number}" for number in range(60))

    assert [expected] * 3 == [sorted(lines) for lines in told]
    assert sorted(f"k{number}" for number in range(60)) == sorted(effects(path))


# ── locked ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("colour", ["async", "sync"])
async def test_a_lock_of_another_program_is_waited_for(path, colour):
    """A write waits for it, within its deadline, and then succeeds; a read does not wait; the story tells."""
    async with DatabaseNode(f"sqlite:///{path}") as db:
        with child("lock", path, 3.0) as process:
            process.stdout.readline()
            started = time.perf_counter()
            rows = await db.query("SELECT count(*) FROM effects")
            read = time.perf_counter() - started
            add = "INSERT INTO effects VALUES ('a')"
            outcome = await db.query.outcome(add) if colour == "async" else db.query_sync.outcome(add)

    assert (0, ub.Status.OK, 1) == (rows.scalar(), outcome.status, outcome.attempts)
    assert read < 1.5 <= outcome.elapsed + read < 20
    assert "s for the lock of" in outcome.explain()


async def test_a_lock_that_is_kept_too_long_is_told(path):
    """At the deadline the error is SQLite's own, with how long it was waited for; nothing was done, readers go on."""
    async with DatabaseNode(f"sqlite:///{path}", deadline=2.0, breaker=ub.CircuitBreaker(1)) as db:
        with child("lock", path, 20) as process:
            process.stdout.readline()
            outcomes = [await db.query.outcome("INSERT INTO effects VALUES ('a')")]
            outcomes.append(db.query_sync.outcome("INSERT INTO effects VALUES ('a')"))
            # On a slow machine the third attempt may begin so late that it only finds that time is up.
            with pytest.raises(Exception, match=r"database is locked|the deadline came"):
                await db.transaction().__aenter__()
            assert 0 == (await db.query("SELECT count(*) FROM effects")).scalar()
            process.kill()

    # A machine that stands still in the last 0.2 s is late with that; then the error of the time tells of the lock.
    errors = [(outcome.error, outcome.error.__cause__) for outcome in outcomes]
    locks = [error if isinstance(error, OperationalError) else cause for error, cause in errors]
    assert {OperationalError} == {type(lock) for lock in locks}
    assert all("database is locked" in str(error) for error, _ in errors)
    assert all(" s into" in str(error) or " s for it" in str(error.__notes__) for error, _ in errors)
    assert [] == effects(path)


async def test_who_is_cut_while_a_lock_is_waited_for_is_told_of_it(path, monkeypatch):
    """Who could not be told before the time was up gets the error of the time, which names the lock and its error."""
    monkeypatch.setattr(patience, "MARGIN", -20.0)  # nobody is told before: as if the machine had stood still
    async with DatabaseNode(f"sqlite:///{path}", deadline=1.0, breaker=ub.CircuitBreaker(1)) as db:
        with child("lock", path, 20) as process:
            process.stdout.readline()
            outcome = await db.query.outcome("INSERT INTO effects VALUES ('a')")
            process.kill()

    assert isinstance(outcome.error, DeadlineExceeded)
    assert "database is locked" in str(outcome.error)
    assert isinstance(outcome.error.__cause__, OperationalError)
    assert [] == effects(path)


def test_a_forked_child_loses_nothing(path):
    """It works with the same node, on connections of its own, and what it writes is there whatever its parent does."""
    ended, kept = said("fork", path).splitlines()

    assert "0" == ended
    assert "child, after; child, async; child, before; child, last; parent" == kept


def test_a_child_that_was_forked_within_a_transaction_is_refused(path):
    """SQLite could not be trusted in it: it is told so, and its parent's transaction goes on undisturbed."""
    told = said("torn", path).splitlines()

    assert ["True", "True True", "1 1 closed", "0"] == told[:-1]
    assert "parent, after; parent, before" == told[-1]


def test_a_file_that_was_moved_before_a_fork_loses_nothing(path):
    """The fork closes its connections: its log goes into it, and not into the backup that was put in its place."""
    told = said("moved", path, "fork").splitlines()

    assert ["restored 1", "0 StateGone", "restored 1"] == told
    assert (["restored"], 300) == (effects(path), len(effects(path.with_name("archive.db"))))


def test_a_file_that_was_moved_loses_nothing_when_the_program_just_ends(path):
    """Nobody closes the node: the end of the program does."""
    said("moved", path, "exit")

    assert (["restored"], 300) == (effects(path), len(effects(path.with_name("archive.db"))))


# ── files and disks ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_may_not_grow_loses_nothing(path):
    """What was acknowledged is there; a failed commit is unknown without a key, and found out with one."""
    acknowledged, there, bare, keyed, again = said("small", path).split()

    assert acknowledged == there
    assert 10 < int(acknowledged)
    assert ("CommitUnknown", "OperationalError", "1") == (bare, keyed, again)


async def test_a_full_database_is_told_once(path):
    """It is not repeated in vain; the circuit counts it."""
    async with DatabaseNode(f"sqlite:///{path}", breaker=ub.CircuitBreaker(1)) as db:
        await db.query("CREATE TABLE effects (key TEXT)")

        async def grow(tx):
            await tx.execute("PRAGMA max_page_count=10")
            await tx.execute("INSERT INTO effects VALUES (:key)", {"key": "x" * 1_000_000})

        outcome = await db.run.outcome(grow, key="k")

        assert "database or disk is full" in str(outcome.error)
        assert "no room left to write" in str(outcome.error.__notes__)
        assert (1, "open") == (outcome.attempts, db.breaker.state.value)


@pytest.mark.parametrize(
    ("damage", "words", "kind"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "file is not a database", Kind.INVALID),
        (lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096), "malformed", Kind.INVALID),
        (lambda path: path.rename(path.with_name("other")) and path.mkdir(), "unable to open", Kind.UNREACHABLE),
    ],
    ids=["another file", "damaged", "a folder"],
)
async def test_a_broken_file_is_told(path, damage, words, kind):
    """The error is SQLite's own, with a note that names the file; it is not repeated where that would be in vain."""
    db = DatabaseNode(f"sqlite:///{path}", retry=ub.Retry(2, backoff=ub.Backoff(0.001)))
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.executescript("CREATE TABLE effects (key TEXT); INSERT INTO effects VALUES ('a')")
    damage(path)
    outcomes = [await db.query.outcome("SELECT * FROM effects"), db.query_sync.outcome("DELETE FROM effects")]
    await db.aclose()

    for outcome in outcomes:
        assert words in str(outcome.error)
        assert str(path) in str(outcome.error.__notes__)
        assert (kind, 1 if kind is Kind.INVALID else 2) == (outcome.error.kind, outcome.attempts)


def test_a_file_that_may_only_be_read_is_read(path):
    """A write is refused once, with a note; reads and the circuit are as ever."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.db"
        with contextlib.closing(sqlite3.connect(path)) as plain:
            plain.executescript("CREATE TABLE effects (key TEXT)")
        path.chmod(0o444)
        path.parent.chmod(0o755)
        told = said("unprivileged", path).splitlines()

    assert "0" == told[0]
    assert "attempt to write a readonly database" in told[1]
    assert any("it may only be read" in line for line in told)
    assert f"{Kind.INVALID} closed" == told[-1]
