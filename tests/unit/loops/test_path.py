"""One execution path, and whoever stops the loop at the worst moment."""

from __future__ import annotations

import pytest

from unbreakable.errors import Rejected
from unbreakable.fractal import FractalNode
from unbreakable.loops.path import Path
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
        with pytest.raises(Rejected, match="the loop was stopped"):
            run_blocking(path.ready(BLOCKING))
        with pytest.raises(Rejected, match="the loop was stopped"):
            path.run_sync()

    assert [] == ran
