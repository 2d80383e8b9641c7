"""When the state file cannot be written, nothing happens that is not on record."""

from __future__ import annotations

import asyncio
import gc
import sqlite3

import pytest

from unbreakable.errors import StateFull, StateLocked, StateOwned, StateSetAsideWarning
from unbreakable.runtime import ASYNCIO
from unbreakable.workflows.events import RunLeft, StateSetAside


def fill(orchestrator):
    """Let the disk of the orchestrator's file be full; return what makes room again."""
    file = orchestrator._open()[0].file
    ((pages,),) = file.read("PRAGMA page_count")
    file.read(f"PRAGMA max_page_count={pages}")
    return lambda: file.read(f"PRAGMA max_page_count={pages + 10_000}")


def test_a_run_that_cannot_be_recorded_is_not_begun(stage, tmp_path):
    """The caller is told, and nothing was called."""
    orchestrator = stage.orchestrator(state=tmp_path)
    make_room = fill(orchestrator)
    with pytest.raises(StateFull, match="there is no room left to write"):
        stage.run(orchestrator, [stage.step("a")], {"text": "x" * 100_000}, run_id="r")

    assert [] == stage.story
    make_room()
    assert stage.run(orchestrator, [stage.step("a")], {"text": "x" * 100_000}, run_id="r").ok


def test_a_run_whose_result_cannot_be_recorded_is_left_for_later(stage, tmp_path):
    """Nothing follows from what is not on record; with room again the run is gone on with."""
    orchestrator = stage.orchestrator(state=tmp_path, effects="idempotent")
    told = stage.events(orchestrator)
    steps = [stage.step("a"), stage.step("b", "a", value="x" * 100_000), stage.step("c", "b", value="short")]
    make_room = fill(orchestrator)
    with pytest.raises(StateFull) as caught:
        stage.run(orchestrator, steps, run_id="r")

    assert ["a", "a done", "b", "b done"] == stage.heard()
    assert ["run 'r' was left unfinished; orchestrate it again with the same run_id to go on"] == caught.value.__notes__
    assert isinstance(told[-1], RunLeft)
    assert [{"a": "done", "b": "uncertain", "c": "not_begun"}] == [run.ledger for run in orchestrator.pending()]
    make_room()
    assert stage.run(orchestrator, steps, run_id="r").ok


def test_a_disk_that_is_full_for_a_moment_is_waited_for(async_stage, tmp_path):
    """Somebody makes room within three seconds, and nobody notices."""
    orchestrator = async_stage.orchestrator(state=tmp_path)
    make_room = fill(orchestrator)

    async def story():
        asyncio.get_running_loop().call_later(2.0, make_room)
        return await orchestrator.orchestrate([async_stage.step("a")], {"text": "x" * 100_000})

    assert asyncio.run(story()).ok


def test_whoever_is_cancelled_while_the_disk_is_full_leaves_no_complaint(async_stage, tmp_path, caplog):
    """The caller has its cancellation, and what became of the run is on record: asyncio has nothing to add."""
    orchestrator = async_stage.orchestrator(state=tmp_path)
    steps = [async_stage.step("a"), async_stage.step("b", "a", value="x" * 100_000)]
    fill(orchestrator)

    async def story():
        caller = asyncio.ensure_future(orchestrator.orchestrate(steps, run_id="r"))
        await ASYNCIO.sleep(3.0)  # b is done, and its result waits for room
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await ASYNCIO.sleep(20.0)

    asyncio.run(story())
    gc.collect()

    assert ["r"] == [run.run_id for run in orchestrator.pending()]
    assert [] == [message for message in caplog.messages if "never retrieved" in message]


def test_a_lock_that_passes_is_waited_for(async_stage, tmp_path):
    """A backup program may hold the file for a moment."""
    orchestrator = async_stage.orchestrator(state=tmp_path / "runs.db")
    orchestrator.pending()
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def story():
        asyncio.get_running_loop().call_later(2.0, other.close)
        return await orchestrator.orchestrate([async_stage.step("a")])

    assert asyncio.run(story()).ok
    assert 2.0 < async_stage.story[0][0]


def test_a_lock_that_stays_is_said(stage, tmp_path):
    """After three seconds the caller is told who is in the way."""
    orchestrator = stage.orchestrator(state=tmp_path / "runs.db")
    orchestrator.pending()
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateLocked, match="another program holds its write lock"):
        stage.run(orchestrator, [stage.step("a")])
    other.close()

    assert [] == stage.story


