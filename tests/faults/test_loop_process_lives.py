"""Worker processes come when they are needed, go when they are not, and never outlive their loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import unbreakable as ub
from unbreakable.loops.events import PathChanged, WorkerStarted

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="worker processes need POSIX")]

HERE = str(Path(__file__).parent)
SOURCE = str(Path(ub.__file__).parents[1])
FAST = {"interval": 0, "isolation": "process", "effects": "once"}


@pytest.fixture
def engine():
    """Return an engine that is closed in the end."""
    engine = ub.QuantumLoopEngine()
    yield engine
    engine.aclose_sync(grace=0.0)


@pytest.fixture
def notes(tmp_path):
    """Return the path of a file in which operations write lines."""
    return tmp_path / "notes"


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def is_alive(pid):
    """Return whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition, seconds=10.0):
    """Wait until *condition* holds; fail if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


# ── what the operation finds there ──────────────────────────────────────────────────────────


def test_the_operation_finds_its_context_and_keeps_its_state_in_one_process(engine, operations, notes):
    """Tick, iteration, a key of its own for each, and what it kept from the one before."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_count, str(notes)), name="work", max_iterations=3, **FAST
    )
    loop.start()
    loop.wait_sync()
    told = [line.split() for line in lines(notes)]

    assert [["1", "0", "1"], ["2", "1", "2"], ["3", "2", "3"]] == [each[1:4] for each in told]
    assert 1 == len({pid for pid, *_ in told})
    assert 3 == len({key for *_, key in told})
    assert all(key.startswith("work-") for *_, key in told)


def test_nobody_else_on_the_event_loop_is_held_up(engine, operations, notes):
    """Starting a process, waiting for it and killing it leaves the event loop to others."""

    async def story():
        loop = engine.create_loop(
            functools.partial(operations.tell_and_hang, str(notes)), deadline=1.0, max_iterations=1, **FAST
        )
        loop.start()
        latest, worst = time.monotonic(), 0.0
        while loop.is_running:
            await asyncio.sleep(0.001)
            latest, worst = time.monotonic(), max(worst, time.monotonic() - latest)
        return worst

    assert asyncio.run(story()) < 0.8
    assert [False] == [is_alive(int(pid)) for pid in lines(notes)]


def test_children_of_the_operation_obey_signals_as_ever(engine, operations, notes):
    """That a worker leaves SIGTERM to its parent is its own affair."""
    loop = engine.create_loop(functools.partial(operations.start_a_child, str(notes)), max_iterations=1, **FAST)
    loop.start()
    loop.wait_sync()

    assert [str(-signal.SIGTERM)] == lines(notes)


# ── when it is replaced ─────────────────────────────────────────────────────────────────────


def test_a_process_killed_while_it_is_idle_costs_no_iteration(engine, operations, notes):
    """It is replaced before the next tick is run."""
    loop = engine.create_loop(
        functools.partial(operations.tell_pid, str(notes)), isolation="process", interval=0.6, max_iterations=2
    )
    loop.start()
    until(lambda: loop.get_status().performance.last_iteration_time > 0.0)
    os.kill(int(lines(notes)[0]), signal.SIGKILL)
    loop.wait_sync()

    assert 2 == len(set(lines(notes)))
    assert 1.0 == loop.get_status().performance.success_rate


@pytest.mark.parametrize(("effects", "attempts"), [("unknown", 1), ("idempotent", 3)])
def test_what_a_lost_process_did_is_repeated_only_where_that_is_harmless(engine, operations, notes, effects, attempts):
    """Nobody knows what it did before it died; with declared effects a fresh process tries again at once."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_exit, str(notes)), max_iterations=1, **{**FAST, "effects": effects}
    )
    loop.start()
    loop.wait_sync()

    assert attempts == len(set(lines(notes)))
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
    assert not any(is_alive(int(pid)) for pid in lines(notes))


def test_the_next_path_has_a_process_of_its_own(engine, operations, notes):
    """What poisons one process does not reach the other."""
    loop = engine.create_loop(functools.partial(operations.poisoned, str(notes)), max_iterations=5, **FAST)
    paths = []
    loop.node.on(PathChanged, lambda event: paths.append(event.path))
    loop.start()
    loop.wait_sync()
    first, *others = lines(notes)

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
    assert [8, 3] == [lines(notes).count(pid) for pid in dict.fromkeys(lines(notes))]


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
    until(lambda: len(lines(notes)) > 2)

    assert loop.get_status().surviving
    assert loop.stop_sync()
    assert 1 == len(set(lines(notes)))
    assert not is_alive(int(lines(notes)[0]))


def test_repeats_in_the_process_are_not_multiplied_outside(engine, operations, notes):
    """What a protected call has repeated in vain there is not repeated here."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_fail_protected, str(notes)),
        max_iterations=1,
        **{**FAST, "effects": "idempotent"},
    )
    loop.start()
    loop.wait_sync()

    assert 3 == len(lines(notes))
    assert "ConnectionError: down" in loop.get_status().last_error


