"""`unbreakable run` where little is as usual: without standard streams, as the first process of a container."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.processes import at_work_in, gone, kill_all, supervisors
from tests.faults.supervised import started
from tests.faults.test_run_command import wait_until
from tests.faults.test_run_restarts import NOTING, noted
from tests.nursery import SOURCE

from unbreakable.loops.claim import name_of

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is to be seen")]

APART = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]  # processes see none but their own
DYING = """
def die(ctx):
    if ctx.iteration >= 5:
        os.kill(os.getpid(), 9)

engine.create_loop(int, interval=0.02, isolation="process")
engine.create_loop(die, interval=0.05)
"""


def may_be_apart() -> bool:
    """Return whether this user may have processes that see none but their own."""
    return (
        bool(shutil.which(APART[0]))
        and not subprocess.run([*APART, "true"], capture_output=True, check=False).returncode
    )


apart = pytest.mark.skipif(not may_be_apart(), reason="it takes a right to do so")


@pytest.mark.parametrize("closed", [[0], [1, 2], [0, 1, 2]])
def test_standard_streams_may_be_closed(tmp_path, closed):
    """As some start what runs in the background; iterations go on."""

    def close() -> None:
        for each in closed:
            os.close(each)

    (tmp_path / "program.py").write_text(NOTING)
    with started(["run", "program.py"], cwd=tmp_path, preexec_fn=close) as process:
        try:
            wait_until(lambda: (tmp_path / "effects.txt").exists() and len(noted(tmp_path)) > 5)
            everybody = at_work_in(tmp_path)
            os.kill(supervisors(tmp_path)[0], 15)
            assert gone(everybody)
            assert 0 == process.wait()
        finally:
            kill_all(tmp_path)


@apart
def test_the_first_process_of_a_container_buries_the_orphans(tmp_path):
    """What a dead worker had started is nobody's child but its: each one left unburied takes the place of a process."""
    (tmp_path / "program.py").write_text(NOTING + DYING)
    words = [*APART, sys.executable, "-P", "-m", "unbreakable", "run", "program.py"]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: (tmp_path / "effects.txt").exists() and len({pid for pid, _ in noted(tmp_path)}) > 4)
            [first] = children(process.pid)
            wait_until(lambda: sum(map(is_zombie, children(first))) < 2)
            assert process.poll() is None
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """Return the children of a process, as the kernel tells."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_zombie(pid: int) -> bool:
    """Return whether nobody has buried it."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


@apart
def test_a_container_takes_nothing_from_another_one():
    """The names of sockets are of a network, which several may share, and so may be folders and files by name."""
    code = "import sys; from unbreakable.loops.claim import name_of; sys.stdout.buffer.write(name_of('x').encode())"
    words, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": SOURCE}
    here, there = (
        subprocess.run([*before, *words], capture_output=True, check=True, env=environment).stdout.decode()
        for before in ([], APART)
    )

    assert here == name_of("x")
    assert there != here
