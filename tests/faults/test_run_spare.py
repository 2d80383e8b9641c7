"""A worker stands by under `unbreakable run`, so that the death of another one costs little more than the program."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from tests.faults.supervised import forked, started
from tests.faults.test_run_command import lives, running, wait_until, workers
from tests.faults.test_run_command_ends import children
from tests.faults.test_run_restarts import NOTING, bare_start, noted

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

LOADED = "import unbreakable.cli.worker"


def with_spare(folder, process) -> tuple[int, int]:
    """Return the worker and who stands by, once there is somebody."""
    wait_until(lambda: len(workers(folder)) == 2)
    worker = noted(folder)[-1][0]
    [spare] = [pid for pid in workers(folder) if pid != worker]
    return worker, spare


def stands_by(folder: Path, *others: int) -> int:
    """Return the one worker beside those that are known, once there is one."""
    found: list[int] = []

    def settled() -> bool:
        found[:] = [pid for pid in workers(folder) if pid not in others]
        return len(found) == 1

    wait_until(settled)
    return found[0]


def is_idle(pid: int) -> bool:
    """Return whether a process takes no time of the processor any more: it has loaded what it loads."""

    def spent() -> list[str]:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]

    before = spent()
    time.sleep(0.3)
    return before == spent()


def test_who_stands_by_goes_on_at_once(tmp_path):
    """From kill -9 to the next iteration it takes a third of what it takes to load the library, at best of three."""
    took, baseline = [], min(bare_start(LOADED) for _ in range(3))
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        with running(folder, NOTING, start=started) as process:
            worker, spare = with_spare(folder, process)
            wait_until(lambda spare=spare: is_idle(spare))
            killed = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: any(pid == spare for pid, _ in noted(folder)))  # noqa: B023 - it is waited for here
            took.append(next(at for pid, at in noted(folder) if pid == spare) - killed)

    assert baseline > 3 * min(took)


def test_who_stands_by_has_run_nothing_of_the_program(tmp_path):
    """It has loaded the library, and that is all."""
    with running(tmp_path, "open('loaded.txt', 'a').write('x')\n" + NOTING, start=forked) as process:
        worker, _ = with_spare(tmp_path, process)
        assert {worker} == {pid for pid, _ in noted(tmp_path)}
        assert "x" == (tmp_path / "loaded.txt").read_text()


def test_who_stands_by_has_loaded_what_the_program_needs_of_pythons_own_library(tmp_path):
    """And nothing of its other modules, though they may have names of Python's own."""
    (tmp_path / "colorsys.py").write_text("open('loaded.txt', 'a').write('x')\n")
    program = """
import sys
there = {name for name in ("wave", "xml.dom.minidom", "colorsys", "sndhdr") if name in sys.modules}
open("there.txt", "a").write(f"{sorted(there)}\\n")
import colorsys, wave, xml.dom.minidom
"""
    with running(tmp_path, program + NOTING, start=started) as process:
        worker, spare = with_spare(tmp_path, process)
        wait_until(lambda: is_idle(spare))
        assert "x" == (tmp_path / "loaded.txt").read_text()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: noted(tmp_path)[-1][0] == spare)

    assert ["[]", "['wave', 'xml.dom.minidom']"] == (tmp_path / "there.txt").read_text().splitlines()


def test_another_one_stands_by_when_it_dies_or_goes_on(tmp_path):
    """Neither its own death nor that of the worker leaves the next one without."""
    with running(tmp_path, NOTING, start=forked) as process:
        worker, spare = with_spare(tmp_path, process)
        os.kill(spare, signal.SIGKILL)
        third = stands_by(tmp_path, worker, spare)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: noted(tmp_path)[-1][0] == third)
        assert stands_by(tmp_path, worker, third) != spare


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nobody_stands_by_when_all_are_asked_to_end(tmp_path, number):
    """Sent to the supervisor alone, or to everybody: exit code 0, nobody is left, and nobody complains."""
    with running(tmp_path, NOTING, start=forked) as process:
        worker, spare = with_spare(tmp_path, process)
        everybody = [worker, spare, *children(process.pid)]
        wait_until(lambda: is_idle(spare))
        if number == signal.SIGINT:
            os.kill(spare, number)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)

    assert 0 == process.returncode
    assert not any(map(lives, everybody))
    assert "Traceback" not in said
