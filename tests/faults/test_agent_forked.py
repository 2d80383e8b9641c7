"""A knowledge base on both sides of a fork."""

from __future__ import annotations

import contextlib
import os
import sqlite3

import pytest

import unbreakable as ub
from unbreakable.errors import StateError
from unbreakable.nodes.answering.shelf import Shelf
from unbreakable.storage import forking

pytestmark = [pytest.mark.real, pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")]


def test_what_a_child_adds_is_there_whoever_closes_first(tmp_path):
    """A parent that closes its own does not take the log away from under the child."""
    path = tmp_path / "knowledge.db"
    knowledge = ub.KnowledgeBase(["The first ticket costs 5 pounds."], path=path)
    added, ready = os.pipe()
    go, closed = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            knowledge.add(["The child ticket costs 2 pounds."])
            os.write(ready, b".")
            os.read(go, 1)
            knowledge.add([f"The ticket number {number} costs 7 pounds." for number in range(5)])
            os._exit(0)
        os._exit(1)
    os.read(added, 1)
    knowledge.add(["The parent ticket costs 9 pounds."])
    knowledge.close()
    os.write(closed, b".")
    _, status = os.waitpid(child, 0)

    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert (0, 8) == (status, *connection.execute("SELECT count(*) FROM passage").fetchone())


def test_a_thread_that_forks_within_its_own_transaction_goes_on_with_it_alone(tmp_path, monkeypatch):
    """As from a signal's handler: nobody waits, the parent commits, the child writes nothing and is told why."""
    monkeypatch.setattr(forking, "PATIENCE", 1_000.0)
    shelf = Shelf(tmp_path / "knowledge.db", [["CREATE TABLE item (name TEXT)"]])
    parent, errors = os.getpid(), []
    try:
        with shelf.writing() as connection:
            connection.execute("INSERT INTO item VALUES ('one')")
            child = os.fork()
            connection.execute("INSERT INTO item VALUES ('two')")
    except StateError as error:
        errors.append(str(error))
    if os.getpid() != parent:
        try:
            with shelf.at_work():
                pass
        except StateError as error:
            errors.append(str(error))
        os._exit(0 if len(errors) == 2 and "process was forked" in errors[1] else 1)

    assert ([], 0) == (errors, os.waitpid(child, 0)[1])
    with shelf.at_work() as connection:
        assert [("one",), ("two",)] == connection.execute("SELECT name FROM item").fetchall()
    shelf.close()
