"""A worker process is held in reserve, so that who follows one that died begins at once."""

from __future__ import annotations

import functools
import os
import signal
import sys

import pytest
from tests.faults.processes import gone, is_alive

from unbreakable.loops import spare
from unbreakable.loops.process import ProcessWorker

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what lives")]

SETTINGS = {"interval": 0.01, "isolation": "process", "effects": "once"}


def in_reserve() -> list[ProcessWorker]:
    """Return the workers in reserve that have loaded their program."""
    held = [each._spare for each in list(spare._holding)]
    return [each for each in held if each is not None and each.has_loaded]


@pytest.fixture
def running(engine, operations, notes, until):
    """Return a loop that has a worker in reserve, and the numbers of both processes."""
    loop = engine.create_loop(functools.partial(operations.tell_pid, str(notes)), name="work", **SETTINGS)
    loop.start()
    until(lambda: len(in_reserve()) == 1)
    return loop, notes.pids()[-1], in_reserve()[0].pid


def test_who_follows_was_there_before(running, notes, until):
    """The next iteration is run by the process that waited for it, and another one is put in reserve."""
    _, first, second = running
    os.kill(first, signal.SIGKILL)
    until(lambda: second in notes.pids())

    assert {first, second} == {*notes.pids()}
    until(lambda: in_reserve() and in_reserve()[0].pid != second)


def test_one_that_died_in_reserve_is_not_missed(running, notes, until):
    """A worker is started as it was without any reserve."""
    _, first, second = running
    for pid in (second, first):
        os.kill(pid, signal.SIGKILL)
    until(lambda: len({*notes.pids()}) == 2)

    assert second not in notes.pids()


def test_none_outlives_its_loop(running):
    """Whoever stops a loop stops its reserve."""
    loop, first, second = running
    loop.stop_sync()

    assert gone([first, second], seconds=3.0)
    assert not spare._holding


def test_a_program_holds_a_few_in_reserve(engine, operations, notes, until, monkeypatch):
    """Each takes the memory of a Python: a hundred loops do not double theirs."""
    monkeypatch.setattr(spare, "MOST", 1)
    loops = [
        engine.create_loop(functools.partial(operations.tell_pid, str(notes)), name=f"work-{number}", **SETTINGS)
        for number in range(3)
    ]
    for loop in loops:
        loop.start()
    until(lambda: all(loop.get_status().current_iteration > 5 for loop in loops) and len(in_reserve()) == 1)

    assert 1 == len(spare._holding)
    assert all(is_alive(pid) for pid in {*notes.pids()})


def test_a_worker_that_dies_between_two_iterations_is_followed_by_two(engine, operations, notes, until):
    """One goes on at once, without a failed iteration, and one is put in reserve again."""
    loop = engine.create_loop(
        functools.partial(operations.tell_pid, str(notes)), name="work", **{**SETTINGS, "interval": 0.3}
    )
    loop.start()
    until(lambda: len(in_reserve()) == 1)
    second, before = in_reserve()[0].pid, len(notes.pids())
    until(lambda: len(notes.pids()) > before and loop.get_status().in_progress is None)
    os.kill(notes.pids()[-1], signal.SIGKILL)
    until(lambda: in_reserve() and in_reserve()[0].pid != second)

    assert second in notes.pids()
    assert 0 == loop.get_status().ledger.failed
