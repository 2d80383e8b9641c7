"""Worker processes come when they are needed, and are replaced when something has happened to them."""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import signal
import sys
import time

import pytest

from unbreakable.loops.events import PathChanged

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what lives")]

FAST = {"interval": 0, "isolation": "process", "effects": "once"}


# ── what the operation finds there ──────────────────────────────────────────────────────────


def test_the_operation_finds_its_context_and_keeps_its_state_in_one_process(engine, operations, notes):
    """Tick, iteration, a key of its own for each, and what it kept from the one before."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_count, str(notes)), name="work", max_iterations=3, **FAST
    )
    loop.start()
    loop.wait_sync()
    told = [line.split() for line in notes.lines()]

    assert [["1", "0", "1"], ["2", "1", "2"], ["3", "2", "3"]] == [each[1:4] for each in told]
    assert 1 == len({pid for pid, *_ in told})
    assert 3 == len({key for *_, key in told})
    assert all(key.startswith("work/") for *_, key in told)


def test_nobody_else_on_the_event_loop_is_held_up(engine, operations, notes):
    """Starting a process, waiting for it and killing it leaves the event loop to others."""

    async def story():
        loop = engine.create_loop(
            functools.partial(operations.tell_and_hang, str(notes)), deadline=4.0, max_iterations=1, **FAST
        )
        loop.start()
        latest, worst = time.monotonic(), 0.0
        while loop.is_running:
            await asyncio.sleep(0.001)
            latest, worst = time.monotonic(), max(worst, time.monotonic() - latest)
        return worst

    assert asyncio.run(story()) < 3.0  # it would be four
    assert 1 == len(notes.pids())
    assert [] == notes.alive()


def test_children_of_the_operation_obey_signals_as_ever(engine, operations, notes):
    """That a worker leaves SIGTERM to its parent is its own affair."""
    loop = engine.create_loop(functools.partial(operations.start_a_child, str(notes)), max_iterations=1, **FAST)
    loop.start()
    loop.wait_sync()

    assert [str(-signal.SIGTERM)] == notes.lines()


@pytest.mark.parametrize(("how", "code"), [("returns", 0), ("fails", 1), ("leaves", 7)])
def test_a_child_that_the_operation_forks_answers_nothing(engine, operations, notes, how, code):
    """Each iteration gets its own answer, and its state from the process that goes on; the child ends as it would."""
    loop = engine.create_loop(
        functools.partial(operations.fork_and, str(notes), how), max_iterations=4, quantum_mode=False, **FAST
    )
    loop.start()
    loop.wait_sync()

    assert [f"{number} {number} {code}" for number in (1, 2, 3, 4)] == notes.lines()
    assert 1.0 == loop.get_status().performance.success_rate


# ── when it is replaced ─────────────────────────────────────────────────────────────────────


def test_a_process_killed_while_it_is_idle_costs_no_iteration(engine, operations, notes, until):
    """It is replaced before the next tick is run."""
    loop = engine.create_loop(
        functools.partial(operations.tell_pid, str(notes)), isolation="process", interval=2.0, max_iterations=2
    )
    loop.start()
    until(lambda: loop.get_status().performance.last_iteration_time > 0.0)
    os.kill(notes.pids()[0], signal.SIGKILL)
    loop.wait_sync()

    assert 2 == len(set(notes.lines()))
    assert 1.0 == loop.get_status().performance.success_rate


@pytest.mark.parametrize(("effects", "attempts"), [("unknown", 1), ("idempotent", 3)])
def test_what_a_lost_process_did_is_repeated_only_where_that_is_harmless(engine, operations, notes, effects, attempts):
    """Nobody knows what it did before it died; with declared effects a fresh process tries again at once."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_exit, str(notes)), max_iterations=1, **{**FAST, "effects": effects}
    )
    loop.start()
    loop.wait_sync()

    assert attempts == len(set(notes.lines()))
    assert "exited with code 9" in loop.get_status().last_error


