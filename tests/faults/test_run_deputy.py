"""A supervisor of `unbreakable run` is killed: its deputy goes on, with the same worker, and can be asked as ever."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import signal
import subprocess
import sys
import termios
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.faults.processes import at_work_in, gone, kill_all, supervisors
from tests.faults.supervised import forked, started
from tests.faults.test_run_command import running, wait_until, workers
from tests.faults.test_run_restarts import NOTING, noted
from tests.faults.test_run_spare import with_spare
from tests.faults.test_run_told import free_port
from tests.nursery import SOURCE

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="to know the death of another one's child is Linux's"),
]
LATE = 2.0  # seconds that a machine with other work may take for what is a matter of milliseconds


def pair(folder: Path) -> tuple[int, int]:
    """Return the supervisor and its deputy, once there is one that knows who stands by: it is the last one for now."""
    found: list[int] = []

    def settled() -> bool:
        found[:] = supervisors(folder)
        return len(found) == 2 and len(workers(folder)) == 2 and found[1] > workers(folder)[1]

    wait_until(settled)
    return found[0], found[1]


def goes_on(folder: Path, number: int = 3) -> int:
    """Wait until so many more iterations have begun; return the worker of the last one."""
    wait_until((folder / "effects.txt").exists)
    before = len(noted(folder))
    wait_until(lambda: len(noted(folder)) >= before + number)
    return noted(folder)[-1][0]


def test_the_worker_goes_on_when_its_supervisor_is_killed(tmp_path):
    """No iteration is late for it, the death is told, another deputy stands by, and SIGTERM ends all in good order."""
    with running(tmp_path, NOTING, start=started) as process:
        supervisor, deputy = pair(tmp_path)
        worker = goes_on(tmp_path)
        process.kill()
        process.wait()
        assert worker == goes_on(tmp_path, 10)
        wait_until(lambda: supervisors(tmp_path)[0] == deputy and len(supervisors(tmp_path)) == 2)
        everybody = at_work_in(tmp_path)
        os.kill(deputy, signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert gone(everybody)

    assert max(later - sooner for (_, sooner), (_, later) in itertools.pairwise(noted(tmp_path))) < LATE
    assert f"the supervisor, process {supervisor}, is dead; process {deputy} goes on in its place" in said
    assert "Traceback" not in said


def test_the_next_worker_goes_on_when_both_are_killed(tmp_path):
    """Who stood by is let go by the deputy."""
    with running(tmp_path, NOTING, start=forked) as process:
        worker, spare = with_spare(tmp_path, process)
        supervisor, deputy = pair(tmp_path)
        os.kill(supervisor, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: noted(tmp_path)[-1][0] == spare)
        assert deputy == supervisors(tmp_path)[0]

    assert [worker, spare] == [pid for pid, _ in itertools.groupby(noted(tmp_path), key=lambda row: row[0])]


def test_a_deputy_keeps_its_workers_alive_as_long_as_it_takes(tmp_path):
    """One supervisor after another is killed, and a worker now and then; the program goes on."""
    with running(tmp_path, NOTING, start=forked):
        for turn in range(4):
            supervisor, deputy = pair(tmp_path)
            worker = goes_on(tmp_path)
            os.kill(supervisor, signal.SIGKILL)
            assert gone([supervisor])
            assert deputy == pair(tmp_path)[0]
            if turn % 2:
                os.kill(worker, signal.SIGKILL)
                wait_until(lambda worker=worker: noted(tmp_path)[-1][0] != worker)
            assert (goes_on(tmp_path) == worker) is not bool(turn % 2)


def test_a_deputy_that_dies_is_replaced(tmp_path):
    """By a kill, or by a signal that was for it alone; the next one goes on as well."""
    with running(tmp_path, NOTING, start=forked):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            supervisor, deputy = pair(tmp_path)
            os.kill(deputy, number)
            assert gone([deputy])
            assert supervisor == pair(tmp_path)[0]
        worker = goes_on(tmp_path)
        supervisor, deputy = pair(tmp_path)
        os.kill(supervisor, signal.SIGKILL)
        assert worker == goes_on(tmp_path, 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_ends_all_in_good_order(tmp_path, number):
    """So a terminal does it, for Ctrl-C and when it is closed: exit code 0, without a word of the deputy."""
    how = {"start_new_session": True, "preexec_fn": hears_who_hangs_up}
    with running(tmp_path, NOTING, start=partial(started, **how)) as process:
        pair(tmp_path)
        everybody = at_work_in(tmp_path)
        os.killpg(process.pid, number)
        said, _ = process.communicate(timeout=60)

    assert gone(everybody)
    assert (0, False, False) == (process.returncode, "Traceback" in said, "is dead" in said), said


def hears_who_hangs_up() -> None:
    """Be as if the tests themselves were not run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def hears_nobody_who_hangs_up() -> None:
    """Be as under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_who_hangs_up_asks_for_the_end(tmp_path):
    """SIGHUP to the supervisor alone is no death that a deputy has to survive."""
    with running(tmp_path, NOTING, start=partial(started, preexec_fn=hears_who_hangs_up)) as process:
        pair(tmp_path)
        everybody = at_work_in(tmp_path)
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=60)

        assert gone(everybody)
    assert (0, False) == (process.returncode, "is dead" in said), said


def test_who_is_not_to_hear_that_somebody_hangs_up_goes_on(tmp_path):
    """Under nohup a terminal that is closed ends nothing, before the death of a supervisor and after it."""
    with running(tmp_path, NOTING, start=partial(started, preexec_fn=hears_nobody_who_hangs_up)) as process:
        supervisor, deputy = pair(tmp_path)
        os.kill(supervisor, signal.SIGHUP)
        os.kill(deputy, signal.SIGHUP)
        worker = goes_on(tmp_path)
        assert (supervisor, deputy) == pair(tmp_path)
        process.kill()
        wait_until(lambda: supervisors(tmp_path)[0] == deputy)
        os.kill(deputy, signal.SIGHUP)
        assert worker == goes_on(tmp_path)


@pytest.mark.parametrize("before", ["the supervisor", "nobody"])
def test_who_is_asked_to_end_has_no_deputy(tmp_path, before):
    """A kill that comes while all is ending ends it at once: nobody goes on."""
    stubborn = NOTING.replace("def note():", "def note():\n    while os.path.exists('late'): time.sleep(0.1)")
    with running(tmp_path, stubborn, start=forked):
        supervisor, deputy = pair(tmp_path)
        if before == "the supervisor":
            os.kill(supervisor, signal.SIGKILL)
            assert gone([supervisor])
            supervisor, deputy = pair(tmp_path)
        (tmp_path / "late").touch()
        os.kill(supervisor, signal.SIGTERM)
        assert gone([deputy])
        everybody = at_work_in(tmp_path)
        os.kill(supervisor, signal.SIGKILL)
        assert gone(everybody, 6.0)


GROWING = """
from unbreakable.runtime.signals import came
held = []

