"""Worker processes go with their loop and with its program, however these end; and find what the program defines."""

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
import zipapp
from pathlib import Path

import pytest

import unbreakable as ub
from unbreakable.loops.events import WorkerStarted

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what lives")]

HERE = str(Path(__file__).parent)
SOURCE = str(Path(ub.__file__).parents[1])
FAST = {"interval": 0, "isolation": "process", "effects": "once"}


# ── how it ends ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
def test_stopping_kills_a_hung_process_within_the_grace(engine, operations, notes, asynchronous):
    """When stop returns, nothing of it is left, and nothing was repeated."""
    loop = engine.create_loop(
        functools.partial(operations.tell_and_hang, str(notes)), **{**FAST, "effects": "idempotent"}
    )

    async def story():
        loop.start()
        await asyncio.to_thread(notes.wait)
        return await loop.stop(grace=0.1)

    if asynchronous:
        stopped = asyncio.run(story())
    else:
        loop.start()
        notes.wait()
        stopped = loop.stop_sync(grace=0.1)

    assert stopped
    assert 1 == len(notes.pids())
    assert [] == notes.alive()


def test_a_loop_stopped_while_its_process_starts_leaves_none(engine, tmp_path, notes, monkeypatch):
    """Nobody waits for a module that hangs when it is loaded."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow.py").write_text("def work(): pass\n")
    loop = engine.create_loop(importlib.import_module("slow").work, **FAST)
    (tmp_path / "slow.py").write_text(
        f"import os, time; open({str(notes)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(1000)"
    )
    loop.start()
    notes.wait()

    assert loop.stop_sync(grace=0.0)
    assert 1 == len(notes.pids())
    assert [] == notes.alive()
    status = loop.get_status()
    assert (1, 0, None) == (status.ledger.interrupted, status.ledger.failed, status.last_error)


def test_paths_that_are_no_longer_needed_let_go_of_their_processes(engine, operations, notes, until):
    """Once the loop is well again, one process is enough."""
    started = []
    loop = engine.create_loop(functools.partial(operations.poisoned, str(notes)), isolation="process", interval=0.05)
    loop.node.on(WorkerStarted, lambda event: started.append(event.pid))
    loop.start()
    notes.wait(6)

    until(lambda: started[1:] == sorted(set(notes.alive())))


@pytest.mark.parametrize("operation", ["wait_for_a_child", "leave_a_child"], ids=["hangs", "dies"])
def test_what_an_operation_has_started_ends_with_its_process(engine, operations, notes, until, operation):
    """A hung command is as gone as the process that waited for it, and so is what a dead one left."""
    loop = engine.create_loop(
        functools.partial(getattr(operations, operation), str(notes)), deadline=1.5, max_iterations=2, **FAST
    )
    loop.start()
    loop.wait_sync()

    assert len(notes.pids()) >= 2
    until(lambda: not notes.alive(), seconds=1.0)


def test_stopping_a_loop_ends_what_its_operation_has_started(engine, operations, notes, until):
    """Nothing is left running when stop returns."""
    loop = engine.create_loop(functools.partial(operations.wait_for_a_child, str(notes)), **FAST)
    loop.start()
    notes.wait(2)

    assert loop.stop_sync(grace=0.1)
    until(lambda: not notes.alive(), seconds=1.0)


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
        stdin=subprocess.PIPE,
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
def test_a_killed_program_leaves_no_process_behind(notes, operation, until):
    """Nobody can tidy up after kill -9 but the kernel and the worker itself."""
    with program(f"loop(operations.{operation}, interval=100).wait_sync()", notes) as it:
        notes.wait()

        assert 1 == len(notes.alive())
        it.kill()
        until(lambda: not notes.alive(), seconds=3.0)


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "os._exit(3)"], ids=["its end", "sys.exit", "os._exit"])
def test_a_program_that_ends_leaves_no_process_behind(notes, ending, until):
    """Start and forget holds for the end, too."""
    code = f"loop(operations.tell_and_hang)\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\n{ending}"
    with program(code, notes) as it:
        _, err = it.communicate(timeout=60)

        assert (3 if ending else 0, "") == (it.returncode, err)
        until(lambda: not notes.alive(), seconds=3.0)


def test_ctrl_c_lets_the_iteration_in_progress_finish_in_its_process(notes):
    """A terminal sends it to all; who decides is the program that runs the loops."""
    code = """
        engine.create_loop(partial(operations.tell_twice, sys.argv[1]), isolation="process")
        engine.run()
        print(engine.get_status().loops[0].performance.success_rate)
    """
    with program(code, notes) as it:
        notes.wait()
        worker = notes.pids()[0]
        groups = os.getpgid(it.pid), os.getpgid(worker)
        os.killpg(it.pid, signal.SIGINT)
        os.kill(worker, signal.SIGINT)
        out, err = it.communicate(timeout=60)

    assert (0, "1.0\n", "") == (it.returncode, out, err)
    assert 2 == len(notes.lines())
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
        out, err = it.communicate(timeout=60)

    assert (0, "True\n1.0 True\n", "") == (it.returncode, out, err)
    assert 2 == len(set(notes.lines()))


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
        out, err = it.communicate(timeout=60)

    assert ("True\nTrue\nMine: here\n", "") == (out, err)


KEEPER = """
import ops
import unbreakable as ub

