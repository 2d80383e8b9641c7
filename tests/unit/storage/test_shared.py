"""Who names the same file gets the same connection."""

from __future__ import annotations

import os
import threading

import pytest

from unbreakable.errors import ConfigurationError, StateError
from unbreakable.storage.owner import Ownership
from unbreakable.storage.shared import close_state, open_state, place_of
from unbreakable.storage.sqlite import Schema, StateFile

OLD = Schema("notes", (("CREATE TABLE note (text TEXT)",),))
NEW = Schema("notes", (*OLD.migrations, ("ALTER TABLE note ADD COLUMN at REAL",)))


def test_the_same_file_is_opened_once(tmp_path):
    """However its path is written."""
    (tmp_path / "link.db").symlink_to(tmp_path / "state.db")
    files = [open_state(tmp_path / "state.db"), open_state(f"{tmp_path}/./state.db"), open_state(tmp_path / "link.db")]
    for file in files:
        close_state(file)

    assert 1 == len(set(map(id, files)))


def test_the_last_one_closes_the_file(tmp_path):
    """Until then the others go on with it."""
    first, second = open_state(tmp_path / "state.db"), open_state(tmp_path / "state.db")
    close_state(first)
    assert [(1,)] == second.read("SELECT 1")
    close_state(second)
    close_state(second)

    third = open_state(tmp_path / "state.db")
    assert third is not second
    close_state(third)


def test_sharing_gives_everybody_the_strongest_durability(tmp_path):
    """Nobody gets less than they asked for."""
    first, second = open_state(tmp_path / "state.db"), open_state(tmp_path / "state.db", "durable")

    assert [(2,)] == first.read("PRAGMA synchronous")
    close_state(first)
    close_state(second)


def test_a_signal_handler_may_close_a_file_while_its_thread_opens_one(tmp_path, monkeypatch):
    """It runs in the middle of whatever the thread is at, which waits for nobody else."""
    first, other = open_state(tmp_path / "state.db"), open_state(tmp_path / "other.db")
    monkeypatch.setattr(StateFile, "strengthen", lambda *_: close_state(other))
    opening = threading.Thread(target=open_state, args=(tmp_path / "state.db",), daemon=True)
    opening.start()
    opening.join(60)

    assert not opening.is_alive()
    for _ in range(2):
        close_state(first)


def test_a_folder_means_a_file_in_it(tmp_path):
    """So that one folder can hold all state."""
    assert tmp_path.resolve() / "runs.db" == place_of(tmp_path)


def test_the_url_of_a_file_means_that_file(tmp_path, monkeypatch):
    """As everybody reads SQLite's: three slashes and a path, which is relative unless it begins with a fourth."""
    monkeypatch.chdir(tmp_path)

    assert tmp_path.resolve() / "loops.db" == place_of("sqlite:///loops.db")
    assert tmp_path.resolve() / "loops.db" == place_of(f"sqlite:///{tmp_path}/loops.db")


NO_PATHS = ["postgresql://host/db", "", "a\0b", b"bytes", "file:/a.db", "sqlite://", "sqlite:///", "sqlite:///:memory:"]


@pytest.mark.parametrize("state", [*NO_PATHS, "sqlite:///a.db?mode=ro", "sqlite://host/a.db"])
def test_what_is_no_path_is_refused(state):
    """The message shows what was found."""
    with pytest.raises(ConfigurationError, match="state: expected the path of a file or folder, found"):
        place_of(state)


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
def test_what_no_database_can_be_is_refused(tmp_path):
    """A pipe would be waited for without end; links that go round lead nowhere."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(link)

    for state in (pipe, "/dev/null"):
        with pytest.raises(ConfigurationError, match="neither a file nor a folder"):
            place_of(state)
    with pytest.raises((ConfigurationError, StateError), match="link"):
        open_state(link)


@pytest.mark.parametrize("faster", [OLD, NEW], ids=["a part", "all"])
def test_tables_that_two_users_need_are_made_once(tmp_path, monkeypatch, faster):
    """Between looking which version is there and bringing it up to date another thread may have done so."""
    file, read = open_state(tmp_path / "state.db"), StateFile.read

    def outrun(asked, *question):
        found = read(asked, *question)
        monkeypatch.setattr(StateFile, "read", read)
        file.adopt(faster)
        return found

    monkeypatch.setattr(StateFile, "read", outrun)
    file.adopt(NEW)

    assert [("notes", 2)] == file.read("SELECT name, version FROM part")
    assert [] == file.read("SELECT text, at FROM note")
    close_state(file)


def test_who_closes_a_file_frees_it_even_from_a_child_that_was_just_forked(tmp_path):
    """Such a child has not closed its copy of the lock's descriptor yet."""
    owner = Ownership(tmp_path / "runs.db")
    copy = os.dup(owner._descriptor)
    owner.release()

    Ownership(tmp_path / "runs.db").release()
    os.close(copy)
