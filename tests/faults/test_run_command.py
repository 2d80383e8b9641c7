"""`unbreakable run` as people start it, and as the world ends it: signals, kill -9 of either process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
from tests.dense import crossed
from tests.faults.processes import kill_all, kill_supervisors
from tests.faults.supervised import forked, started
from tests.faults.test_run_command_ends import children

from unbreakable.observe.calls import read_trace

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="these are signals of POSIX")]

FAILING = """
import asyncio
import unbreakable as ub

async def hold(ctx):
    with open("effects.txt", "a") as file:
        file.write("hold\\n")

async def release(ctx):
    with open("effects.txt", "a") as file:
        file.write("release\\n")

async def pay(ctx):
    await asyncio.sleep(0.01)
    raise ConnectionError("the partner is down")

async def main():
    system = ub.QuantumSystem()
    return await system.create_quantum_workflow(
        "Booking", interval=0.05, nodes=[], breaker=False, retry=False, workflow={"steps": [
            {"id": "hold", "operation": hold, "compensate": release}, {"id": "pay", "operation": pay}]},
    )
"""
PLAIN = """
import unbreakable as ub

def note():
    with open("effects.txt", "a") as file:
        file.write("note\\n")

system = ub.QuantumSystem()
system.create_quantum_workflow_sync("Notes", interval=0.05, workflow={"steps": [{"id": "note", "operation": note}]})
"""
STUBBORN = """
import time
import unbreakable as ub

def swallow():
    open("effects.txt", "a").close()
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass

engine = ub.QuantumLoopEngine()
engine.create_loop(swallow, interval=0.1)
"""
FINITE = """
import unbreakable as ub

engine = ub.QuantumLoopEngine()
engine.create_loop(lambda: open("effects.txt", "a").close(), name="three", interval=0.0, max_iterations=3)
"""


def ask(folder: Path, *words: str, start=forked) -> tuple[int, str]:
    """Return the exit code and the output of another command in the folder."""
    with start(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said, _ = process.communicate(timeout=60)
    return process.returncode, said


@contextlib.contextmanager
def running(folder: Path, program: str, name: str = "", start=forked, options=()):
    """Run a program under the command; whatever happens, no process of it outlives the test."""
    (folder / "program.py").write_text(textwrap.dedent(program))
    process = start(
        ["run", *options, f"program.py{name}"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: effects(folder) is not None or process.poll() is not None)
        yield process
    finally:
        kill_all(folder)
        process.communicate()


def effects(folder: Path) -> list[str] | None:
    path = folder / "effects.txt"
    return path.read_text().split() if path.exists() else None


def workers(folder: Path) -> list[int]:
    """Return the worker processes that run a program in this folder, and those that stand by, the oldest first."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")  # a canary bears the words of its worker
            if b"--worker" in words and b"--canary" not in words and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return sorted(found)


