"""A state file that was deleted or replaced under its owner: nothing is acknowledged that is not there."""

from __future__ import annotations

import shutil
import sqlite3
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import StateGone, StateNotOurs, StateOwned
from unbreakable.observe import History, latest_snapshot, latest_stories
from unbreakable.runtime import BLOCKING, run_blocking
from unbreakable.storage.shared import close_state, open_state
from unbreakable.storage.sqlite import StateFile

pytestmark = pytest.mark.real


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "runs.db"


def delete_folder(place):
    shutil.rmtree(place.parent, ignore_errors=True)  # who works with the file may clear something away meanwhile


def delete_file(place):
    place.unlink()


def replace_file(place):
    other = place.with_name("other.db")
    StateFile(other).close()
    other.rename(place)


DAMAGES = [delete_folder, delete_file, replace_file]


def targets(place) -> list[str]:
    connection = sqlite3.connect(place)
    try:
        return sorted(target for (target,) in connection.execute("SELECT target FROM knowledge"))
    finally:
        connection.close()


def learn(memory, name: str) -> None:
    node = ub.FractalNode(name, memory=memory)
    node.execute_sync(lambda: None)
    node.aclose_sync()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_write_into_a_file_that_is_gone_is_refused(place, damage):
    """What would vanish is not acknowledged."""
    file = StateFile(place)
    damage(place)
    with pytest.raises(StateGone, match="deleted or replaced"):
        file.write([("CREATE TABLE note (x)", ())])

    file.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_who_opens_it_anew_owns_the_new_file(place, damage):
    """The old one serves nobody any more, the new one has the lock and all its users."""
    old = open_state(place)
    damage(place)
    new = open_state(place)
    new.write([("CREATE TABLE note (x)", ())])

    assert new is not old
    assert new is open_state(place)
    with pytest.raises(StateGone):
        old.write([("CREATE TABLE other (x)", ())])
    close_state(old)
    with pytest.raises(StateOwned):
        StateFile(place)
    close_state(new)
    close_state(new)
    StateFile(place).close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_learned_is_written_anew(place, damage, caplog):
    """All that the memory knows is in the new file, and the log says what happened."""
    with ub.SqliteMemory(place.parent) as memory:
        learn(memory, "before")
        assert memory.flush()
        damage(place)
        assert memory.flush()
        assert ["before"] == targets(place)
        learn(memory, "after")

    assert ["after", "before"] == targets(place)
    assert [1] == [record.message.count("deleted or replaced") for record in caplog.records]


def test_somebody_else_s_file_in_its_place_is_left_alone(place):
    """Knowledge waits, and the trouble is told, until the place is free."""
    with ub.SqliteMemory(place) as memory:
        learn(memory, "partner")
        theirs = place.with_name("notes.txt")
        theirs.write_text("my shopping list\n" * 200)
        theirs.rename(place)
        assert not memory.flush()
        assert StateNotOurs.__name__ in (memory.trouble or "")
        assert "my shopping list\n" * 200 == place.read_text()
        place.unlink()
        assert memory.flush()
        assert None is memory.trouble

    assert ["partner"] == targets(place)


# Wait until the thread that writes has written, and rests: a late one would see the file go, and begin another.
REST = """from time import sleep
writer = {0}._writer
while writer._wake.is_set() or not (writer._over._waiting or writer._wake._waiting):
    sleep(0)"""


def test_nothing_is_made_anew_when_the_program_just_ends(tmp_path):
    """A temporary folder that is gone, its memory never closed, is not brought back at exit."""
    import subprocess
    import sys

    code = f"""
import shutil, unbreakable as ub
memory = ub.SqliteMemory({str(tmp_path / "state" / "x.db")!r})
ub.FractalNode("n", memory=memory).execute_sync(lambda: None)
{REST.format("memory")}
shutil.rmtree({str(tmp_path / "state")!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("user", "fill"),
    [
        ("ub.SqliteMemory(place)", f'ub.FractalNode("n", memory=user).execute_sync(print)\n{REST.format("user")}'),
        ("ub.OrchestratorNode(state=place)", 'user.orchestrate_sync([ub.Step("a", lambda: None)], run_id="first")'),
    ],
)
def test_what_replaced_a_file_stays_what_it_is_when_the_program_just_ends(tmp_path, user, fill):
    """The log of the old file, never closed, is emptied into it and not left to be copied into its successor."""
    import subprocess
    import sys

    place, archive = tmp_path / "runs.db", tmp_path / "archive.db"
    code = f"""
import pathlib, unbreakable as ub
from unbreakable.storage.sqlite import StateFile
place = pathlib.Path({str(place)!r})
user = {user}
{fill}
other = StateFile(place.with_name("other.db"))
other.write([("CREATE TABLE note (x)", ())])
other.close()
place.rename({str(archive)!r})
place.with_name("other.db").rename(place)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    assert ["note", "part", "seal"] == tables(place)
    assert {"part", "knowledge" if "Memory" in user else "run"} <= set(tables(archive))


