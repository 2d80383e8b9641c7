"""The signals that we take are ours alone: what a program forks is ended by SIGTERM as without us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from tests.dense import crossed
from tests.faults.test_run_command_asked import HEAD, effects, ended, running, wait_until

pytestmark = [pytest.mark.real, pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")]

STEP = """
import multiprocessing
fork = multiprocessing.get_context("fork")

def step():
    for patience in (0, 0.2):
        child = fork.Process(target=time.sleep, args=(60,))
        child.start()
        child.join(patience)
        child.terminate()
        child.join()
        note(child.exitcode)
    with fork.Pool(2) as pool:
        note(sum(pool.map(abs, [-1, 2])))
"""
PROGRAMS = {
    "plain": "def main():\n    step()\n    ub.QuantumSystem()",
    "async": "async def main():\n    await asyncio.to_thread(step)\n    ub.QuantumSystem()",
    "loop": "engine = ub.QuantumLoopEngine()\nengine.create_loop(step, max_iterations=1)",
    "process": "engine = ub.QuantumLoopEngine()\nengine.create_loop(step, max_iterations=1, isolation='process')",
    "loaded": "step()\nub.QuantumSystem()\ndef main(): pass",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_forked_child_ends_by_sigterm_and_its_parent_goes_on(tmp_path, program):
    """Whoever runs the job, a child can be terminated at once and later, and a pool is closed."""
    _, said = ended(tmp_path, f"{STEP}\n{program}\n")

    assert ["-15", "-15", "3"] == effects(tmp_path), said
    assert "Traceback" not in said


def test_children_of_what_runs_without_the_command_end_by_sigterm(tmp_path):
    """The same holds for the run() of a system in a program of its own."""
    program = f"""{HEAD}{STEP}
system = ub.QuantumSystem()
steps = {{"steps": [{{"id": "step", "operation": step}}]}}
system.create_quantum_workflow_sync("w", max_iterations=1, workflow=steps)
system.run()
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=60, capture_output=True, check=True)

    assert (["-15", "-15", "3"], b"") == (effects(tmp_path), run.stderr)


def test_what_the_program_has_put_over_ours_is_left_to_the_child(tmp_path):
    """A handler that the program set by itself is inherited, as handlers are."""
    program = """
import signal

def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    child = os.fork()
    if not child:
        note("forked")
        time.sleep(60)
    while not os.path.exists("effects.txt"):
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    note(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    ub.QuantumSystem()
"""
    _, said = ended(tmp_path, program)

    assert ["forked", "7"] == effects(tmp_path), said


LEFT_OPEN = """
def main():
    engine = ub.QuantumLoopEngine()
    engine.create_loop(lambda: None, name="tick", interval=0.05).start()
    other = ub.QuantumLoopEngine()
    other.create_loop(lambda: note("never"), interval=0.05)
    engine_of_main = ub.QuantumLoopEngine()
    engine_of_main.create_loop(note, interval=0.05)
    engine_of_main.run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_was_asked_to_end_runs_on_nothing_that_is_left_open(tmp_path, number):
    """What run() of one engine has heard is heard for the others of the program, too."""
    with running(tmp_path, LEFT_OPEN) as process:
        wait_until(lambda: effects(tmp_path))
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)

    assert (0, False) == (process.returncode, "killed" in said), said
    assert {"note"} == set(effects(tmp_path))


LOADED = {
    "waits": "try:\n    note()\n    time.sleep(60)\nfinally:\n    note('finally')",
    "runs": "async def go():\n    try:\n        note()\n        await asyncio.sleep(60)\n    finally:\n"
    "        note('finally')\n\nasyncio.run(go())",
    "a system": "engine = ub.QuantumLoopEngine()\nengine.create_loop(note, interval=0.05, max_iterations=500)\n"
    "engine.run()\nnote('finally')",
}


@pytest.mark.parametrize(("name", "number"), crossed(LOADED, [signal.SIGTERM, signal.SIGINT]))
def test_a_file_that_works_when_it_is_loaded_has_its_last_words(tmp_path, name, number):
    """It ends in good order, as when it runs without the command, and nothing is said against it."""
    with running(tmp_path, LOADED[name]) as process:
        wait_until(lambda: effects(tmp_path))
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)

    assert (0, {"note", "finally"}) == (process.returncode, set(effects(tmp_path))), said
    assert ("Error" in said, "Traceback" in said) == (False, False), said
