"""What a state file acknowledged is there, and what it cannot do it says."""

from __future__ import annotations

import os
import sqlite3
import warnings

import pytest

from unbreakable.errors import (
    StateBroken,
    StateError,
    StateFull,
    StateLocked,
    StateNotOurs,
    StateOwned,
    StateSetAsideWarning,
    StateTooNew,
)
from unbreakable.storage.sqlite import APPLICATION, FORMAT, Schema, StateFile

NOTES = Schema("notes", (("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",),))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def opened():
    """Open state files that are closed when the test is over."""
    files = []

    def open_file(path, durability="process", *schemas):
        file = StateFile(path, durability)
        files.append(file)
        for schema in schemas or (NOTES,):
            file.adopt(schema)
        return file

    yield open_file
    for file in files:
        file.close()


def add(file, *texts):
    file.write([("INSERT INTO note (text) VALUES (?)", (text,)) for text in texts])


def notes(file):
    return [text for (text,) in file.read("SELECT text FROM note ORDER BY id")]


def elsewhere(path, *statements):
    """Carry out statements from outside, as another program would."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_written_is_there_after_opening_again(path, opened):
    """A file outlives its connection."""
    file = opened(path)
    add(file, "one", "two")
    file.close()

    assert ["one", "two"] == notes(opened(path))


def test_a_write_that_fails_in_the_middle_changes_nothing(path, opened):
    """All statements of a write are carried out, or none."""
    file = opened(path)
    with pytest.raises(StateError):
        file.write([("INSERT INTO note (text) VALUES (?)", ("half",)), ("INSERT INTO nowhere VALUES (1)", ())])

    assert [] == notes(file)
    add(file, "whole")
    assert ["whole"] == notes(file)


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("durable", 2)])
def test_durability_decides_when_the_disk_is_asked(path, opened, durability, level):
    """NORMAL survives the process, FULL a power cut; both with a write-ahead log."""
    file = opened(path, durability)

    assert [(level,)] == file.read("PRAGMA synchronous")
    assert [("wal",)] == file.read("PRAGMA journal_mode")


def test_durability_only_grows(path, opened):
    """Whoever shares a file gets at least what they asked for."""
    file = opened(path, "durable")
    file.strengthen("process")

    assert [(2,)] == file.read("PRAGMA synchronous")


def test_a_full_disk_loses_nothing_that_was_acknowledged(path, opened):
    """The write that does not fit is refused, and later ones go on when there is room again."""
    file = opened(path)
    add(file, "kept")
    (pages,) = file.read("PRAGMA page_count")[0]
    file.read(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StateFull, match="there is no room left to write"):
        add(file, "x" * 100_000)

    assert ["kept"] == notes(file)
    file.read(f"PRAGMA max_page_count={pages + 100}")
    add(file, "y" * 100_000)
    assert 2 == len(notes(file))


def test_a_lock_held_by_another_program_is_said_at_once(path, opened):
    """Nobody waits within the file; it works again when the other one is done."""
    file = opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateLocked, match="another program holds its write lock"):
        add(file, "now")
    other.close()
    add(file, "later")

    assert ["later"] == notes(file)


# ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_missing_folders_are_made(tmp_path, opened):
    """A first start needs no preparation."""
    opened(tmp_path / "a" / "b" / "state.db")

    assert (tmp_path / "a" / "b" / "state.db").exists()


def test_a_file_has_one_owner_who_is_named(path, opened):
    """Whoever else wants it learns whom to stop."""
    opened(path)
    with pytest.raises(StateOwned) as caught:
        StateFile(path)

    assert os.getpid() == caught.value.pid
    assert f"is in use by process {os.getpid()}; stop it, or name another state file" in str(caught.value)


def test_a_file_that_was_closed_has_no_owner(path, opened):
    """Closing, also twice, gives it free."""
    file = opened(path)
    file.close()
    file.close()

    assert [] == notes(opened(path))


def test_a_refused_file_is_given_free(path, opened):
    """A failed opening leaves no lock behind."""
    elsewhere(path, "CREATE TABLE theirs (x)")
    for _ in range(2):
        with pytest.raises(StateNotOurs):
            StateFile(path)


def test_a_database_of_another_program_is_not_touched(path):
    """Nothing of ours is written into somebody's application data."""
    elsewhere(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StateNotOurs, match="a database of another program; name another state file"):
        StateFile(path)

    assert before == path.read_bytes()


def test_a_file_that_is_no_database_is_not_touched(path):
    """A path that was mistyped is not renamed away."""
    path.write_text("my shopping list, which is long enough to be taken for a page of a database\n" * 20)
    before = path.read_bytes()
    with pytest.raises(StateNotOurs, match="not a state file of Unbreakable; name another one"):
        StateFile(path)

    assert before == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"my shopping list\n" * 200])
