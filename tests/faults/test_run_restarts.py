"""How soon the next iteration begins under `unbreakable run` after a worker has died, beside a bare start of Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
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
