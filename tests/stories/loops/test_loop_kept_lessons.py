"""What a loop has learned of its failures is there again in the next process."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from tests.stories.loops.test_loop_kept import Machine

from unbreakable.loops.shelf import SCHEMA
from unbreakable.storage.sqlite import Schema, StateFile


@pytest.fixture
def machine(tmp_path):
    """Return a machine with an empty disk."""
    return Machine(tmp_path)


def spoilt(ctx):
    """Fail by what the fifth iteration, and each twentieth, puts into the state."""
    if ctx.iteration % 20 == 5:
        ctx.state["count"] = None
    ctx.state["count"] = ctx.state.get("count", 0) + 1


def run(machine, seconds, ends="closed", overlap="skip"):
    """Let it run so long in a new process; return its status."""
    return machine.run(seconds, spoilt, interval=1.0, missed="skip", ends=ends, overlap=overlap)[1]


@pytest.mark.parametrize("overlap", ["skip", "allow_all"])
@pytest.mark.parametrize("ends", ["closed", "crash", "stopped"])
def test_what_was_learned_survives_the_process(machine, ends, overlap):
    """The spell of the second process is healed by the second iteration: it took five failures in the first."""
    before = run(machine, 26.5, ends, overlap)
    after = run(machine, 21.0, overlap=overlap)

    assert (5, 1) == (before.ledger.failed, after.ledger.failed - before.ledger.failed)
    assert [known.healing.safe_state_reset for known in after.known_failures] == [(2, 2)]


def test_what_was_learned_is_written_when_it_has_changed(machine):
    """Not with every iteration."""
    run(machine, 26.5)
    with closing(sqlite3.connect(machine.file)) as connection, connection:
        ((records, latest),) = connection.execute("SELECT count(*), max(seq) FROM loop_lessons").fetchall()
    connection.close()

    assert (1, 1) == (records, latest)


@pytest.mark.parametrize("damage", ["crc = crc + 1", "text = '[5]'", "text = X'FF00'"])
def test_damaged_lessons_are_forgotten_and_told(machine, damage, caplog):
    """A wrong belief is worse than none; all else is there."""
    before = run(machine, 26.5)
    with closing(sqlite3.connect(machine.file)) as connection, connection:
        connection.execute("UPDATE loop_lessons SET " + damage)  # noqa: S608 - what it says is above
    connection.close()
    after = run(machine, 3.0)

    assert () == after.known_failures
    assert before.current_iteration < after.current_iteration
    assert "a record of loop note is damaged" in caplog.text
    with closing(sqlite3.connect(machine.file)) as connection, connection:
        assert [("loop_lessons",)] == connection.execute("SELECT kind FROM loop_aside").fetchall()


def test_a_file_from_before_there_were_lessons_goes_on(machine):
    """It gets the table for them when it is opened."""
    file = StateFile(machine.file)
    file.adopt(Schema(SCHEMA.name, SCHEMA.migrations[:1]))
    file.close()
    run(machine, 26.5)

    assert 1 == len(run(machine, 3.5).known_failures)