@pytest.mark.parametrize(
    ("mood", "seconds", "told"),
    [
        ("import time; time.sleep(1000)", 0.5, "was not ready within 0.5 s"),
        ("raise ImportError('moody')", 30.0, "cannot load the operation: ImportError: moody"),
        ("raise SystemExit(4)", 30.0, "cannot load the operation: SystemExit: 4"),
        ("os._exit(4)", 30.0, "exited with code 4"),
    ],
    ids=["hangs", "raises", "leaves", "dies"],
)
def test_a_process_that_does_not_find_its_operation_is_a_failed_iteration(
    engine, tmp_path, notes, monkeypatch, mood, seconds, told
):
    """Whatever its module does when it is loaded, nothing of the process is left."""
    monkeypatch.setattr("unbreakable.loops.path.START", seconds)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "moody", raising=False)
    (tmp_path / "moody.py").write_text("def work(): pass\n")
    work = importlib.import_module("moody").work
    (tmp_path / "moody.py").write_text(f"import os\nopen({str(notes)!r}, 'a').write(f'{{os.getpid()}}\\n')\n{mood}")
    loop = engine.create_loop(work, max_iterations=1, **FAST)
    loop.start()
    loop.wait_sync()

    assert told in loop.get_status().last_error
    assert [] == notes.alive()


def test_the_next_path_has_a_process_of_its_own(engine, operations, notes):
    """What poisons one process does not reach the other."""
    loop = engine.create_loop(functools.partial(operations.poisoned, str(notes)), max_iterations=5, **FAST)
    paths = []
    loop.node.on(PathChanged, lambda event: paths.append(event.path))
    loop.start()
    loop.wait_sync()
    first, *others = notes.lines()

    assert [2] == paths
    assert 0.8 == loop.get_status().performance.success_rate
    assert (1, False) == (len(set(others)), first in others)


def test_a_refresh_replaces_the_process(engine, operations, notes):
    """With a single path a poisoned process fails until the eighth failure; then there is a new one."""
    loop = engine.create_loop(
        functools.partial(operations.poisoned, str(notes)), quantum_mode=False, max_iterations=11, **FAST
    )
    loop.start()
    loop.wait_sync()

    assert (1, 1) == loop.get_status().healing.quantum_refresh
    assert [8, 3] == [notes.lines().count(pid) for pid in dict.fromkeys(notes.lines())]


def test_survival_has_a_process_of_its_own(engine, operations, notes):
    """The substitute is isolated like the operation, and keeps a state with it."""
    loop = engine.create_loop(
        operations.down,
        on_survival=functools.partial(operations.tell_pid, str(notes)),
        isolation="process",
        interval=0,
        effects="once",
    )
    loop.start()
    notes.wait(3)

    assert loop.get_status().surviving
    assert loop.stop_sync()
    assert 1 == len(set(notes.lines()))
    assert [] == notes.alive()


def test_repeats_in_the_process_are_not_multiplied_outside(engine, operations, notes):
    """What a protected call has repeated in vain there is not repeated here."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_fail_protected, str(notes)),
        max_iterations=1,
        **{**FAST, "effects": "idempotent"},
    )
    loop.start()
    loop.wait_sync()

    assert 3 == len(notes.lines())
    assert "ConnectionError: down" in loop.get_status().last_error


def test_doubt_in_the_process_is_doubt_outside(engine, operations, notes):
    """A payment there that may have gone through is not made again, whatever was raised."""
    operation = functools.partial(operations.tell_and_fail_in_doubt, str(notes))
    loop = engine.create_loop(operation, max_iterations=1, **{**FAST, "effects": "unknown"})
    loop.start()
    loop.wait_sync()

    assert 1 == len(notes.lines())


def test_a_machine_without_room_for_a_process_costs_iterations_not_the_loop(
    engine, operations, notes, monkeypatch, until
):
    """The loop goes on, and has its process as soon as there is one to be had."""
    loop = engine.create_loop(
        functools.partial(operations.tell_pid, str(notes)), isolation="process", interval=0.05, max_iterations=4
    )
    with monkeypatch.context() as patch:
        patch.setattr("subprocess.Popen", full)
        loop.start()
        until(lambda: loop.get_status().consecutive_errors >= 2)
        told = loop.get_status().last_error
    loop.wait_sync()

    assert "WorkerLost: no worker process can be started: [Errno 11]" in told
    assert notes.lines()
    assert 0 == loop.get_status().consecutive_errors


def full(*_, **__):
    raise BlockingIOError(11, "Resource temporarily unavailable")
