"""What `unbreakable run` makes of what it is asked to run: which object, from which file, with which state."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.faults.processes import kill_all
from tests.faults.supervised import forked, started

import unbreakable

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

HEAD = """
import asyncio, os, sys, time
import unbreakable as ub

def note(what="note"):
    with open("effects.txt", "a") as file:
        file.write(f"{what}\\n")

STEPS = {"steps": [{"id": "note", "operation": note}]}
"""
WORKFLOW = 'ub.QuantumSystem({}).create_quantum_workflow_sync("w", interval=0.01, max_iterations=2, workflow=STEPS)'
STATE_LOCKED = "from unbreakable.errors import StateLocked\ndef main(): raise StateLocked('somebody writes')"


@contextlib.contextmanager
def running(folder: Path, program: str, *words: object, file: str = "program.py", name: str = "", start=forked):
    """Run a program under the command; whatever happens, it does not outlive the test."""
    (folder / file).write_text(HEAD + program)
    asked = ["run", file + name, *map(str, words)]
    process = start(asked, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=8)
        kill_all(folder)
        process.communicate()


def ended(folder: Path, program: str, *words: object, **how: Any) -> tuple[int, str]:
    """Return the exit code and what was said."""
    with running(folder, program, *words, **how) as process:
        said, _ = process.communicate(timeout=60)
        return process.returncode, said


def until_said(process: subprocess.Popen, words: str) -> str:
    """Return what was said up to the line with these words."""
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, f"{words!r} was not said: {said}"
        said += line
    return said


def effects(folder: Path) -> list[str]:
    path = folder / "effects.txt"
    return path.read_text().split() if path.exists() else []


def wait_until(fact, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


# ── what cannot be run ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("program", "message", "frames"),
    [
        ('sys.exit("no config found")', "Error: program.py cannot be loaded: no config found", 0),
        ("sys.exit()", "Error: program.py cannot be loaded: sys.exit()", 0),
        ("1 / 0", "Error: program.py cannot be loaded: ZeroDivisionError: division by zero", 1),
        ("def main(:", "Error: program.py cannot be loaded: SyntaxError: invalid syntax", 0),
        ("def main(a, b=1): pass", "program.py: main(a, b=1) must be a function without arguments", 0),
        ("def main(): sys.exit('no config')", "Error: main in program.py failed before anything ran: no config", 0),
        ("def main(): 1 / 0", "main in program.py failed before anything ran: ZeroDivisionError", 1),
        ("async def main(): 1 / 0", "main in program.py failed before anything ran: ZeroDivisionError", 1),
        (
            "async def main(): await ub.QuantumSystem().create_quantum_workflow(7, workflow=STEPS)",
            "Error: name must",
            0,
        ),
        ("system = ub.QuantumSystem()", "program.py: system has neither a loop nor a workflow", 0),
        ("def main(): return ub.QuantumSystem()", "what main in program.py has returned has neither a loop nor", 0),
    ],
)
def test_what_fails_before_anything_runs_is_said_once(tmp_path, program, message, frames):
    """Exit code 2 and one message; the frames are those of the user's file."""
    code, said = ended(tmp_path, program)

    assert (2, 1) == (code, said.count("\nError: ") + said.startswith("Error: ")), said
    assert message in said
    assert "started again" not in said
    assert "running " not in said
    assert ["program.py"] * frames == [Path(each).name for each in re.findall(r'File "(.+)", line \d+, in', said)]


def test_a_place_where_no_state_can_be_is_said(tmp_path):
    """What is wrong is the state, not the file."""
    code, said = ended(tmp_path, "system = " + WORKFLOW.format(""), "--state", "/proc/x")

    assert 2 == code
    assert "Error: /proc/x: the operating system refuses (No such file or directory)" in said
    assert ("Traceback" in said, "cannot be loaded" in said, "running" in said) == (False, False, False)


@pytest.mark.parametrize(
    "program",
    [
        STATE_LOCKED,
        "engine = ub.QuantumLoopEngine()\ndef main():\n    engine.create_loop(note).start()\n    raise ValueError('x')",
        "engine = ub.QuantumLoopEngine()\nengine.create_loop(lambda: os._exit(0), interval=0.01)",
        "engine = ub.QuantumLoopEngine()\nengine.create_loop(lambda: os._exit(2), interval=0.01)",
    ],
    ids=["the state is locked", "it has run", "code 0", "code 2"],
)
def test_what_may_pass_is_started_again(tmp_path, program):
    """Trouble that passes by itself, and whatever ends a program that runs, cost a restart and no more."""
    with running(tmp_path, program) as process:
        until_said(process, "it is started again at once")
        until_said(process, "it is started again in 0.5 s")


