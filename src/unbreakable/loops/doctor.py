"""A worker that hangs is told from one that only has no turn on the processor, by who looks at it from outside.

What is late, in a lane where nothing ends any more, has time to be over as if the worker were alone on the machine: the
seconds in which one of its threads waits for a processor, and none has one, do not count, nor do those in which the
supervisor had no turn itself, or a debugger holds the worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from unbreakable.loops.page import Page, Sign
from unbreakable.runtime import BLOCKING

SLACK = 0.02  # seconds by which a promise may be late in a worker that does nothing,
RUNNING = 0.25  # or in one that runs: what was cut may have to load what heals it
STOPPED = 0.25  # seconds for which a worker with loops may be stopped
AHEAD = 1.0  # seconds before a promise is due from which on it is counted how long the worker had no turn
RESTING = 0.1  # of the time one of its threads may run at the most in a worker that does nothing
LEAST = 0.01  # of the time counts in any case
MOST = 0.1  # seconds between two looks; who looks later had no turn itself, and counts SOON
AGAIN = 0.05  # seconds between two looks
SOON = 0.01  # the same when something is late,
SOONEST = 0.002  # or before it is
DUMP = signal.SIGRTMAX - 3 if hasattr(signal, "SIGRTMAX") else None  # asks a worker where it stands
DUMPING = 0.01  # seconds for that,
MOST_DUMPING = 0.1  # or more, where it has no turn to begin with it
STANDING = ("T", "t")  # what Linux calls a process that is stopped, by a signal or by a debugger


@dataclass(frozen=True, slots=True)
class _Used:
    """Say how many seconds the worker could have used, and for how many of them it did nothing."""

    fair: float
    idle: float

    def __add__(self, other: _Used) -> _Used:
        return _Used(self.fair + other.fair, self.idle + other.idle)

    def __sub__(self, other: _Used) -> _Used:
        return _Used(self.fair - other.fair, self.idle - other.idle)


@dataclass(slots=True)
class _Case:
    sign: Sign
    began: float  # when it was not there yet
    then: _Used
    late: _Used | None = None  # when it was found to be late


class _Thread(NamedTuple):
    is_ready: bool  # to run, or running
    ran: int  # nanoseconds
    waited: int


class Doctor:
    """Look at process *pid* again and again; *page* is where it gives signs of life."""

    def __init__(self, pid: int, page: Page | None) -> None:
        self.pid, self.page = pid, page
        self._cases: dict[int, _Case] = {}
        self._threads: dict[str, _Thread] = {}
        self._used = _Used(0.0, 0.0)
        self._asks = False
        self._stopped = 0.0  # seconds for which it has been stopped
        self._looked_at = BLOCKING.now()

    def look(self) -> str | None:
        """Return why the worker must be killed, if it must."""
        if self.page is None or not self.page.loops:
            return None
        now, before = BLOCKING.now(), self._looked_at
        self._looked_at = now
        state, seconds = _state(f"/proc/{self.pid}/stat"), now - before
        self._stopped = self._stopped + min(AGAIN, seconds) if state == "T" else 0.0
        if self._stopped > STOPPED:
            return "was stopped"
        self._see(self.page, before, now)
        if state not in STANDING:
            self._used += self._share(seconds)
        late = (number for number, case in self._cases.items() if self._is_lost(case, now))
        return next((f"gave no sign of life: {self.page.name(number)} is overdue" for number in late), None)

    def nap(self) -> float:
        """Return after how many seconds to look again."""
        left = min([AGAIN, *(case.sign.due - self._looked_at for case in self._cases.values())])
        return SOON if left <= 0.0 else max(SOONEST, left)

    def ask_where_it_stands(self) -> None:
        """Let it write the stacks of its threads on standard error, if it is not stopped."""
        if DUMP is not None and not self._stopped:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, DUMP)
            end = BLOCKING.now() + MOST_DUMPING
            BLOCKING.world.sleep(DUMPING)
            while _awaits(self.pid, DUMP) and BLOCKING.now() < end:
                BLOCKING.world.sleep(DUMPING)

    def _see(self, page: Page, before: float, now: float) -> None:
        """Take note of what may turn out to be a hang soon, and was not there *before* unless it is known."""
        signs = {number: sign for number, sign in page.due().items() if sign.due < now + AHEAD}
        known = {number: case for number, case in self._cases.items() if signs.get(number) == case.sign}
        new = {number: _Case(sign, before, self._used) for number, sign in signs.items() if number not in known}
        self._cases = known | new
        self._asks = bool(known)  # most are over by the next look: then nobody need ask the kernel

    def _is_lost(self, case: _Case, now: float) -> bool:
        if now < case.sign.due or (self._used - case.then).fair < case.sign.due - case.began:
            return False
        case.late = case.late or self._used
        since = self._used - case.late
        return since.idle >= SLACK or since.fair >= RUNNING

    def _share(self, seconds: float) -> _Used:
        """Return what the worker could do with *seconds*: one of its threads ran, or none waited for a processor."""
        before, self._threads = self._threads, _threads(self.pid) if self._asks else {}
        if seconds > MOST:
            return _Used(SOON, 0.0)
        both = [(before[name], thread) for name, thread in self._threads.items() if name in before]
        alone = seconds - max((_waited(*each, seconds) for each in both), default=0.0)
        ran = sum(after.ran - earlier.ran for earlier, after in both) / 1e9
        is_at_rest = ran < RESTING * seconds and not any(earlier.is_ready or after.is_ready for earlier, after in both)
        return _Used(max(LEAST * seconds, min(ran, seconds), alone), alone if is_at_rest else 0.0)


def _waited(before: _Thread, after: _Thread, seconds: float) -> float:
    """Return for how much of *seconds* a thread had no turn; it is told what it has waited once it has one."""
    if after.is_ready and (before.ran, before.waited) == (after.ran, after.waited):
        return seconds
    return (after.waited - before.waited) / 1e9


def _awaits(pid: int, number: int) -> bool:
    """Return whether a signal that was sent to a process has not come to it yet."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith("ShdPnd:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _state(path: str | Path) -> str:
    with contextlib.suppress(OSError, IndexError):
        return Path(path).read_text(errors="replace").rpartition(")")[2].split()[0]
    return ""


def _threads(pid: int) -> dict[str, _Thread]:
    """Return how the threads of a process had their turns, where the kernel tells."""
    threads = {}
    for entry in Path(f"/proc/{pid}/task").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            ran, waited = map(int, (entry / "schedstat").read_bytes().split()[:2])
            threads[entry.name] = _Thread(_state(entry / "stat") == "R", ran, waited)
    return threads
