"""One execution path, and whoever stops the loop at the worst moment."""

from __future__ import annotations

import types

import pytest

from unbreakable.fractal import FractalNode
from unbreakable.loops.path import LoopStopped, Path
from unbreakable.loops.strays import Strays
from unbreakable.loops.workers import ThreadWorker
from unbreakable.policies import current
from unbreakable.runtime import BLOCKING, run_blocking
from unbreakable.testing import virtual_time


def test_a_worker_hired_while_the_loop_is_stopped_is_given_no_work():
    """Who stops sets a flag and looks for the worker; who hires puts the worker there and looks for the flag."""
    ran = []

    def hire(name):
        path.stop()  # before the worker can be seen
        return ThreadWorker(name, lambda: ran.append(name))

    path = Path(lambda: None, hire, FractalNode("work"), current, Strays(lambda: None))
    with virtual_time():
        with pytest.raises(LoopStopped):
            run_blocking(path.ready(BLOCKING))
        with pytest.raises(LoopStopped):
            path.run_sync()

    assert [] == ran


@types.coroutine
def paused():
    """Wait until somebody goes on with it."""
    yield


class Loading:
    """A worker that loads its program, and notes how long it may take for that."""

    is_fit = True

    def __init__(self, granted):
        self._granted = granted

    async def ready(self, runtime, seconds):
        self._granted.append(seconds)
        await paused()
        return 0


def test_workers_that_load_their_programs_at_once_have_more_time_for_it(monkeypatch):
    """Each has a part of a core: were they all killed after the time of one, none would ever be ready."""
    monkeypatch.setattr("unbreakable.loops.path.CORES", 2)
    granted = []

    def starts(count, *seconds):
        paths = [
            Path(lambda: None, lambda name: Loading(granted), FractalNode("work"), current, Strays(lambda: None))
            for _ in range(count)
        ]
        starting = [path.ready(BLOCKING, *seconds) for path in paths]
        for each in starting:
            each.send(None)
        return starting

    for each in [*starts(5), *starts(1, 50.0)]:
        with pytest.raises(StopIteration):
            each.send(None)
    for each in starts(1):
        each.close()

    assert [30.0, 30.0, 45.0, 60.0, 75.0, 50.0, 30.0] == granted