def test_a_machine_without_room_for_a_process_costs_iterations_not_the_loop(engine, operations, notes, monkeypatch):
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
    assert lines(notes)
    assert 0 == loop.get_status().consecutive_errors


def full(*_, **__):
    raise BlockingIOError(11, "Resource temporarily unavailable")


# ── how it ends ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
def test_stopping_kills_a_hung_process_within_the_grace(engine, operations, notes, asynchronous):
    """When stop returns, nothing of it is left, and nothing was repeated."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_hang, str(notes)), **{**FAST, "effects": "idempotent"}
    )

    async def story():
        loop.start()
        await asyncio.to_thread(until, lambda: lines(notes))
        return await loop.stop(grace=0.1)

    if asynchronous:
        stopped = asyncio.run(story())
    else:
        loop.start()
        until(lambda: lines(notes))
        stopped = loop.stop_sync(grace=0.1)

    assert stopped
    assert [False] == [is_alive(int(pid)) for pid in lines(notes)]


def test_a_loop_stopped_while_its_process_starts_leaves_none(engine, tmp_path, notes, monkeypatch):
    """Nobody waits for a module that hangs when it is loaded."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow.py").write_text("def work(): pass\n")
    loop = engine.create_loop(importlib.import_module("slow").work, **FAST)
    (tmp_path / "slow.py").write_text(
        f"import os, time; open({str(notes)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(1000)"
    )
    loop.start()
    until(lambda: lines(notes))

    assert loop.stop_sync(grace=0.0)
    assert [False] == [is_alive(int(pid)) for pid in lines(notes)]
    assert "was stopped before it was ready" in loop.get_status().last_error


def test_paths_that_are_no_longer_needed_let_go_of_their_processes(engine, operations, notes):
    """Once the loop is well again, one process is enough."""
    started = []
    loop = engine.create_loop(functools.partial(operations.poisoned, str(notes)), isolation="process", interval=0.05)
    loop.node.on(WorkerStarted, lambda event: started.append(event.pid))
    loop.start()
    until(lambda: len(lines(notes)) > 5)

    until(lambda: [False, True] == [is_alive(pid) for pid in started])


PROGRAM = """
import os, sys, time, warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)  # Python 3.12 advises against fork
import unbreakable as ub
from functools import partial
from pathlib import Path
import loop_operations as operations
engine = ub.QuantumLoopEngine()
def loop(operation, **settings):
    loop = engine.create_loop(partial(operation, sys.argv[1]), isolation="process", **settings)
    loop.start()
    return loop
"""


@contextlib.contextmanager
def program(code, notes, folder=None):
    """Run *code* as a program in a process group of its own; whatever happens, it does not outlive the test."""
    code = code if folder is not None else PROGRAM + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", *(["-c", code] if folder is None else code), str(notes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{SOURCE}:{HERE}"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("operation", ["tell_pid", "tell_and_hang", "hold_the_gil"], ids=["idle", "busy", "in C"])
def test_a_killed_program_leaves_no_process_behind(notes, operation):
    """Nobody can tidy up after kill -9 but the kernel and the worker itself."""
    with program(f"loop(operations.{operation}, interval=100).wait_sync()", notes) as it:
        until(lambda: lines(notes))
        pid = int(lines(notes)[0])

        assert is_alive(pid)
        it.kill()
        until(lambda: not is_alive(pid), seconds=3.0)


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "os._exit(3)"], ids=["its end", "sys.exit", "os._exit"])
def test_a_program_that_ends_leaves_no_process_behind(notes, ending):
    """Start and forget holds for the end, too."""
    code = f"loop(operations.tell_and_hang)\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\n{ending}"
    with program(code, notes) as it:
        _, err = it.communicate(timeout=20)
        pid = int(lines(notes)[0])

        assert (3 if ending else 0, "") == (it.returncode, err)
        until(lambda: not is_alive(pid), seconds=3.0)


