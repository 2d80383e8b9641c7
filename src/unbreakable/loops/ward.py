"""A worker process in the care of its supervisor: started, told to go, asked to end, swept up.

The supervisor holds the other end of the worker's standard input, the lifeline.  The first word on it is to go, and
brings the page for signs of life; a worker that has not heard it has done nothing yet but load the library.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Self

from unbreakable.loops.canary import Canary
from unbreakable.loops.library import SAID
from unbreakable.loops.page import new_page
from unbreakable.loops.stranger import Stranger
from unbreakable.runtime import BLOCKING

GO = b"g"  # the first word to a worker
END = b"e"  # the word to a worker that is to end
GRACE = 4.0  # seconds that a worker has to end in good order; then it is killed
STEP = 0.05  # seconds between two things that are done meanwhile


class Ward:
    """Start *command* as a worker, which waits for the word to go; raise OSError if it cannot be started.

    Meanwhile it loads what is *known* of Python's own library to be needed.
    """

    def __init__(self, command: Sequence[str], hang: float, known: str = "") -> None:
        self.page, self._handed = new_page(hang)
        self._lifeline, theirs = socket.socketpair()
        self._descriptor: int | None = None
        self._process: subprocess.Popen[bytes] | Stranger
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(self._close)
            # A session of its own: Ctrl-C on a terminal is for the supervisor, who then asks the worker.
            environment = {**os.environ, SAID: known} if known else None
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment, start_new_session=True)
            undo.pop_all()
        self.pid = self._process.pid
        with contextlib.suppress(OSError, AttributeError):  # another system, an old kernel, no descriptor left
            self._descriptor = os.pidfd_open(self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it: one that lives ends by that."""
        self._close()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def fate(self) -> str:
        """How it has ended."""
        code = self._process.returncode
        if code is None:
            return "has ended"
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def adopt(self) -> None:
        """Take it over from the process that has started it, and is dead."""
        if self._process.returncode is not None:
            return
        if isinstance(self._process, subprocess.Popen):
            self._process.returncode = 0  # nobody here will be told
            if self._descriptor is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
        self._process = Stranger(self.pid, self._descriptor)

    def go(self) -> None:
        """Let it begin, if it has not begun."""
        with contextlib.suppress(OSError):  # it is gone already
            socket.send_fds(self._lifeline, [GO], self._handed)
        self._hand_nothing()

    def ask_to_end(self, canary: Canary, noted: Collection[int]) -> None:
        """Ask it for its end, by no second signal if everybody was sent one: it might break off what is begun."""
        with contextlib.suppress(OSError):  # it is gone already
            self._lifeline.send(END)
        if not canary.has_died_of(noted):
            self._process.terminate()

    def ends(self, meanwhile: Callable[[], object] = bool) -> bool:
        """Return whether it ends in good order; if not, it is killed.  Again and again *meanwhile* is done."""
        end = BLOCKING.now() + GRACE
        while (left := end - BLOCKING.now()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(min(STEP, left))
                return True
            meanwhile()
        self.kill()
        self._process.wait()
        return False

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def last_words(self) -> bytes:
        """Return what it has said before it was gone."""
        self._lifeline.setblocking(False)
        with contextlib.suppress(OSError):
            return self._lifeline.recv(64, socket.MSG_PEEK)  # a deputy may have to read it once more
        return b""

    def sweep(self) -> None:
        """Let nothing of it live on, now that it is gone: neither its group nor what its session holds."""
        for number in _session(self.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _hand_nothing(self) -> None:
        while self._handed:
            os.close(self._handed.pop())

    def _close(self) -> None:
        self._hand_nothing()
        self._lifeline.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _session(leader: int) -> Iterator[int]:
    """Return the processes of the session that *leader* began, where the kernel tells: groups of their own included."""
    with contextlib.suppress(OSError):
        for number in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208 - a fifth of the time
            with contextlib.suppress(OSError):
                if os.getsid(number) == leader:
                    yield number
