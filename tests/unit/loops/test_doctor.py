"""What a supervisor reads in the kernel of a worker: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from tests.faults.test_run_command import wait_until

from unbreakable.loops.doctor import _awaits

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
