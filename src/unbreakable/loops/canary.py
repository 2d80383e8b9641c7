"""Whether a signal was sent to everybody is told by a canary: a process that only waits, and dies of it.

systemd sends SIGTERM to all processes of a service; so does who ends a machine.  A worker that has heard it must not
be sent another one by its supervisor: the program's own handler for it may be what raises, and would break off the
end that it has begun.  Neither can see that from outside: the supervisor not what the worker has heard, our part of
the worker not what a handler has heard that the program has set in place of ours.  What stands beside the worker and
has died of the same signal shows it.

It is a Python of its own and no fork of the supervisor, whose command line it would have: ``pkill -f`` with that
would take it for everybody.  It bears the worker's words instead, so that who looks for the name of a file, say, and
finds the worker finds it, too.  A session of its own keeps it out of what a terminal or a shell sends to a group; it
holds no file of anybody's, and ends with its standard input, which nobody but the supervisor holds the other end of.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from collections.abc import Collection, Sequence
from typing import Self

from unbreakable.runtime import BLOCKING

CODE = "import os; os.read(0, 1)"
PATIENCE = 0.3  # seconds that it has to die of what the supervisor has been sent, too: on a busy machine others wait
MOURNING = 1.0  # seconds after its death in which the supervisor may still be sent what it has died of


class Canary:
    """Have somebody beside a worker that is there already; without the means for it, nobody is, and that is no error.

    It must not be older than the worker: of a signal that came before that one there was, the worker has heard nothing.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = words  #: of the worker's command
        self._process: subprocess.Popen[bytes] | None = None
        self._died_at: float | None = None
        self._hatch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._bury()

    @property
    def pid(self) -> int:
        """Its number, 0 if nobody is there."""
        return 0 if self._process is None else self._process.pid

    def renew(self) -> None:
        """Have another one soon after it has died: that nobody asks for the end since then means nothing."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._died_at is None:
            self._died_at = BLOCKING.now()
        elif BLOCKING.now() - self._died_at > MOURNING:
            self._bury()
            self._hatch()

    def adopt(self) -> None:
        """Let go of one that a dead supervisor had: it ends by that, and there will be another one."""
        if self._process is not None:
            self._process.returncode = 0  # nobody here will be told
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process, self._died_at = None, -math.inf

    def has_died_of(self, numbers: Collection[int]) -> bool:
        """Return whether it has died of one of these signals, or is about to."""
        if self._process is None or not numbers:
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        return self._process.returncode in {-number for number in numbers}

    def _hatch(self) -> None:
        self._process, self._died_at = None, None
        with contextlib.suppress(OSError):  # no memory, no more processes
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", CODE, "--canary", *self.words],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _bury(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
