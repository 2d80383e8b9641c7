"""A worker process is kept alive: started again whenever it dies, ended in good order when somebody asks for it.

The supervisor runs no code of the user's.  It holds the other end of the worker's standard input, the lifeline: a
worker whose input ends has lost its supervisor and ends itself (``follow``), so that none is left behind, however the
supervisor dies.  On the same way back a worker says that it is finished, or that starting it again would be in vain
(``tell``).  One that ends without a word has died, whatever its exit code: an operation may well call ``os._exit``.
Before SIGTERM comes a word on the lifeline: by that a worker whose program has a handler of its own hears of its end.
SIGTERM itself is not sent to a worker that has heard it like everybody, which a canary tells.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from unbreakable.loops.canary import Canary
from unbreakable.loops.notice import Notice
from unbreakable.outcome import in_one_line
from unbreakable.policies import Backoff
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.signals import noted_signals

LIFELINE = 0  # the worker's standard input
LOOK_AGAIN = 0.05  # seconds between two looks at the worker
GRACE = 4.0  # seconds that a worker has to end in good order; then it is killed
RESTART = Backoff(first=0.5, factor=2.0, most=30.0, jitter=False)
STEADY = 60.0  # seconds of life after which a death counts as the first one again: it costs no pause
END = b"e"  # the word to a worker that is to end
FINISHED, IN_VAIN = b"finished", b"in vain"  # a worker's last words
CODES = {FINISHED: 0, IN_VAIN: 2}  # the exit code of the whole

_lifelines: list[socket.socket] = []  # a worker's one, under a number that no program knows and closes
_told: list[float] = []  # when words came to this worker, or no more could


class Supervisor:
    """Run *command* as a worker for ever; ``run`` returns the exit code of the whole."""

    def __init__(self, command: Sequence[str], say: Callable[[str], None]) -> None:
        self.command, self.say = command, say
        self.deaths = 0

    def run(self) -> int:
        """Return 0 when the worker was finished or asked to end, 2 when starting it again would be in vain."""
        with noted_signals() as noted:
            while True:
                began = BLOCKING.now()
                try:
                    worker, lifeline = self._start()
                except OSError as error:  # no memory, no more processes: that passes
                    self.deaths += 1
                    if not self._rest(f"cannot be started ({in_one_line(error)})", self.deaths, noted):
                        return 0
                    continue
                with lifeline, Notice(worker.pid) as death, Canary(self.command) as canary:
                    while worker.poll() is None and not noted:
                        death.wait(LOOK_AGAIN)
                        canary.renew()
                    if noted:
                        _ask(worker, lifeline, canary, noted)
                        return self._end(worker)
                    _sweep(worker.pid)
                    words = _last_words(lifeline)
                if words in CODES:
                    return CODES[words]
                self.deaths = 1 if BLOCKING.now() - began > STEADY else self.deaths + 1
                if not self._rest(_fate(worker.returncode), self.deaths - 1, noted):
                    return 0

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            # A session of its own: Ctrl-C on a terminal is for the supervisor, who then asks the worker.
            worker = subprocess.Popen(self.command, stdin=theirs.fileno(), start_new_session=True)
            undo.pop_all()
            return worker, ours

    def _rest(self, what: str, step: int, noted: Sequence[int]) -> bool:
        """Say *what* the worker has come to, and wait; return False when somebody asks for the end meanwhile."""
        pause = RESTART.pause(step, 0.0) if step else 0.0
        self.say(f"the worker {what}; it is started again {f'in {pause:g} s' if step else 'at once'}")
        end = BLOCKING.now() + pause
        while BLOCKING.now() < end and not noted:
            BLOCKING.world.sleep(LOOK_AGAIN)
        return not noted

    def _end(self, worker: subprocess.Popen[bytes]) -> int:
        try:
            worker.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.say(f"the worker did not end within {GRACE:g} s and is killed; what it had begun is in its state")
            worker.kill()
            worker.wait()
        _sweep(worker.pid)
        return 0


def follow() -> None:
    """End this process, as SIGTERM does and if need be at once, when its supervisor is gone."""
    lifeline = socket.socket(fileno=os.dup(LIFELINE))  # not sys.stdin, whose lock must be free when all ends
    _lifelines.append(lifeline)

    def wait() -> None:
        with contextlib.suppress(OSError):
            while lifeline.recv(1, socket.MSG_PEEK):
                _told.append(BLOCKING.now())  # before it is taken away: who looks in between finds one or the other
                lifeline.recv(1)
        _told.append(BLOCKING.now())
        os.kill(os.getpid(), signal.SIGTERM)
        BLOCKING.world.sleep(GRACE)
        os._exit(1)

    BLOCKING.world.spawn(wait, "unbreakable follower")


def told_to_end(patience: float = 0.0) -> bool:
    """Return whether the supervisor of this worker wants its end, or is gone, within so many seconds."""
    end = BLOCKING.now() + patience
    while not (told := any(map(_has_word, _lifelines)) or bool(_told)) and BLOCKING.now() < end:
        BLOCKING.world.sleep(LOOK_AGAIN)
    return told


def told_at() -> float | None:
    """Return the moment from which on the supervisor waits for the end of this worker, if it is known yet."""
    return next(iter(_told), None)


def tell(words: bytes) -> None:
    """Say to the supervisor how this worker ends: FINISHED or IN_VAIN."""
    with contextlib.suppress(OSError):  # it is gone: then ``follow`` ends us
        os.write(LIFELINE, words)


def _ask(worker: subprocess.Popen[bytes], lifeline: socket.socket, canary: Canary, noted: Collection[int]) -> None:
    """Ask *worker* for its end, by no second signal if everybody was sent one: it might break off what is begun."""
    with contextlib.suppress(OSError):  # it is gone already
        lifeline.send(END)
    if not canary.has_died_of(noted):
        worker.terminate()


def _fate(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _last_words(lifeline: socket.socket) -> bytes:
    lifeline.setblocking(False)
    with contextlib.suppress(OSError):
        return lifeline.recv(64)
    return b""


def _has_word(lifeline: socket.socket) -> bool:
    try:
        lifeline.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:  # there is nothing to read
        return False
    return True  # which the end is, too


def _sweep(leader: int) -> None:
    """Let nothing of a worker that is gone live on: neither its group nor what its session holds."""
    for number in _session(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _session(leader: int) -> Iterator[int]:
    """Return the processes of the session that *leader* began, where the kernel tells: groups of their own included."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int((entry / "stat").read_bytes().rpartition(b")")[2].split()[3]) == leader:
                yield int(entry.name)