def lives(pid: int) -> bool:
    """Return whether there is such a process, other than one whose end nobody has asked for."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def wait_until(fact, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def grows(folder: Path) -> None:
    before = len(effects(folder) or [])
    wait_until(lambda: len(effects(folder) or []) > before + 2)


@pytest.mark.parametrize(("program", "number"), crossed([FAILING, PLAIN], [signal.SIGTERM, signal.SIGINT]))
def test_it_ends_in_good_order_when_asked(tmp_path, program, number):
    """Exit code 0 within five seconds; no run is left half done, and no process."""
    with running(tmp_path, program, start=started) as process:
        grows(tmp_path)
        began = time.monotonic()
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)

        assert 0 == process.returncode, said
        assert 5.0 > time.monotonic() - began
        assert "Traceback" not in said
        assert [] == workers(tmp_path)
    done = effects(tmp_path) or []
    assert done.count("hold") == done.count("release")
    connection = sqlite3.connect(tmp_path / ".unbreakable" / "runs.db")
    assert [(0,)] == connection.execute("SELECT count(*) FROM run WHERE ended IS NULL").fetchall()
    assert [("ok",)] == connection.execute("PRAGMA quick_check").fetchall()
    connection.close()


def test_a_system_that_always_fails_goes_on_and_can_be_asked(tmp_path):
    """Status and stories are there for others while it runs, and after it has ended."""
    with running(tmp_path, FAILING) as process:
        grows(tmp_path)
        wait_until(lambda: ask(tmp_path, "status")[0] == 0)
        code, shown = ask(tmp_path, "status", "--json")
        assert 0 == code
        assert "Booking" == json.loads(shown)["status"]["loops"]["loops"][0]["name"]
        assert "Booking" in ask(tmp_path, "status")[1]
        process.terminate()
        process.communicate(timeout=60)

    assert 3 == ask(tmp_path, "status")[0]
    listed = ask(tmp_path, "explain")[1].splitlines()
    paying = next(line.split()[2] for line in listed if line.endswith("Booking.run.pay"))
    code, story = ask(tmp_path, "explain", paying)
    assert 0 == code
    assert "the partner is down" in story
    run = next(line.split()[2] for line in listed if line.endswith("  Booking"))
    assert "compensated" in ask(tmp_path, "explain", run)[1]


def test_a_run_is_explained_step_by_step(tmp_path):
    """The id of a run tells what became of each of its steps."""
    with running(tmp_path, FAILING) as process:
        grows(tmp_path)
        process.terminate()
        process.communicate(timeout=60)
    connection = sqlite3.connect(tmp_path / ".unbreakable" / "runs.db")
    [(run,)] = connection.execute("SELECT id FROM run WHERE status = 'compensated' LIMIT 1").fetchall()
    connection.close()

    code, told = ask(tmp_path, "explain", run)
    assert 0 == code
    assert "hold undone" in told
    assert "pay uncertain: ConnectionError: the partner is down" in told


def test_a_killed_worker_is_started_again(tmp_path):
    """After kill -9 of the worker another one goes on, and a run that was in flight is undone or finished."""
    with running(tmp_path, FAILING, start=started) as process:
        grows(tmp_path)
        before = workers(tmp_path)[0]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: workers(tmp_path) and before not in workers(tmp_path))
        grows(tmp_path)
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert "was killed by signal 9; it is started again" in said
    assert 0 == process.returncode
    done = effects(tmp_path) or []
    assert done.count("release") >= done.count("hold") - 1
    connection = sqlite3.connect(tmp_path / ".unbreakable" / "runs.db")
    assert [(0,)] == connection.execute("SELECT count(*) FROM run WHERE ended IS NULL").fetchall()
    connection.close()


def test_a_supervisor_that_is_killed_with_its_deputy_leaves_nobody_behind(tmp_path):
    """A worker whose supervisors are gone ends itself, and so do those that stand beside it, and by."""
    with running(tmp_path, FAILING, start=started) as process:
        wait_until(lambda: len(children(process.pid)) == 4)
        others = children(process.pid)
        kill_supervisors(tmp_path)
        process.wait()
        wait_until(lambda: not any(map(lives, others)), 6.0)
        assert [] == workers(tmp_path)


def test_a_worker_that_does_not_end_is_killed(tmp_path):
    """An operation that swallows everything delays the end by no more than its bound."""
    with running(tmp_path, STUBBORN, ":engine") as process:
        began = time.monotonic()
        process.terminate()
        process.communicate(timeout=60)

        assert (0, []) == (process.returncode, workers(tmp_path))
        assert 5.0 > time.monotonic() - began


def test_it_ends_when_everything_is_done(tmp_path):
    """Loops that are finite end the command with exit code 0."""
    with running(tmp_path, FINITE) as process:
        process.communicate(timeout=60)

    assert 0 == process.returncode


@pytest.mark.parametrize(
    ("program", "name", "message"),
    [
        ("x = 1", "", "found none of system, engine, workflow, main"),
        ("x = 1", ":x", "x must be a QuantumSystem"),
        ("x = 1", ":y", "nothing in it has the name y; name a QuantumSystem"),
        ("import nothing_of_that_name", "", "cannot be loaded"),
        ("def main(): return 7", "", "the function must return"),
        (
            "import unbreakable as ub; ub.QuantumSystem().create_quantum_workflow_sync('w', workflow={'steps': []})",
            "",
            "workflow.steps must be a list of 1 to",
        ),
    ],
)
def test_what_cannot_be_run_is_said_once(tmp_path, program, name, message):
    """A program that cannot be run is not started again and again: exit code 2, and why."""
    with running(tmp_path, program, name) as process:
        said, _ = process.communicate(timeout=60)

    assert 2 == process.returncode
    assert message in said
    assert "started again" not in said


def test_calls_are_recorded_where_that_is_asked_for(tmp_path):
    """Those of the program's nodes; a file of somebody else is refused before anything runs."""
    (tmp_path / "program.py").write_text(textwrap.dedent(FINITE))
    (tmp_path / "poem").write_text("a poem")
    ran, _ = ask(tmp_path, "run", "program.py", "--trace", "calls")
    refused, said = ask(tmp_path, "run", "program.py", "--trace", "poem")

    assert (0, 2) == (ran, refused)
    assert read_trace(tmp_path / "calls").calls
    assert "poem is no trace of calls" in said


def test_a_missing_file_is_said(tmp_path):
    """A file that is not there is named."""
    code, said = ask(tmp_path, "run", "nowhere.py", start=started)

    assert 2 == code
    assert "nowhere.py: there is no such file" in said


@pytest.mark.parametrize("verb", [("status",), ("explain",), ("explain", "abc")])
def test_without_a_state_there_is_nothing_to_show(tmp_path, verb):
    """Where no system ever ran, that is said with exit code 2."""
    code, said = ask(tmp_path, *verb, start=started)

    assert 2 == code
    assert "there is no state" in said


def test_an_unknown_story_is_said(tmp_path):
    """An id that nobody knows is an error, not an empty page."""
    with running(tmp_path, PLAIN) as process:
        grows(tmp_path)
        process.terminate()
        process.communicate(timeout=60)

    code, said = ask(tmp_path, "explain", "abc")
    assert (2, True) == (code, "no story of that id" in said)
    assert "nothing had to be healed" in ask(tmp_path, "explain")[1]


def test_what_it_says_is_json_where_that_is_asked_for(tmp_path):
    """Each line on standard output is an object: what runs, and why something cannot."""
    (tmp_path / "program.py").write_text(textwrap.dedent(FINITE))

    ended, said = ask(tmp_path, "run", "program.py", "--json", start=started)
    assert (0, ["message"]) == (ended, list(json.loads(said)))
    ended, said = ask(tmp_path, "run", "nothing.py", "--json")
    assert (2, ["error"]) == (ended, list(json.loads(said)))
