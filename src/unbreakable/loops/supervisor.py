"""A worker process is kept alive: started again whenever it dies, ended in good order when somebody asks for it.

The supervisor runs no code of the user's.  It holds the worker's standard input open, and a worker whose input ends has
lost its supervisor and ends itself (``follow``), so that none is left behind, however the supervisor dies.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from unbreakable.loops.signals import noted_signals
from unbreakable.policies import Backoff
from unbreakable.runtime import BLOCKING

LIFELINE = 0  # the worker's standard input, which the supervisor holds open
LOOK_AGAIN = 0.05  # seconds between two looks at the worker
GRACE = 4.0  # seconds that a worker has to end in good order; then it is killed
RESTART = Backoff(first=0.5, factor=2.0, most=30.0, jitter=False)
STEADY = 60.0  # seconds of life after which a death counts as the first one again
IN_VAIN = 2  # the exit code of a worker that another start would not help: what it was told to run cannot be run


class Supervisor:
    """Run *command* as a worker for ever; ``run`` returns the exit code of the whole."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.command, self.environment, self.say = command, environment, say
        self.deaths = 0

    def run(self) -> int:
        """Return 0 when the worker ended by itself or was asked to, 2 when starting it again would be in vain."""
        with noted_signals() as noted:
            while True:
                began, worker = BLOCKING.now(), self._start()
                while worker.poll() is None and not noted:
                    BLOCKING.world.sleep(LOOK_AGAIN)
                if noted:
                    return self._end(worker)
                self._sweep(worker)
                if worker.returncode in (0, IN_VAIN):
                    return worker.returncode
                self.deaths = 1 if BLOCKING.now() - began > STEADY else self.deaths + 1
                if not self._rest(worker.returncode, noted):
                    return 0

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C on a terminal is for the supervisor, who then asks the worker.
        return subprocess.Popen(
            self.command, stdin=subprocess.PIPE, env={**os.environ, **self.environment}, start_new_session=True
        )

    def _rest(self, code: int, noted: Sequence[int]) -> bool:
        """Wait before the next start; return False when somebody asks for the end meanwhile."""
        pause = RESTART.pause(self.deaths, 0.0)
        what = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self.say(f"the worker {what}; it is started again in {pause:g} s")
        end = BLOCKING.now() + pause
        while BLOCKING.now() < end and not noted:
            BLOCKING.world.sleep(LOOK_AGAIN)
        return not noted

    def _end(self, worker: subprocess.Popen[bytes]) -> int:
        worker.terminate()
        try:
            worker.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.say(f"the worker did not end within {GRACE:g} s and is killed; what it had begun is in its state")
            worker.kill()
            worker.wait()
        self._sweep(worker)
        return 0

    def _sweep(self, worker: subprocess.Popen[bytes]) -> None:
        """Let nothing of a worker that is gone live on."""
        if worker.stdin is not None:
            worker.stdin.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)


def follow() -> None:
    """End this process, as SIGTERM does and if need be at once, when its supervisor is gone."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(LIFELINE, 1):  # not through sys.stdin, whose lock must be free when the interpreter ends
                pass
        os.kill(os.getpid(), signal.SIGTERM)
        BLOCKING.world.sleep(GRACE)
        os._exit(1)

    BLOCKING.world.spawn(wait, "unbreakable follower")