@pytest.mark.parametrize("way", ["pass", "sys.exit()", "sys.exit(0)"])
def test_a_function_that_is_the_whole_program_ends_when_it_is_done(tmp_path, way):
    """It may do everything itself."""
    program = f"system = {WORKFLOW.format('')}.system\ndef go():\n    system.run()\n    note('over')\n    {way}"
    code, _ = ended(tmp_path, program, name=":go")

    assert (0, ["note", "note", "over"]) == (code, effects(tmp_path))


# ── which file, and what in it ──────────────────────────────────────────────────────────────


def test_a_system_that_a_function_fills_is_run_once_it_is_full(tmp_path):
    """An awaited call cannot stand at the top of a file: main makes what system runs."""
    program = """
system = ub.QuantumSystem()

async def main():
    await system.create_quantum_workflow("w", interval=0.01, max_iterations=2, workflow=STEPS)
"""
    code, said = ended(tmp_path, program)

    assert (0, ["note", "note"]) == (code, effects(tmp_path)), said


def test_a_function_with_arguments_beside_a_full_system_is_left_alone(tmp_path):
    """What has something to run comes first."""
    program = f"workflow = {WORKFLOW.format('')}\ndef main(arguments): 1 / 0"

    assert (0, ["note", "note"]) == (ended(tmp_path, program)[0], effects(tmp_path))


LOOP = """
engine = ub.QuantumLoopEngine()
def work(): note(__name__)
engine.create_loop(work, isolation="process", interval=0.01, max_iterations=2)
"""


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my-app.py", "unbreakable_run_my_app"),
        ("app3.py", "unbreakable_run_app3"),
        ("signal.py", "unbreakable_run_signal"),
    ],
)
def test_the_file_that_was_named_is_run_in_all_its_processes(tmp_path, file, name):
    """Neither a name that cannot be imported nor a package or module of the same name is in its way."""
    (tmp_path / "app3").mkdir()
    (tmp_path / "app3" / "__init__.py").write_text("raise SystemExit('not me')")
    code, said = ended(tmp_path, LOOP, file=file, start=started)

    assert (0, [name, name]) == (code, effects(tmp_path)), said


def test_what_lies_beside_a_program_is_in_nobody_s_way(tmp_path):
    """The library finds itself and what it needs, here and in worker processes, whatever folder it is started in."""
    for name in ("signal", "click", "socket", "unbreakable"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('not {name}')")
    code, said = ended(tmp_path, LOOP, start=started)

    assert (0, ["program", "program"]) == (code, effects(tmp_path)), said


def test_an_operation_finds_the_environment_as_it_was(tmp_path):
    """How the library is found is no business of the program's children; its own folder and the current one count."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "near.py").write_text("")
    (tmp_path / "here.py").write_text("")
    program = """
import near, here
def work(): note(os.environ["PYTHONPATH"])
engine = ub.QuantumLoopEngine()
engine.create_loop(work, max_iterations=1)
"""
    code, said = ended(tmp_path, program, file="beside/program.py", start=started)

    assert (0, str(Path(unbreakable.__file__).parents[1])) == (code, " ".join(effects(tmp_path))), said


# ── where the state is ──────────────────────────────────────────────────────────────────────

MADE = """
async def main():
    return await ub.QuantumSystem({}).create_quantum_workflow("w", max_iterations=1, workflow=STEPS)
"""


@pytest.mark.parametrize(
    ("program", "words", "told", "folder"),
    [
        (
            "system = " + WORKFLOW.format(""),
            [],
            "running system in program.py, its state in .unbreakable; ",
            ".unbreakable",
        ),
        ("system = " + WORKFLOW.format(""), ["--state", "zz"], "its state in zz; ", "zz"),
        ("system = " + WORKFLOW.format("'own'"), [], "its state in own; ", "own"),
        (
            "system = " + WORKFLOW.format("'own'"),
            ["--state", "zz"],
            "in own, as the program says: --state zz is not used",
            "own",
        ),
        (MADE.format(""), ["--state", "zz"], "its state in zz; ", "zz"),
        (MADE.format("'own'"), ["--state", "zz"], "in own, as the program says: --state zz is not used", "own"),
        (LOOP, [], "running engine in program.py, which keeps no state; ", None),
        (LOOP, ["--state", "zz"], "which keeps no state: --state zz is not used; ", None),
    ],
)
def test_it_says_where_the_state_really_is(tmp_path, program, words, told, folder):
    """What a program names itself wins; who named another place hears of it."""
    code, said = ended(tmp_path, program, *words)

    assert (0, 1) == (code, said.count("running ")), said
    assert told in said
    assert ([] if folder is None else [folder]) == [
        each.name for each in tmp_path.iterdir() if each.is_dir() and each.name != "__pycache__"
    ]


ELSEWHERE = "os.chdir(os.path.dirname(os.path.abspath(__file__)))\n"


@pytest.mark.parametrize(
    ("system", "words", "told", "folder"),
    [
        ("", [], "running system in app/program.py, its state in .unbreakable; ", ".unbreakable"),
        ("", ["--state", "./zz"], "its state in zz; ", "zz"),
        ("", ["--state", "../zz"], "its state in ../zz; ", "../zz"),
        ("'own'", [], "its state in app/own; ", "app/own"),
        ("'own'", ["--state", "app/own"], "its state in app/own; ", "app/own"),
        ("'own'", ["--state", "own"], "in app/own, as the program says: --state own is not used; ", "app/own"),
    ],
)
def test_the_state_is_where_it_was_asked_for_when_the_program_goes_elsewhere(tmp_path, system, words, told, folder):
    """A path on the command line is seen from where it was called, as is all that is said."""
    (tmp_path / "here" / "app").mkdir(parents=True)
    program = ELSEWHERE + "system = " + WORKFLOW.format(system)

    code, said = ended(tmp_path / "here", program, *words, file="app/program.py")

    assert (0, True) == (code, told in said), said
    assert [(tmp_path / "here" / folder).resolve() / "runs.db"] == list(tmp_path.rglob("runs.db"))


def test_a_file_that_is_not_there_runs_nowhere(tmp_path):
    """Nothing is said of a state before there is anything to keep one."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "unbreakable", "run", "nowhere.py", "--state", "zz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(unbreakable.__file__).parents[1])},
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert "Error: nowhere.py: there is no such file; expected a Python file, then perhaps :NAME\n" == done.stderr


