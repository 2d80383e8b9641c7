"""A program that is run by the command may make engines without end, one for each job."""

from __future__ import annotations

import os

import pytest
from tests.faults.test_run_command_asked import effects, ended

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

PROGRAM = """
import gc, weakref
made = []

def job():
    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, name="job", max_iterations=1, interval=0)
    loop.start()
    loop.wait_sync()
    made.append(weakref.ref(engine))

def main():
    for _ in range(100):
        job()
    gc.collect()
    note(sum(each() is not None for each in made))
"""


def test_an_engine_that_has_done_its_work_is_let_go_of(tmp_path):
    """Nobody closed it, and nothing of it is left to run."""
    code, said = ended(tmp_path, PROGRAM)

    assert 0 == code, said
    assert 3 > int(effects(tmp_path)[0])