def test_a_refusal_leaves_nothing_behind(tmp_path, content):
    """Where somebody else's file was refused there is no lock file of ours, however often it is tried."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    if not content:
        elsewhere(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    for _ in range(3):
        with pytest.raises(StateNotOurs):
            StateFile(path)

    assert before == path.read_bytes()
    assert ["notes.txt"] == [each.name for each in tmp_path.iterdir()]


def test_a_lock_file_alone_does_not_make_a_file_ours(path):
    """Only a file that once was opened is set aside when it is broken: a lock may be left by whoever died early."""
    path.write_text("my shopping list, which is long enough to be taken for a page of a database\n" * 20)
    path.with_name("state.db.lock").write_text("4711\n")
    for _ in range(2):
        with pytest.raises(StateNotOurs):
            StateFile(path)

    assert not list(path.parent.glob("*.broken-*"))


def test_a_lock_that_was_taken_away_meanwhile_is_not_held_for_nothing(path, opened, monkeypatch):
    """Whoever locked a file that somebody refused took away locks the one that is there."""
    lock, real, taken = path.with_name("state.db.lock"), os.open, []

    def take_away_once(name, *rest):
        descriptor = real(name, *rest)
        if name == lock and not taken:
            taken.append(name)
            lock.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", take_away_once)
    opened(path)

    assert lock.exists()
    with pytest.raises(StateOwned):
        StateFile(path)


def test_a_file_of_a_newer_version_is_refused(path, opened):
    """An old program must not write into a format that it does not know."""
    opened(path).close()
    reseal = "UPDATE seal SET value = value + 1 WHERE name = CAST('format' AS BLOB)"
    elsewhere(path, f"PRAGMA user_version = {FORMAT + 1}", reseal)
    with pytest.raises(
        StateTooNew, match=f"format {FORMAT + 1} of a newer Unbreakable, this one reads {FORMAT}; upgrade"
    ):
        StateFile(path)


def test_the_file_bears_our_mark(path, opened):
    """Other programs, and we, can tell whose it is."""
    opened(path).close()

    assert APPLICATION.to_bytes(4, "big") == path.read_bytes()[68:72]


# ── schemas ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LATER = Schema("notes", (*NOTES.migrations, ("ALTER TABLE note ADD COLUMN at REAL", "UPDATE note SET at = 0")))
WRONG = Schema("notes", (*NOTES.migrations, ("ALTER TABLE note ADD COLUMN at REAL", "UPDATE nowhere SET at = 0")))


def test_tables_are_brought_up_to_date(path, opened):
    """What was written in an old version is there in the new one; a migration runs once."""
    file = opened(path)
    add(file, "old")
    file.adopt(LATER)
    file.adopt(LATER)

    assert [("old", 0.0)] == file.read("SELECT text, at FROM note")


def test_a_migration_that_fails_leaves_the_old_version(path, opened):
    """The next start can try again."""
    file = opened(path)
    with pytest.raises(StateError):
        file.adopt(WRONG)
    file.adopt(LATER)

    assert [("notes", 2)] == file.read("SELECT name, version FROM part")


def test_tables_of_a_newer_version_are_refused(path, opened):
    """The message says which part is newer than the program."""
    file = opened(path, "process", LATER)
    with pytest.raises(StateTooNew, match="its notes were written in version 2 by a newer Unbreakable"):
        file.adopt(NOTES)


def test_parts_keep_their_versions_apart(path, opened):
    """Several parts of the library may live in one file."""
    file = opened(path, "process", LATER, Schema("other", (("CREATE TABLE other (x)",),)))

    assert [("notes", 2), ("other", 1)] == file.read("SELECT name, version FROM part ORDER BY name")


# ── broken files ────────────────────────────────────────────────────────────────────────────────────────────────────


def damage_header(path):
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


def damage_mark(path):
    data = bytearray(path.read_bytes())
    data[3] ^= 0xFF
    path.write_bytes(data)


def damage_pages(path):
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 64] = b"\xff" * 64
    path.write_bytes(data)


def damage_index(path):
    connection = sqlite3.connect(path)
    [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_part_1'")
    connection.close()
    data = bytearray(path.read_bytes())
    data[data.rindex(b"notes", 0, page * 4096)] ^= 1
    path.write_bytes(data)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:5000])


def cut_off(path):
    path.write_bytes(b"")


def all_but_cut_off(path):
    path.write_bytes(path.read_bytes()[:1])


@pytest.mark.parametrize(
    "damage", [damage_header, damage_mark, damage_pages, damage_index, cut_short, cut_off, all_but_cut_off]
)
def test_a_broken_file_is_set_aside_loudly(path, opened, damage):
    """It is renamed, not deleted, and work goes on with an empty one."""
    file = opened(path)
    add(file, *("x" * 1000 for _ in range(50)))
    file.close()
    damage(path)
    broken = path.read_bytes()
    with pytest.warns(StateSetAsideWarning, match="it is set aside as state.db.broken-"):
        file = opened(path)

    assert broken == file.set_aside.read_bytes()
    assert [] == notes(file)


def test_whoever_turns_the_warning_into_an_error_keeps_the_broken_file_in_place(path, opened):
    """The warning comes before the rename, so that a person can decide."""
    opened(path).close()
    damage_header(path)
    broken = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error", StateSetAsideWarning)
        for _ in range(2):
            with pytest.raises(StateSetAsideWarning):
                StateFile(path)

    assert broken == path.read_bytes()


def test_damage_that_comes_up_later_is_said(path, opened):
    """A page that breaks under an open file is an error of that read, not a silent gap."""
    file = opened(path)
    add(file, *("x" * 1000 for _ in range(200)))
    file.read("PRAGMA wal_checkpoint(TRUNCATE)")
    file.read("PRAGMA shrink_memory")
    damage_pages(path)
    with pytest.raises(StateBroken, match="its content is damaged"):
        notes(file)


def test_a_folder_that_cannot_be_made_is_said(path):
    """Whatever is wrong with the place, it is a trouble of the state file."""
    path.write_text("a file, not a folder")
    with pytest.raises(StateError, match="its folder cannot be made"):
        StateFile(path / "deeper" / "state.db")


def test_a_full_disk_keeps_nobody_from_owning_a_file(path, opened, monkeypatch):
    """The lock is the kernel's; only the owner's number needs room."""

    def is_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", is_full)
    add(opened(path), "written")
    with pytest.raises(StateOwned, match="is in use by another process") as refused:
        StateFile(path)

    assert refused.value.pid is None