def test_ctrl_c_lets_the_iteration_in_progress_finish_in_its_process(notes):
    """A terminal sends it to all; who decides is the program that runs the loops."""
    code = """
        engine.create_loop(partial(operations.tell_twice, sys.argv[1]), isolation="process")
        engine.run()
        print(engine.get_status().loops[0].performance.success_rate)
    """
    with program(code, notes) as it:
        until(lambda: lines(notes))
        worker = int(lines(notes)[0])
        groups = os.getpgid(it.pid), os.getpgid(worker)
        os.killpg(it.pid, signal.SIGINT)
        os.kill(worker, signal.SIGINT)
        out, err = it.communicate(timeout=20)

    assert (0, "1.0\n", "") == (it.returncode, out, err)
    assert 2 == len(lines(notes))
    assert groups == (it.pid, worker)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
def test_a_forked_child_leaves_the_parent_s_processes_alone(notes):
    """It ends in good order, and may run the loop in a process of its own."""
    code = """
        def runs(): return len(Path(sys.argv[1]).read_text().split()) if os.path.exists(sys.argv[1]) else 0
        it = loop(operations.tell_pid, interval=0.05)
        while runs() < 2: time.sleep(0.01)
        if os.fork() == 0:
            it.start()
            while it.get_status().performance.last_iteration_time == 0.0: time.sleep(0.01)
            print(it.stop_sync(), flush=True)
            sys.exit()
        os.wait()
        before = runs()
        while runs() < before + 3: time.sleep(0.01)
        print(it.get_status().performance.success_rate, it.stop_sync(), flush=True)
    """
    with program(code, notes) as it:
        out, err = it.communicate(timeout=20)

    assert (0, "True\n1.0 True\n", "") == (it.returncode, out, err)
    assert 2 == len(set(lines(notes)))


# ── where it is defined ─────────────────────────────────────────────────────────────────────

SCRIPT = """
import sys
import unbreakable as ub

class Mine(Exception):
    pass

def work(ctx):
    ctx.state[ctx.iteration] = Mine(ctx.iteration)
    raise Mine("here")

def main():
    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(work, isolation="process", interval=0, max_iterations=2, effects="once")
    loop.node.remedy(Mine)(lambda failure: print(type(failure.error) is Mine))
    loop.start()
    loop.wait_sync()
    print(loop.get_status().last_error)
"""
GUARDED = SCRIPT + '\nif __name__ == "__main__":\n    main()\n'


@pytest.mark.parametrize("command", [["script.py"], ["-m", "script"], ["-m", "package.script"]], ids=" ".join)
def test_an_operation_of_the_program_s_own_works(tmp_path, notes, command):
    """A script's functions and exceptions mean the same in both processes, however it was started."""
    (tmp_path / "package").mkdir()
    for path in ("script.py", "package/script.py"):
        (tmp_path / path).write_text(GUARDED)
    with program(command, notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=20)

    assert ("True\nTrue\nMine: here\n", "") == (out, err)


def test_a_program_that_starts_its_loops_when_it_is_loaded_says_what_is_wrong(tmp_path, notes):
    """Without its guard a program would start itself again and again."""
    (tmp_path / "script.py").write_text(SCRIPT + "\nmain()\n")
    with program(["script.py"], notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=20)

    assert "cannot load the operation: RuntimeError: a worker process loads this program" in out
    assert 'start loops below if __name__ == "__main__"' in out
    assert "" == err


def test_an_operation_that_no_process_could_find_is_refused(notes):
    """What was typed at a prompt, or given with -c, is in no file."""
    code = """
        def work(): pass
        try:
            engine.create_loop(work, isolation="process")
        except ub.errors.ConfigurationError as error:
            print(error)
    """
    with program(code, notes) as it:
        out, err = it.communicate(timeout=20)

    assert "operation must be a function at the top of a module" in out
    assert "not one of a prompt or of python -c" in out
    assert "" == err
