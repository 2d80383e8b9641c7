"""How soon the next iteration begins under `unbreakable run` after a worker has died, beside a bare start of Python."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests.faults.supervised import forked
from tests.faults.test_run_command import running, wait_until

from unbreakable.loops.notice import Notice

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

NOTING = """
import os
import time
import unbreakable as ub

def note():
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()}@{time.monotonic()}\\n")

engine = ub.QuantumLoopEngine()
engine.create_loop(note, interval=0.02)
"""


def noted(folder: Path) -> list[tuple[int, float]]:
    """Return which process noted something, and when."""
    lines = (folder / "effects.txt").read_text().splitlines(keepends=True)
    return [(int(pid), float(at)) for pid, at in (line.split("@") for line in lines if line.endswith("\n"))]


def bare_start(program: str) -> float:
    """Return how long a Python takes that loads the library and ends."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.monotonic() - began


def test_the_first_death_costs_no_pause(tmp_path):
    """From kill -9 to the next iteration it takes little more than to start Python and load the program."""
    with running(tmp_path, textwrap.dedent(NOTING)) as process:
        wait_until(lambda: len(noted(tmp_path)) > 3)
        worker = noted(tmp_path)[0][0]
        baseline = max(bare_start("import unbreakable as ub; ub.QuantumLoopEngine()") for _ in range(2))
        killed = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: any(pid != worker for pid, _ in noted(tmp_path)))
        took = next(at for pid, at in noted(tmp_path) if pid != worker) - killed
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 3 * baseline > took
    assert "was killed by signal 9; it is started again at once" in said


MAIN = """
def main():
    engine.run()
"""
ASYNC_MAIN = """
import asyncio

async def main():
    for loop in engine.get_loops():
        loop.start()
    await asyncio.sleep(600)
"""


@pytest.mark.parametrize("program", ["", MAIN, ASYNC_MAIN])
def test_a_signal_to_the_worker_alone_is_a_death_as_any_other(tmp_path, program):
    """Who needs memory sends SIGTERM to the biggest process: nobody has asked for the end of the program."""
    with running(tmp_path, NOTING + program) as process:
        wait_until(lambda: len(noted(tmp_path)) > 3)
        worker = noted(tmp_path)[0][0]
        os.kill(worker, signal.SIGTERM)
        wait_until(lambda: any(pid != worker for pid, _ in noted(tmp_path)))
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 0 == process.returncode
    assert "was sent a signal to end, and its supervisor, process" in said


@pytest.mark.skipif(sys.platform != "linux", reason="what has ended is seen in memory of Linux")
def test_a_worker_that_has_done_something_costs_no_pause(tmp_path):
    """Each of three deaths within a minute is the first one, for iterations have ended in between."""
    with running(tmp_path, NOTING, start=forked) as process:
        for count in range(1, 4):
            wait_until(lambda count=count: len({pid for pid, _ in noted(tmp_path)}) == count)
            first = noted(tmp_path)[-1]
            wait_until(lambda first=first: noted(tmp_path)[-1][1] > first[1] + 1.2)
            os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: len({pid for pid, _ in noted(tmp_path)}) == 4)
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 3 == said.count("it is started again at once")


ASKING = """
def ask():
    if os.path.exists("away"):
        open("asked", "a").write("x")
        raise ConnectionError("the database is away")

"""


@pytest.mark.skipif(sys.platform != "linux", reason="that loops go on is seen in memory of Linux")
@pytest.mark.parametrize(("asks", "name"), [("ask()", ""), ("def main():\n    ask()\n    return engine\n", ":main")])
def test_a_program_that_has_run_before_is_not_given_up_where_it_cannot_be_loaded(tmp_path, asks, name):
    """A database that it asks as it begins may be away for a while, just when its worker has died."""
    asked = tmp_path / "asked"
    with running(tmp_path, NOTING + ASKING + asks, name) as process:
        wait_until(lambda: len(noted(tmp_path)) > 3)
        worker = noted(tmp_path)[-1][0]
        (tmp_path / "away").touch()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: process.poll() is not None or (asked.exists() and len(asked.read_text()) >= 3))
        (tmp_path / "away").unlink()
        wait_until(lambda: process.poll() is not None or noted(tmp_path)[-1][0] != worker)
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 0 == process.returncode
    assert "program.py cannot be loaded" in said or "failed before anything ran" in said


def test_a_worker_that_dies_as_it_begins_is_waited_for(tmp_path):
    """What a minute has not shown to be better is started again ever more seldom."""
    program = NOTING.replace("def note():", "def note():\n    os._exit(open('effects.txt', 'a').write('x'))")
    with running(tmp_path, program, start=forked) as process:
        wait_until(lambda: len((tmp_path / "effects.txt").read_text()) >= 5)
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert [3, 1] == [said.count("started again at once"), said.count("started again in 0.5 s")]


def test_nobody_need_read_what_is_said(tmp_path):
    """A pipe that nobody empties any more takes no word, and the next worker begins as ever."""
    (tmp_path / "program.py").write_text(NOTING)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4_096)
    os.set_blocking(writer, True)
    process = forked(["run", "program.py"], cwd=tmp_path, stdout=writer, stderr=writer)
    try:
        wait_until(lambda: (tmp_path / "effects.txt").exists() and noted(tmp_path))
        worker = noted(tmp_path)[0][0]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: noted(tmp_path)[-1][0] != worker)
    finally:
        process.terminate()
        ended = process.wait(timeout=60)
        os.close(reader)
        os.close(writer)

    assert 0 == ended


def test_a_death_is_noticed_when_it_happens():
    """Nobody waits for the next look; a process that lives is waited for no longer than was asked."""
    waiting = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as child, Notice(child.pid) as death:
        began = time.monotonic()
        death.wait(0.01)
        assert child.poll() is None
        child.kill()
        death.wait(30.0)
        assert 10.0 > time.monotonic() - began
        child.wait()