# ── its end ─────────────────────────────────────────────────────────────────────────────────

SLEEPER = """
import subprocess
def work():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    note(f"{child.pid} {os.getppid()}")
    child.wait()

engine = ub.QuantumLoopEngine()
engine.create_loop(work, isolation="process")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what lives")
@pytest.mark.parametrize("way", ["asked", "killed"])
def test_nothing_that_an_operation_has_started_outlives_its_program(tmp_path, way):
    """Neither the command that a hung iteration waits for nor its process, however the worker ends."""
    with running(tmp_path, SLEEPER) as process:
        wait_until(lambda: len(effects(tmp_path)) >= 2)
        child, worker = map(int, effects(tmp_path)[:2])
        if way == "asked":
            process.terminate()
            process.communicate(timeout=60)
        else:
            os.kill(worker, 9)
        wait_until(lambda: not Path(f"/proc/{child}").exists())


HUNG = """
class Cache(ub.CacheNode):
    def aclose_sync(self):
        note(f"closed-{self.name}")
        super().aclose_sync()
    async def aclose(self):
        note(f"closed-{self.name}")
        await super().aclose()

def hang():
    note("begun")
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass

async def hang_async():
    note("begun")
    while True:
        try:
            await asyncio.sleep(100)
        except BaseException:
            pass

def fill(system, hang):
    for name in ("one", "two", "three"):
        steps = {"steps": [{"id": "hang", "operation": hang if name == "two" else note}]}
        system.create_quantum_workflow_sync(name, nodes=[Cache(name=name, ttl=5)], workflow=steps)
    system.loops.create_loop(hang)
    return system

def plain():
    return fill(ub.QuantumSystem(), hang)

async def colourful():
    return fill(ub.QuantumSystem(), hang_async)
"""


@pytest.mark.parametrize("name", ["plain", "colourful"])
def test_loops_that_hang_do_not_keep_the_rest_from_being_closed(tmp_path, name):
    """One grace for everything: nodes and files are closed in good order, and nobody has to be killed."""
    with running(tmp_path, HUNG, name=f":{name}") as process:
        wait_until(lambda: effects(tmp_path).count("begun") >= 2)
        began = time.monotonic()
        process.terminate()
        said, _ = process.communicate(timeout=60)

        assert 5.0 > time.monotonic() - began
    assert {"closed-one", "closed-two", "closed-three"} == {each for each in effects(tmp_path) if "closed" in each}
    assert "is killed" not in said
