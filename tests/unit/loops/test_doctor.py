"""What a supervisor reads in the kernel of a worker: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from tests.faults.test_run_command import wait_until

from unbreakable.loops.doctor import SOON, Doctor, _awaits
from unbreakable.loops.page import Page, new_page
from unbreakable.loops.pulse import Pulse
from unbreakable.runtime import BLOCKING

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is pending")]

PROGRAM = "import signal; signal.signal(signal.SIGUSR1, print); print('ready', flush=True); input()"


def test_who_had_no_turn_still_awaits_the_signal_that_was_sent():
    """It is seen that a worker has not begun to write its stacks, and when it has."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        before = _awaits(child.pid, signal.SIGUSR1)
        os.kill(child.pid, signal.SIGUSR1)
        stopped = _awaits(child.pid, signal.SIGUSR1)
        os.kill(child.pid, signal.SIGCONT)
        wait_until(lambda: not _awaits(child.pid, signal.SIGUSR1))
        child.kill()

    assert [False, True] == [before, stopped]
    assert not _awaits(child.pid, signal.SIGUSR1)


def late_page(seconds: float) -> Page:
    """Return a page where a loop goes on, and what it has promised is due in so many *seconds*."""
    page, handed = new_page(0.0)
    for each in handed:
        os.close(each)
    assert page is not None
    pulse = Pulse()
    pulse.show_on(page)
    lane = pulse.join()
    assert lane is not None
    lane.promise(seconds, "work")
    return page


def test_who_looks_wakes_up_when_a_promise_is_due(monkeypatch):
    """Neither before nor 10 ms later, which would be a fifth of what there is for it to be noticed and replaced."""
    monkeypatch.setattr("unbreakable.loops.pulse.now", BLOCKING.now)  # tests have let time pass, but in no worker
    naps = []
    for _ in range(20):  # on a busy machine it may be due before anybody has looked
        doctor = Doctor(os.getpid(), late_page(0.004))
        doctor.look()
        naps.append(doctor.nap())
    assert 0.001 <= min(naps) < 0.006
    BLOCKING.world.sleep(0.01)
    doctor.look()
    assert SOON == doctor.nap()
