"""A supervisor has a deputy, so that its own death ends nothing: a copy of itself that waits, and goes on in its place.

The law of this file.  A deputy is forked, and whatever the supervisor knew and held at that moment it knows and holds,
too: the workers' lifelines, which therefore do not break, and their pages.  It returns from the very call in which it
was forked, when the supervisor is dead, and goes on from there.  So there must be a new one for each worker that is
started, before that is let go: whom no deputy knows has done nothing yet, and ends when the supervisor dies.

Of several copies the one goes on that the supervisor has named last, in memory that they share; who is dead names
nobody any more, so two never do.  Whoever ends in good order names nobody, and ends its deputy.  A deputy heeds
signals as any process: who ends it together with its supervisor ends all.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping

from unbreakable.runtime import BLOCKING
from unbreakable.runtime.signals import ASKING

AGAIN = 1.0  # seconds after which it is tried again to have one, where the machine had no process to give
MOST_QUICK = 10  # deaths of supervisors that were none for as long, after which there is a pause before the next one
SYSTEMD_KNOWS = "SYSTEMD_EXEC_PID"  # which process systemd has started, and waits for


class Deputy:
    """Have a copy of this process wait for its death; *settle* is the first that it does when it goes on.

    After that it has a copy itself, and then does *announce*, which is given the number of the dead.
    There is none where nobody can go on: with its first process a container ends, and with its main one a service.
    """

    def __init__(
        self,
        settle: Callable[[], None],
        announce: Callable[[int], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settle, self._announce = settle, announce
        self._who = os.getpid()
        self._pid = 0  # of the deputy
        self._due = 0.0  # when to try again
        self._began, self._quick = BLOCKING.now(), 0  # when this one did, and how many before it were dead soon
        self._named = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        self._itself: int | None = None  # a descriptor of this process
        if sys.platform == "linux" and os.getpid() not in (1, _number(environment.get(SYSTEMD_KNOWS))):
            with contextlib.suppress(OSError):  # an old kernel
                self._itself = os.pidfd_open(os.getpid())

    def renew(self) -> None:
        """Have one that knows all that is known here now, in place of the one before."""
        dead = 0
        while self._itself is not None and self._goes_on():
            dead, self._who = self._who, os.getpid()
            with contextlib.suppress(OSError):  # no descriptor left: then what it has is the last one
                os.close(self._itself)
                self._itself = None
                self._itself = os.pidfd_open(os.getpid())
            self._pid = 0
            self._began, lived = BLOCKING.now(), BLOCKING.now() - self._began
            self._quick = self._quick + 1 if lived < AGAIN else 0
            self._settle()
        if self._quick > MOST_QUICK and dead:
            BLOCKING.world.sleep(AGAIN)  # what kills each that goes on, at once, makes no storm of it
        if dead:
            self._announce(dead)

    def look(self) -> None:
        """Have another one if it has died, or if there was none to be had."""
        if self._itself is None:
            return
        if self._pid and not _has_ended(self._pid, os.WNOHANG):
            return
        if self._pid or BLOCKING.now() >= self._due:
            self._pid = 0
            self.renew()

    def dismiss(self) -> None:
        """Let nobody go on after this process."""
        self._named[0] = 0
        self._end(self._pid)
        self._pid = 0

    def _goes_on(self) -> bool:
        """Return False in this process, and True in its copy, once this one is dead and it is the copy's turn."""
        before = self._pid
        with _nobody_asks():
            try:
                pid = _forked()
            except OSError:  # no memory, no more processes
                self._due = BLOCKING.now() + AGAIN
                self.dismiss()
                return False
            if pid == 0:
                _heed()
        if pid == 0:
            if not before:
                self._named[0] = os.getpid()  # there is no other one that this could surprise
            self._wait()
            return True
        self._pid = pid
        self._named[0] = pid
        self._end(before)
        return False

    def _wait(self) -> None:
        """Return when the supervisor is dead; end if another one goes on, or nobody."""
        poll = select.poll()
        poll.register(self._itself or 0, select.POLLIN)
        poll.poll()
        if self._named[0] != os.getpid():
            os._exit(0)

    @staticmethod
    def _end(pid: int) -> None:
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _has_ended(pid, 0)


def _number(word: str | None) -> int | None:
    return int(word) if word and word.isdecimal() else None


def _has_ended(pid: int, how: int) -> bool:
    try:
        return os.waitpid(pid, how)[0] == pid
    except ChildProcessError:
        return True


def _forked() -> int:
    with warnings.catch_warnings():
        # Of other threads here there are only those that answer about health, which hold nothing that the copy needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextlib.contextmanager
def _nobody_asks() -> Iterator[None]:
    """Let no signal come before the copy means by it what it is to mean."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heed() -> None:
    """Let a signal that asks for the end be the end, without a word, unless it was ignored before."""
    for number in ASKING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
