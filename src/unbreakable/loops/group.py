"""A process group of our own: a process, and whatever it starts, which ends with it.

The leader is reaped only after its group was killed: until then its number cannot be given to a stranger.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

from unbreakable.runtime import BLOCKING, new_lock

LOOK_AGAIN = 0.01  # seconds between two looks at a process that is to end by itself
_CAN_LOOK = hasattr(os, "waitid")  # without reaping; macOS has it from Python 3.13 on


class ProcessGroup:
    """Run *command* as the leader of a group of its own, with the file *descriptors* open.

    Raises OSError if it cannot be started.
    """

    def __init__(self, command: Sequence[str], descriptors: Sequence[int]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
            process_group=0,  # what a terminal sends to us, we decide about
        )
        self._owner = os.getpid()
        self._lock = new_lock()

    @property
    def pid(self) -> int:
        """The number of the leader, and of the group."""
        return self._process.pid

    @property
    def is_there(self) -> bool:
        """Whether the leader has not ended yet."""
        if self._process.returncode is not None:
            return False
        if not _CAN_LOOK:
            if self._process.poll() is not None:
                self._kill()
            return self._process.returncode is None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # reaped by somebody else, or the child of a process that we were forked from
            return False

    def kill(self) -> None:
        """Kill the whole group, from any thread; do nothing once it is buried, or in a forked child."""
        with self._lock:
            if self._process.returncode is None and os.getpid() == self._owner:
                self._kill()

    def wait(self, seconds: float) -> None:
        """Wait for the end of the leader, at most *seconds*."""
        end = BLOCKING.now() + seconds
        while self.is_there and BLOCKING.now() < end:
            BLOCKING.world.sleep(LOOK_AGAIN)

    def bury(self) -> int:
        """Kill what is left of the group; return how the leader ended: its exit code, or ``-number`` of a signal."""
        self.kill()
        if _CAN_LOOK and self._process.returncode is None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            return self._process.wait()

    def _kill(self) -> None:
        for kill in (os.killpg, os.kill):  # the leader itself, too, should it have joined another group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)