def grow():
    if not held and os.path.exists("grow"):
        os.remove("grow")
        held.append(bytearray(b"x") * 200_000_000)
        while not came:
            time.sleep(0.01)
        open("asked", "w").close()
        while os.path.exists("late"):
            time.sleep(0.01)

engine.create_loop(grow, interval=0.02)
"""


def test_a_worker_that_was_to_be_replaced_is_no_program_that_has_ended(tmp_path):
    """Its supervisor, who alone knew why it was to end, is killed before it sees that it has: the next one begins."""
    with running(tmp_path, NOTING + GROWING, start=forked, options=["--memory", "150"]):
        supervisor, _ = pair(tmp_path)
        worker = goes_on(tmp_path)
        for name in ("late", "grow"):
            (tmp_path / name).touch()
        wait_until((tmp_path / "asked").exists)
        os.kill(supervisor, signal.SIGSTOP)
        (tmp_path / "late").unlink()
        assert gone([worker])
        os.kill(supervisor, signal.SIGKILL)
        assert worker != goes_on(tmp_path)


def test_a_deputy_answers_about_health(tmp_path):
    """At the same place, how things stand now."""
    port = free_port()
    with running(tmp_path, NOTING, start=forked, options=["--health", str(port)]):
        supervisor, deputy = pair(tmp_path)
        assert b"ok\n" == answer(port, "readyz")
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: pair(tmp_path)[0] == deputy)
        wait_until(lambda: answer(port, "readyz") == b"ok\n")


def answer(port: int, question: str) -> bytes:
    """Return what is said about health, nothing if that is not well."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{question}", timeout=5) as said:
        return bytes(said.read())
    return b""


