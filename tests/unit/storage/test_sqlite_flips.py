"""Whichever bit of a state file flips, it is used, refused or set aside, and never in the way for good."""

from __future__ import annotations

import random
import sqlite3
import warnings
from collections import Counter

import pytest

from unbreakable.errors import StateError, StateNotOurs, StateSetAsideWarning
from unbreakable.storage.sqlite import Schema, StateFile

NOTES = Schema(
    "notes",
    (
        (
            "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, state TEXT NOT NULL)",
            "CREATE INDEX note_by_state ON note (state)",
        ),
    ),
)
ADD = ("INSERT INTO note (text, state) VALUES (?, ?)", ("new", "begun"))


@pytest.fixture
def path(tmp_path):
    """Return the place of a state file that holds something."""
    path = tmp_path / "state.db"
    file = StateFile(path)
    file.adopt(NOTES)
    for number in range(50):
        file.write([("INSERT INTO note (text, state) VALUES (?, ?)", (f"note {number} " * 20, "done"))])
    file.close()
    return path


def used(path):
    """Return what becomes of the file when it is opened and written to; SQLite's own errors would be raised."""
    try:
        file = StateFile(path)
    except StateNotOurs:
        return "not ours"
    try:
        file.adopt(NOTES)
        file.write([ADD])
    finally:
        file.close()
    return "works" if file.set_aside is None else "set aside"


def flipped(data, at, bit):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_keeps_nobody_from_working(path, seed):
    """In the header, the schema or the pages after it; what is set aside is told before."""
    dice, good, ends = random.Random(seed), path.read_bytes(), Counter()
    for _ in range(100):
        at = dice.choice([dice.randrange(100), dice.randrange(100, 4096), dice.randrange(3_000, 4096), 4096])
        at = dice.randrange(4096, len(good)) if at == 4096 else at
        path.write_bytes(flipped(good, at, dice.randrange(8)))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            end = used(path)
        ends[end] += 1
        assert (end == "set aside") is any(warning.category is StateSetAsideWarning for warning in told), at
        for beside in path.parent.glob("state.db-*"):
            beside.unlink()

    assert {"works", "set aside"} <= set(ends)


@pytest.mark.parametrize(("old", "new"), [(b"state TEXT NOT", b"rtate TEXT NOT"), (b"TABLE note", b"\xd4ABLE note")])
def test_a_schema_that_is_not_ours_any_more_is_damage(path, old, new):
    """A column of another name is as bad as text that is none."""
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.warns(StateSetAsideWarning, match="its (schema|content) is damaged"):
        assert "set aside" == used(path)


def test_what_others_add_to_a_state_file_is_no_damage(path):
    """An index for somebody's own questions does no harm, and neither does taking it away."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE INDEX mine ON note (text)")
    connection.execute("ANALYZE")
    assert "works" == used(path)
    connection.execute("DROP INDEX mine")
    connection.close()

    assert "works" == used(path)


def test_a_file_from_before_the_seal_is_sealed(path):
    """It is taken for whole when it is opened first."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TABLE seal")
    connection.close()
    assert "works" == used(path)
    path.write_bytes(path.read_bytes().replace(b"state TEXT NOT", b"rtate TEXT NOT"))

    with pytest.warns(StateSetAsideWarning):
        assert "set aside" == used(path)


def test_text_that_is_none_is_told_as_damage(path):
    """Where it comes up, by an error of ours."""
    path.write_bytes(path.read_bytes().replace(b"note 7 note", b"note \xff note"))
    file = StateFile(path)
    with pytest.raises(StateError, match="its content is damaged"):
        file.read("SELECT text FROM note")
    file.close()