def test_an_undo_does_not_begin_before_the_turn_is_on_record(stage, tmp_path):
    """Otherwise a restart would go forward from what was undone."""
    orchestrator = stage.orchestrator(state=tmp_path, retry=False)
    steps = [stage.step("a"), stage.step("b", "a", fails=[ValueError("x" * 400)])]
    stage.run(orchestrator, [stage.step("a")])  # the pages that a small run needs are there
    room = []
    steps.insert(1, {"id": "fill", "operation": lambda: room.append(fill(orchestrator)), "depends_on": ["a"]})
    big = {"id": "big", "operation": lambda: "x" * 100_000, "depends_on": ["fill"]}
    with pytest.raises(StateFull):
        stage.run(orchestrator, [steps[0], steps[1], big, steps[2]], run_id="r")

    assert "undo a" not in stage.heard()
    assert ["r"] == [run.run_id for run in orchestrator.pending()]


def test_two_orchestrators_of_one_process_share_a_file(stage, tmp_path):
    """Both see what either did."""
    one, two = stage.orchestrator(state=tmp_path), stage.orchestrator(state=tmp_path)
    first = stage.run(one, [stage.step("a")], run_id="r")

    assert first == stage.run(two, [stage.step("a")], run_id="r")


def test_a_broken_file_is_told_as_an_event(stage, tmp_path):
    """Who listens learns where it went, and that runs in it need a person."""
    first = stage.orchestrator(state=tmp_path / "runs.db")
    stage.run(first, [stage.step("a")])
    first.aclose_sync()
    data = (tmp_path / "runs.db").read_bytes()
    (tmp_path / "runs.db").write_bytes(bytes(100) + data[100:])
    second = stage.orchestrator(state=tmp_path / "runs.db")
    told = stage.events(second)
    with pytest.warns(StateSetAsideWarning, match="runs that were in flight in it need a person"):
        assert () == second.pending()

    assert [StateSetAside] == list(map(type, told))
    assert told[0].moved_to.startswith(f"{tmp_path.resolve()}/runs.db.broken-")


def test_a_file_in_use_is_refused_with_its_owner(stage, tmp_path):
    """The message says which process to stop."""
    from unbreakable.storage.sqlite import StateFile

    held = StateFile(tmp_path.resolve() / "runs.db")
    with pytest.raises(StateOwned, match="is in use by process"):
        stage.run(stage.orchestrator(state=tmp_path / "runs.db"), [stage.step("a")])
    held.close()

    assert [] == stage.story


def test_closing_lets_go_of_the_file_and_opening_takes_it_up(stage, tmp_path):
    """An orchestrator that was closed can be used again."""
    orchestrator = stage.orchestrator(state=tmp_path)
    for number in range(2):
        assert stage.run(orchestrator, [stage.step("a")], run_id=f"r{number}").ok
        orchestrator.aclose_sync()


@pytest.mark.parametrize("state", ["postgresql://host/runs", ""])
def test_a_state_that_is_no_path_is_refused_at_once(stage, state):
    """Not at the first run, at night."""
    with pytest.raises(ValueError, match="state: expected the path of a file or folder"):
        stage.orchestrator(state=state)


def test_two_orchestrators_of_one_file_do_not_carry_the_same_run(async_stage, tmp_path):
    """Whoever comes second waits for the first one's end."""
    one, two = async_stage.orchestrator(state=tmp_path), async_stage.orchestrator(state=tmp_path)
    steps = [async_stage.step("a")]

    async def story():
        return await asyncio.gather(*(each.orchestrate(steps, run_id="r") for each in (one, two)))

    first, second = asyncio.run(story())

    assert ["a", "a done"] == async_stage.heard()
    assert first is second


def test_a_relative_state_is_found_where_it_was_named(stage, tmp_path, monkeypatch):
    """A program that changes its folder before the first run does not leave its runs elsewhere."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    orchestrator = stage.orchestrator(state="state.db")
    monkeypatch.chdir(elsewhere)

    assert stage.run(orchestrator, [stage.step("a")]).ok
    assert (here / "state.db").exists()
    assert [] == list(elsewhere.iterdir())