system = ub.QuantumSystem("./state")

def work():
    return ops.ready

if __name__ == "__main__":
    loop = system.loops.create_loop(work, isolation="process", interval=0, max_iterations=2, effects="once")
    loop.start()
    loop.wait_sync()
    print(loop.get_status().performance.success_rate, loop.get_status().last_error)
    system.aclose_sync()
"""


@pytest.mark.parametrize("command", [["script.py"], ["-m", "script"]], ids=" ".join)
def test_a_program_that_keeps_a_state_runs_in_its_worker_processes(tmp_path, notes, command):
    """The state is the program's: where it is only loaded to find an operation, nothing of it is opened."""
    (tmp_path / "script.py").write_text(KEEPER)
    (tmp_path / "ops.py").write_text("ready = 1")
    with program(command, notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=60)

    assert ("1.0 None\n", "") == (out, err)


SHARER = """
import multiprocessing
import unbreakable as ub

def work(): pass

loop = ub.QuantumLoopEngine().create_loop(work, isolation="process", interval=0, max_iterations=2, effects="once")

if __name__ == "__main__":
    loop.start()
    loop.wait_sync()
    print(loop.get_status().performance.success_rate, loop.get_status().last_error)
"""


SPAWNER = """
import multiprocessing
import unbreakable as ub

def work(): pass

def run():
    settings = {"isolation": "process", "interval": 0, "max_iterations": 2, "effects": "once"}
    loop = ub.QuantumLoopEngine().create_loop(work, **settings)
    loop.start()
    loop.wait_sync()
    print(loop.get_status().performance.success_rate, loop.get_status().last_error)

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=run)
    child.start()
    child.join()
"""


@pytest.mark.parametrize("command", [["script.py"], ["-m", "script"]], ids=" ".join)
@pytest.mark.parametrize("script", [SHARER, SPAWNER], ids=["loads", "spawned"])
def test_a_program_with_multiprocessing_is_found_in_its_worker_processes(tmp_path, notes, script, command):
    """That gives the main module another name, also in a process that it has spawned."""
    (tmp_path / "script.py").write_text(script)
    with program(command, notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=60)

    assert ("1.0 None\n", "") == (out, err)


@pytest.mark.parametrize("command", [["app"], ["app.pyz"]], ids=" ".join)
def test_a_folder_or_an_archive_that_is_the_program_is_found_in_its_worker_processes(tmp_path, notes, command):
    """Its main module has no name by which another process could load it."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(SHARER)
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    with program(command, notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=60)

    assert ("1.0 None\n", "") == (out, err)


PRINTER = """
import os
import unbreakable as ub

def work(ctx):
    print("iteration", ctx.iteration)
    os._exit(1)

if __name__ == "__main__":
    settings = {"isolation": "process", "interval": 0, "max_iterations": 2, "effects": "once"}
    loop = ub.QuantumLoopEngine().create_loop(work, **settings)
    loop.start()
    loop.wait_sync()
"""


def test_what_a_process_has_printed_before_it_dies_is_seen(tmp_path, notes, monkeypatch):
    """Python keeps what goes to a file or a pipe until there is much of it, or the process ends in good order."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "script.py").write_text(PRINTER)
    with program(["script.py"], notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=60)

    assert ("iteration 1\niteration 2\n", "") == (out, err)


def test_a_program_that_starts_its_loops_when_it_is_loaded_says_what_is_wrong(tmp_path, notes):
    """Without its guard a program would start itself again and again."""
    (tmp_path / "script.py").write_text(SCRIPT + "\nmain()\n")
    with program(["script.py"], notes, folder=tmp_path) as it:
        out, err = it.communicate(timeout=60)

    assert "cannot load the operation: RuntimeError: a worker process loads this program" in out
    assert 'start loops below if __name__ == "__main__"' in out
    assert "" == err


UNFOUND = f"""{PROGRAM}
def work(): pass
try:
    engine.create_loop(work, isolation="process")
except ub.errors.ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(("command", "typed"), [(["-c", UNFOUND], None), (["-"], UNFOUND)], ids=["-c", "-"])
def test_an_operation_that_no_process_could_find_is_refused(tmp_path, notes, command, typed):
    """What was typed at a prompt, or given with -c or on standard input, is in no file."""
    with program(command, notes, folder=tmp_path) as it:
        out, err = it.communicate(typed, timeout=60)

    assert "operation must be a function at the top of a module" in out
    assert "not one of a prompt or of python -c" in out
    assert "" == err
