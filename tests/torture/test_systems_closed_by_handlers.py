"""A handler of signals closes a whole system while its own thread is in the middle of a run, and others are at work."""

from __future__ import annotations

import contextlib
import itertools
import threading
from pathlib import Path

import pytest
from tests.dense import lines
from tests.lines import PATIENCE, AtLine, in_time

import unbreakable as ub
from unbreakable.errors import Rejected, StateInUse
from unbreakable.storage import shared
from unbreakable.storage.lookup import look_up

pytestmark = pytest.mark.real

FOREVER = 3600.0  # seconds of grace: who waits for them waits for himself
OURS = {str(file) for file in Path(ub.__file__).parent.rglob("*.py")}
STRIDE = 83  # lines from one story to the next: there are about 1,500
CLOSED = ("with ", "try:")


class Exit(BaseException):
    """Stand for the SystemExit of a handler, which pytest would take for its own."""


class System:
    """A system whose workflow is run by this thread, by another one, and by its loop, all on one state file."""

    def __init__(self, folder):
        self.place, self.acks = folder, itertools.count()
        self.system = ub.QuantumSystem(folder)
        steps = [ub.Step("a", lambda: 1), ub.Step("b", lambda: 2)]
        self.workflow = self.system.create_quantum_workflow_sync("w", interval=0, workflow=steps)
        self.work()
        self.workflow.start()
        self.other = threading.Thread(target=self.work_on, daemon=True)
        self.other.start()

    def work(self):
        assert "committed" == self.workflow.run_once_sync().status
        next(self.acks)

    def work_on(self):
        with contextlib.suppress(Rejected):
            while True:
                self.work()

    def close(self):
        self.system.aclose_sync(FOREVER)
        self.workflow.aclose_sync(FOREVER)  # a run that had begun before may have opened the file again

        self.other.join(PATIENCE)

    def is_closed(self):
        return not (self.other.is_alive() or self.workflow.loop.is_running)

    def is_open_on_disk(self):
        return self.place.resolve() / "runs.db" in shared._files


CLOSINGS = {
    "the system": lambda it: it.system.aclose_sync(FOREVER),
    "the workflow": lambda it: it.workflow.aclose_sync(FOREVER),
    "the engine": lambda it: it.system.loops.aclose_sync(FOREVER),
    "the loop": lambda it: it.workflow.stop_sync(FOREVER),
}


# What is raised between two lines leaves a coroutine behind that was made and not yet begun.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("leaves", [False, True], ids=["goes on", "exits"])
@pytest.mark.parametrize("what", CLOSINGS)
def test_a_handler_may_close_a_system_at_any_line(tmp_path, what, leaves):
    """Whoever waits for what the handler interrupted is not waited for, and all that was confirmed is on record."""

    def story(at):
        thing = System(tmp_path / str(at))

        def handler():
            CLOSINGS[what](thing)
            if leaves:
                raise Exit

        with contextlib.suppress(Rejected, Exit), AtLine(OURS, handler, at, CLOSED if leaves else ()) as signal:
            thing.workflow.run_once_sync()
        thing.close()
        assert thing.is_closed(), at
        assert leaves or not thing.is_open_on_disk(), at  # what is raised at any line may keep a run from leaving
        [(ended,)] = look_up(thing.place / "runs.db", "SELECT count(*) FROM run WHERE status = 'committed'")
        assert ended >= next(thing.acks), at
        return signal.lines

    first, stride = lines([*CLOSINGS].index(what) + leaves, 2, STRIDE, sparse=2)
    for at in itertools.count(1 + leaves + first, stride):
        (tmp_path / str(at)).mkdir()
        if in_time(lambda at=at: story(at)) < at:
            break


def test_a_handler_that_waits_for_a_loop_is_served_or_refused_at_once(tmp_path):
    """The loop may need what the handler has interrupted, and would be waited for for ever."""
    refused = []

    def story(at):
        thing = System(tmp_path / str(at))

        def handler():
            thing.workflow.stop_sync(FOREVER)
            try:
                thing.workflow.wait_sync()
            except StateInUse as error:
                refused.append(str(error))

        with AtLine(OURS, handler, at) as signal:
            thing.workflow.run_once_sync()
        thing.close()
        return signal.lines

    for at in itertools.count(1, lines(0, 1, STRIDE // 4, sparse=2)[1]):  # at few of them it would wait for ever
        (tmp_path / str(at)).mkdir()
        if in_time(lambda at=at: story(at)) < at:
            break
    assert refused
    assert all(text.startswith("loop 'w' cannot be waited for") for text in refused)