def test_who_is_started_again_takes_over(tmp_path):
    """A service manager that knows only whom it has started starts another one: never are two workers at work."""
    with running(tmp_path, NOTING, start=forked) as process:
        supervisor, deputy = pair(tmp_path)
        worker = goes_on(tmp_path)
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: supervisors(tmp_path)[0] == deputy)
        everybody = at_work_in(tmp_path)
        again = forked(["run", "program.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_until(lambda: noted(tmp_path)[-1][0] != worker)
        assert gone(everybody)
        assert again.pid == pair(tmp_path)[0]
        again.terminate()
        told, _ = again.communicate(timeout=60)
        said, _ = process.communicate(timeout=60)

    assert (0, 2) == (again.returncode, len([*itertools.groupby(noted(tmp_path), key=lambda row: row[0])]))
    assert "the deputy of a supervisor that was killed has made room; this one goes on" in told
    assert "Traceback" not in said


def test_a_second_program_takes_nothing_from_a_first_that_was_not_killed(tmp_path):
    """What was started twice runs twice: only a deputy makes room."""
    with running(tmp_path, NOTING, start=forked):
        supervisor, _ = pair(tmp_path)
        worker = goes_on(tmp_path)
        again = forked(["run", "program.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_until(lambda: {pid for pid, _ in noted(tmp_path)[-20:]} > {worker})
        again.terminate()
        again.communicate(timeout=60)
        assert supervisor == pair(tmp_path)[0]
        assert worker == goes_on(tmp_path)


@pytest.mark.parametrize("before", ["its supervisor is killed", "nothing"])
def test_a_terminal_that_is_closed_ends_all(tmp_path, before):
    """Also a deputy, of which the shell that has started the program knows nothing."""
    (tmp_path / "program.py").write_text(NOTING)
    words = f"set -m; {sys.executable} -P -m unbreakable run program.py; read line"
    ours, theirs = pty.openpty()
    with running_shell(words, tmp_path, stdin=theirs, stdout=theirs, start_new_session=True, preexec_fn=take_terminal):
        os.close(theirs)
        supervisor, deputy = pair(tmp_path)
        if before != "nothing":
            os.kill(supervisor, signal.SIGKILL)
            wait_until(lambda: supervisors(tmp_path)[0] == deputy)
            assert goes_on(tmp_path)
        everybody = at_work_in(tmp_path)
        os.close(ours)
        assert gone(everybody, 6.0)


def take_terminal() -> None:
    """Let standard input be the terminal of the session that was just begun."""
    hears_who_hangs_up()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_whom_systemd_would_start_again_has_no_deputy(tmp_path):
    """The death of its main process is the end of a service: two programs at once must not come of it."""
    (tmp_path / "program.py").write_text(NOTING)
    words = f"SYSTEMD_EXEC_PID=$$ exec {sys.executable} -P -m unbreakable run program.py"
    with running_shell(words, tmp_path) as process:
        wait_until((tmp_path / "effects.txt").exists)
        assert [process.pid] == supervisors(tmp_path)
        everybody = at_work_in(tmp_path)
        process.kill()
        process.wait()
        assert gone(everybody, 6.0)


@contextlib.contextmanager
def running_shell(words: str, folder: Path, **how: Any):
    """Run a line of a shell; whatever happens, what it has started does not outlive the test."""
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    how = {"cwd": folder, "env": environment, "stderr": subprocess.DEVNULL, **how}
    process = subprocess.Popen(["/bin/sh", "-c", words], **how)
    try:
        yield process
    finally:
        kill_all(folder)
        process.wait()
