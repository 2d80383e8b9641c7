"""A state file on both sides of a fork: whatever was confirmed is there, whoever wrote it and whoever closes first."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.errors import StateError, StateGone
from unbreakable.storage import forking
from unbreakable.storage.lookup import look_up
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import Schema, StateFile, Statement

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

SCHEMA = Schema("test", (("CREATE TABLE item (name TEXT PRIMARY KEY, text TEXT)",),))
LOOK = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM item').fetchall(); c.close()"
STEPS = [ub.Step("a", lambda ctx: "x" * 2000)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "runs.db"


@pytest.fixture
def file(place: Path) -> Iterator[StateFile]:
    file = open_state(place)
    file.adopt(SCHEMA)
    yield file
    close_state(file)


def item(name: str) -> Statement:
    return "INSERT INTO item VALUES (?, ?)", (name, "x" * 2000)


def names(place: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(place)) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
        return [name for (name,) in connection.execute("SELECT name FROM item ORDER BY name")]


def child_of(story: Callable[[], Any]) -> tuple[int, int]:
    """Fork; return the child, and where it writes what *story* returns, as JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            os.write(writer, json.dumps(story()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    return child, reader


def told_by(child: tuple[int, int]) -> Any:
    """Return what the child's story returned."""
    with os.fdopen(child[1]) as answer:
        told = answer.read()
    os.waitpid(child[0], 0)
    return json.loads(told)


def why(story: Callable[[], object]) -> str:
    """Return which error *story* raises."""
    try:
        story()
    except StateError as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def ten_runs(place: Path, tag: str) -> None:
    with ub.OrchestratorNode(state=place) as node:
        for number in range(10):
            node.orchestrate_sync(STEPS, run_id=f"{tag}-{number}")


@pytest.mark.parametrize("opened", [ub.OrchestratorNode, ub.QuantumSystem, ub.SqliteMemory])
def test_a_parent_and_its_child_take_turns(place, opened):
    """Runs that either of them confirmed are on record, although the file was open when the child was forked."""
    (go, gone), (done, ended) = os.pipe(), os.pipe()

    def worker() -> str:
        for turn in range(3):
            os.read(go, 1)
            ten_runs(place, f"child {turn}")
            os.write(ended, b".")
        return "well"

    holder = opened(state=place)
    if opened is ub.OrchestratorNode:
        holder.orchestrate_sync(STEPS, run_id="first")
    child = child_of(worker)
    os.close(ended)  # so that a child which fails keeps nobody waiting
    holder.close() if opened is ub.SqliteMemory else holder.aclose_sync()
    for turn in range(3):
        ten_runs(place, f"parent {turn}")
        os.write(gone, b".")
        os.read(done, 1)

    assert "well" == told_by(child)
    with contextlib.closing(sqlite3.connect(place)) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
        expected = 61 if opened is ub.OrchestratorNode else 60
        assert [(expected,)] == connection.execute("SELECT count(*) FROM run").fetchall()


def test_nothing_is_lost_when_somebody_looks_and_the_child_is_killed(place, file):
    """The log of a child that goes on is the one that others see and keep."""
    (go, gone), (done, ended) = os.pipe(), os.pipe()

    def worker() -> None:
        os.read(go, 1)
        mine = open_state(place)
        mine.write([item("before")])
        os.write(ended, b".")
        os.read(go, 1)
        mine.write([item("after")])
        os.kill(os.getpid(), signal.SIGKILL)

    child, reader = child_of(worker)
    os.close(ended)
    close_state(file)
    os.write(gone, b".")
    os.read(done, 1)
    subprocess.run([sys.executable, "-c", LOOK, place], check=True, timeout=60)
    os.write(gone, b".")
    os.waitpid(child, 0)
    os.close(reader)

    assert ["after", "before"] == names(place)


def test_a_child_neither_inherits_a_connection_nor_takes_the_file(place, file):
    """The parent owns its file all the time, and what it writes after the fork is as safe as before."""
    file.strengthen("durable")
    child = child_of(lambda: [why(lambda: open_state(place)), why(lambda: file.read("SELECT 1"))])

    owned, inherited = told_by(child)
    assert owned.startswith(f"StateOwned: {place} is in use by process {os.getpid()};")
    assert f"StateError: {place}: opened by process {os.getpid()}; open it anew in a forked child" == inherited
    assert [("wal",), (2,)] == file.read("PRAGMA journal_mode") + file.read("PRAGMA synchronous")
    file.write([item("later")])
    assert ["later"] == names(place)


def test_many_forks_in_a_row_leave_a_file_to_write_in(place, file):
    """Each of them closes the file, and each use opens it."""
    count = most(20, 8)
    for number in range(count):
        told_by(child_of(lambda: None))
        told_by(child_of(lambda: None))
        file.write([item(f"{number:02}")])

    assert [f"{number:02}" for number in range(count)] == names(place)


@pytest.mark.parametrize("successor", [None, b"", b"something else" * 100])
def test_a_file_that_was_deleted_or_replaced_after_the_fork_is_gone(place, file, successor):
    """The parent writes into nothing that it finds there, even where that bears the number of its own file."""
    told_by(child_of(lambda: None))
    place.unlink()
    if successor is not None:
        place.write_bytes(successor)

    with pytest.raises(StateGone):
        file.write([item("lost")])
    with pytest.raises(StateGone):
        file.read("SELECT 1")
    assert successor == (place.read_bytes() if place.exists() else None)


def test_a_fork_waits_for_a_thread_that_is_writing(place, file):
    """Its transaction is committed before the child exists, which can use the file once the parent has closed it."""
    begun = threading.Event()

    def statements() -> Iterator[Statement]:
        yield item("one")
        begun.set()
        threading.Event().wait(0.2)
        yield item("two")

    thread = threading.Thread(target=lambda: file.write(statements()))
    thread.start()
    begun.wait(60)
    go, gone = os.pipe()

    def worker() -> str:
        os.read(go, 1)
        open_state(place).write([item("child's")])
        return "well"

    child = child_of(worker)
    thread.join()
    close_state(file)
    os.write(gone, b".")

    assert "well" == told_by(child)
    assert ["child's", "one", "two"] == names(place)


def test_a_child_is_refused_a_file_that_a_thread_of_its_parent_was_writing_in_all_the_time(place, file, monkeypatch):
    """A fork does not wait for ever, and SQLite cannot be trusted in the child then."""
    monkeypatch.setattr(forking, "PATIENCE", 0.05)
    begun, leave = threading.Event(), threading.Event()

    def statements() -> Iterator[Statement]:
        yield item("one")
        begun.set()
        leave.wait(60)
        yield item("two")

    thread = threading.Thread(target=lambda: file.write(statements()))
    thread.start()
    begun.wait(60)
    child = child_of(lambda: [why(lambda: open_state(place)), why(lambda: look_up(place, "SELECT 1"))])
    leave.set()
    thread.join()

    for error in told_by(child):
        assert f"StateError: {place}: this process was forked while its parent was at work in the file" in error
    assert ["one", "two"] == names(place)


def test_a_thread_that_forks_within_its_own_transaction_goes_on_with_it_alone(place, file, monkeypatch):
    """As from a signal's handler: nobody waits, the parent commits, and the child writes nothing of it."""
    monkeypatch.setattr(forking, "PATIENCE", 1_000.0)
    parent, children = os.getpid(), []

    def statements() -> Iterator[Statement]:
        yield item("one")
        children.append(os.fork())
        yield item("two")

    error = why(lambda: file.write(statements()))
    if os.getpid() != parent:
        os._exit(0 if "StateError" in error and "process was forked" in why(lambda: open_state(place)) else 1)

    assert ["none", 0] == [error, os.waitpid(children[0], 0)[1]]
    assert ["one", "two"] == names(place)
    file.write([item("three")])
    assert ["one", "three", "two"] == names(place)
