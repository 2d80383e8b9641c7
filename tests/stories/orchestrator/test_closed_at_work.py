"""Closing waits for runs wherever they are at work, and what it leaves at work is nobody else's until it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from unbreakable.errors import RunInProgress, RunUnfinished, StateOwned
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.storage.sqlite import StateFile
from unbreakable.workflows import RunStatus
from unbreakable.workflows.events import RunLeft

PATIENCE = 10.0  # real seconds


class Elsewhere:
    """A run in a thread of its own, and there on an event loop of its own where it is async."""

    def __init__(self, stage, orchestrator, steps, run_id="r"):
        self.so_far, self._over = None, threading.Event()
        BLOCKING.world.spawn(lambda: self._carry(stage, orchestrator, steps, run_id), "elsewhere")  # time waits for it
        stage.clock.advance(0.5)

    def _carry(self, stage, orchestrator, steps, run_id):
        try:
            self.so_far = stage.run(orchestrator, steps, run_id=run_id).status
        except BaseException as error:
            self.so_far = error
        finally:
            self._over.set()

    @property
    def end(self):
        """Return how it ended; a busy machine may need a moment for that."""
        self._over.wait(PATIENCE)
        return self.so_far


@pytest.fixture(params=["close", "close in async code"])
def close(request):
    """Close an orchestrator in each colour."""
    if request.param == "close":
        return lambda orchestrator, *grace: orchestrator.aclose_sync(*grace)
    return lambda orchestrator, *grace: asyncio.run(orchestrator.aclose(*grace))


def is_free(path):
    try:
        StateFile(path.resolve()).close()
    except StateOwned:
        return False
    return True


def two(stage, **settings):
    return [stage.step("a", seconds=2.0, **settings), stage.step("b", "a")]


def test_a_run_elsewhere_is_waited_for(stage, state, close):
    """It ends as it would have ended; then the file is free."""
    orchestrator = stage.orchestrator(state=state)
    run = Elsewhere(stage, orchestrator, two(stage))
    close(orchestrator)

    assert (RunStatus.COMMITTED, 3.0) == (run.end, stage.clock.now())
    assert state is None or is_free(state)


def test_what_does_not_end_within_the_grace_of_closing_is_left(stage, state, close):
    """Whoever waits for it is told, and so are listeners; with a file it can be gone on with."""
    orchestrator = stage.orchestrator(state=state, grace=1.0)
    told = stage.events(orchestrator)
    run = Elsewhere(stage, orchestrator, two(stage))
    close(orchestrator)
    assert 1.5 <= stage.clock.now() < 1.6
    stage.clock.advance(5.0)

    assert isinstance(run.end, RunUnfinished)
    assert "run 'r' was left unfinished: 'orchestrator' was closed" == str(run.end)
    assert ["r"] == [event.run_id for event in told if isinstance(event, RunLeft)]
    assert "b" not in stage.heard()
    assert (0, [] if state is None else ["r"]) == (
        orchestrator.get_status().in_flight,
        [run.run_id for run in orchestrator.pending()],
    )


def test_a_step_that_cannot_be_cut_keeps_the_run_from_everybody_else(sync_stage, tmp_path, close):
    """Neither this process nor another one takes it up; what the step did is on record, and the file is free then."""
    stage, path = sync_stage, tmp_path / "runs.db"
    orchestrator = stage.orchestrator(state=path)
    run = Elsewhere(stage, orchestrator, two(stage))
    close(orchestrator, 0.5)
    assert (1, False) == (orchestrator.get_status().in_flight, is_free(path))
    for node in (orchestrator, stage.orchestrator(state=path)):
        assert () == node.pending()
        with pytest.raises(RunInProgress):
            node.orchestrate_sync(two(stage), run_id="r")
        close(node)
    assert not is_free(path)
    stage.clock.advance(1.5)

    assert isinstance(run.end, RunUnfinished)
    assert is_free(path)
    assert RunStatus.COMMITTED == orchestrator.orchestrate_sync(two(stage), run_id="r").status
    assert ["a", "a done", "b", "b done"] == stage.heard()


def test_a_step_that_swallows_its_cut_keeps_the_run_from_everybody_else(async_stage, tmp_path, close):
    """Its run is left, but the file is free only when the step has ended, too."""
    stage, path = async_stage, tmp_path / "runs.db"
    orchestrator = stage.orchestrator(state=path, effects="idempotent")

    async def stubborn():
        stage.note("a")
        while stage.clock.now() < 4.0:
            with contextlib.suppress(asyncio.CancelledError):
                await ASYNCIO.sleep(4.0 - stage.clock.now())
        stage.note("a done")

    steps = [{"id": "a", "operation": stubborn}]
    run = Elsewhere(stage, orchestrator, steps)
    close(orchestrator, 0.5)

    assert not is_free(path)
    with pytest.raises(RunInProgress):
        stage.run(orchestrator, steps, run_id="r")
    close(orchestrator)
    stage.clock.advance(4.0)
    assert isinstance(run.end, RunUnfinished)
    assert ["a", "a done"] == stage.heard()
    assert is_free(path)


def test_steps_side_by_side_are_all_waited_for_by_who_leaves_last(sync_stage, tmp_path):
    """The run is left when the slowest has ended, and what each did is on record."""
    stage, path = sync_stage, tmp_path / "runs.db"
    orchestrator = stage.orchestrator(state=path)
    steps = [stage.step("a", seconds=2.0), stage.step("b", seconds=4.0), stage.step("c", "a", "b")]
    run = Elsewhere(stage, orchestrator, steps)
    orchestrator.aclose_sync(0.0)
    stage.clock.advance(2.5)
    assert not is_free(path)
    stage.clock.advance(2.0)

    assert isinstance(run.end, RunUnfinished)
    assert is_free(path)
    assert {"a": "A", "b": "B"} == orchestrator.pending()[0].results


def test_a_run_whose_last_step_was_left_at_work_has_ended(sync_stage, state):
    """Nothing is left of it to go on with, so its caller gets the result."""
    orchestrator = sync_stage.orchestrator(state=state)
    run = Elsewhere(sync_stage, orchestrator, [sync_stage.step("a", seconds=2.0)])
    orchestrator.aclose_sync(0.0)
    sync_stage.clock.advance(2.0)

    assert RunStatus.COMMITTED == run.end


def test_an_undo_that_only_memory_knows_of_is_not_left(stage):
    """With a file somebody else could undo the rest; here nobody could."""
    orchestrator = stage.orchestrator(retry=False)
    steps = [stage.step("a", seconds=0.1), stage.step("b", "a", seconds=0.1)]
    steps += [stage.step("c", "b", seconds=0.25, fails=[ValueError("no")])]
    run = Elsewhere(stage, orchestrator, steps)
    orchestrator.aclose_sync(0.0)
    stage.clock.advance(2.0)

    assert RunStatus.COMPENSATED == run.end
    assert ["undo a", "undo a done"] == stage.heard()[-2:]


def test_a_run_that_closes_its_own_orchestrator_goes_on(stage, tmp_path):
    """It cannot be waited for; the file is free when it has ended."""
    path = tmp_path / "runs.db"
    orchestrator = stage.orchestrator(state=path)

    async def leave():
        await orchestrator.aclose()
        stage.note("closed")

    def leave_sync():
        orchestrator.aclose_sync()
        stage.note("closed")

    steps = [{"id": "a", "operation": leave if stage.is_async else leave_sync}, stage.step("b", "a")]

    assert RunStatus.COMMITTED == stage.run(orchestrator, steps, run_id="r").status
    assert [(0.0, "closed"), (0.0, "b"), (1.0, "b done")] == stage.story
    assert is_free(path)


def test_plain_closing_does_not_block_the_event_loop_of_a_run(async_stage, tmp_path):
    """Waiting would be in vain; the run goes on, and holds the file until it has ended."""
    path = tmp_path / "runs.db"
    orchestrator = async_stage.orchestrator(state=path)

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(two(async_stage), run_id="r"))
        await ASYNCIO.sleep(0.5)
        orchestrator.aclose_sync()
        async_stage.note("closed")
        assert not is_free(path)
        return await run

    assert RunStatus.COMMITTED == asyncio.run(story()).status
    assert (0.5, "closed") in async_stage.story
    assert is_free(path)


def test_who_is_cancelled_while_closing_has_closed(async_stage, tmp_path):
    """What is at work is cut then, and the file given back."""
    path = tmp_path / "runs.db"
    orchestrator = async_stage.orchestrator(state=path)

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(two(async_stage), run_id="r"))
        await ASYNCIO.sleep(0.5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await orchestrator.aclose()
        with pytest.raises(RunUnfinished):
            await run

    asyncio.run(story())

    assert 1.5 == async_stage.clock.now()
    assert is_free(path)


def test_closing_waits_for_no_run_of_another_orchestrator(stage, tmp_path, close):
    """Who shares the file goes on with it."""
    path = tmp_path / "runs.db"
    mine, yours = stage.orchestrator(state=path), stage.orchestrator(state=path)
    mine.pending()
    run = Elsewhere(stage, yours, two(stage))
    close(mine)

    assert 0.5 == stage.clock.now()
    close(yours)
    assert RunStatus.COMMITTED == run.end
    assert is_free(path)


def test_closing_again_does_not_wait_again(sync_stage):
    """Each run is given one grace."""
    orchestrator = sync_stage.orchestrator(grace=1.0)
    run = Elsewhere(sync_stage, orchestrator, [sync_stage.step("a", seconds=9.0)])
    orchestrator.aclose_sync()
    orchestrator.aclose_sync()

    assert (1.5, None) == (sync_stage.clock.now(), run.so_far)
    sync_stage.clock.advance(9.0)
    assert isinstance(run.end, RunStatus)


def test_a_run_on_a_file_that_was_deleted_is_at_work_all_the_same(sync_stage, tmp_path):
    """Nothing of it is on record any more, but a second one would do everything twice at once."""
    stage, path = sync_stage, tmp_path / "runs.db"
    orchestrator = stage.orchestrator(state=path)
    Elsewhere(stage, orchestrator, two(stage))
    path.unlink()
    with pytest.raises(RunInProgress):
        orchestrator.orchestrate_sync(two(stage), run_id="r")
    stage.clock.advance(9.0)

    assert ["a", "a done"] == stage.heard()
    assert orchestrator.orchestrate_sync(two(stage), run_id="r").ok


@pytest.mark.parametrize("grace", [-1.0, "soon"])
def test_a_grace_that_is_none_is_refused(close, sync_stage, grace):
    """Before anything is closed over it."""
    with pytest.raises(ValueError, match="grace must be"):
        close(sync_stage.orchestrator(), grace)