def tables(place) -> list[str]:
    connection = sqlite3.connect(place)
    try:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in found]
    finally:
        connection.close()


def test_stories_go_on_in_the_new_file(place):
    """What is told after the loss can be read."""
    history = History(place, dict)
    shutil.rmtree(place.parent)
    history.note(ub.events.Explained(at=0.0, node="n", id="o1", status="failed", text="it broke"))
    assert history.flush()
    history.close()

    assert ["o1"] == [story.id for story in latest_stories(place, 10)]


def test_a_run_in_flight_is_left_and_later_ones_are_on_record(place):
    """Its record is gone, so the run is not said to have ended; the next one is written where it is found."""
    orchestrator = ub.OrchestratorNode(state=place.parent)
    with pytest.raises(StateGone):
        orchestrator.orchestrate_sync([ub.Step("a", lambda: shutil.rmtree(place.parent))], run_id="first")

    assert orchestrator.orchestrate_sync([ub.Step("a", lambda: None)], run_id="second").ok
    orchestrator.aclose_sync()
    connection = sqlite3.connect(place)
    assert [("second", "committed")] == connection.execute("SELECT id, status FROM run").fetchall()
    connection.close()


def test_one_status_that_fails_costs_no_story(place, caplog):
    """Stories are written although the status cannot be had; once it can, it is shown again."""
    broken = [RuntimeError("no status")]

    def status():
        if broken:
            raise broken[0]
        return {"fine": True}

    history = History(place, status)
    for number in range(3):
        history.note(ub.events.Explained(at=0.0, node="n", id=f"o{number}", status="failed", text="it broke"))
        assert history.flush()
    broken.clear()
    assert history.flush()
    history.close()

    assert 3 == len(latest_stories(place, 10))
    assert {"fine": True} == latest_snapshot(place).status
    assert 1 == len(caplog.records)


def test_what_cannot_be_written_for_now_is_written_later(place, monkeypatch):
    """Whatever the write fails with, no story is dropped and none is told twice."""
    history = History(place, dict)
    history.note(ub.events.Explained(at=0.0, node="n", id="o1", status="failed", text="it broke"))

    def fails(*_):
        raise RuntimeError("not now")

    with monkeypatch.context() as patched:
        patched.setattr(StateFile, "write", fails)
        assert not history.flush()
    history.close()

    assert ["o1"] == [story.id for story in latest_stories(place, 10)]


def told(history: History, *names: str) -> None:
    for name in names:
        history.note(ub.events.Explained(at=0.0, node="n", id=name, status="failed", text="it broke"))


def test_the_oldest_stories_make_room(place, monkeypatch):
    """The file does not grow for ever."""
    monkeypatch.setattr("unbreakable.observe.history.MOST_STORIES", 3)
    history = History(place, dict)
    for name in "abcd":
        told(history, name)
        assert history.flush()
    history.close()

    assert ["b", "c", "d"] == sorted(story.id for story in latest_stories(place, 10))


def test_what_could_not_be_written_makes_room_for_what_is_newer(place, monkeypatch):
    """While the disk is full the last stories are kept, not the first."""
    monkeypatch.setattr("unbreakable.observe.history.MOST_WAITING", 3)
    history = History(place, dict)

    def fails(*_):
        told(history, "c", "d")
        raise RuntimeError("not now")

    told(history, "a", "b")
    with monkeypatch.context() as patched:
        patched.setattr(StateFile, "write", fails)
        assert not history.flush()
    history.close()

    assert ["b", "c", "d"] == sorted(story.id for story in latest_stories(place, 10))


def test_what_could_not_be_written_is_tried_again_without_being_asked(place, monkeypatch):
    """When the disk works again it is there within a second or two, whether or not anything else is learned."""
    failed = threading.Event()
    write = StateFile.write

    def fails_once(file, statements):
        if not failed.is_set():
            failed.set()
            raise RuntimeError("not now")
        write(file, statements)

    monkeypatch.setattr(StateFile, "write", fails_once)
    memory = ub.SqliteMemory(place)
    learn(memory, "n")
    assert failed.wait(60)
    until = BLOCKING.now() + 10.0
    while targets(place) != ["n"] and BLOCKING.now() < until:
        run_blocking(BLOCKING.sleep(0.05))
    kept = targets(place)
    memory.close()

    assert ["n"] == kept


def test_one_record_that_cannot_be_written_keeps_no_other_from_it(place):
    """What no JSON can hold is left out, and told."""
    with ub.SqliteMemory(place) as memory:
        learn(memory, "partner")
        memory.add("odd", {**memory.get("partner"), "plan": object()}, None)

    assert ["partner"] == targets(place)
