"""A knowledge base on both sides of a fork."""

from __future__ import annotations

import contextlib
import os
import sqlite3

import pytest

import unbreakable as ub

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
