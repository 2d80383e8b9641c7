"""Into other processes: pickles and forks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
import threading
import time

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.peer import Breaker, NotOffered, Retry
from tests.torture.matrix.target import Target, end_of, end_of_sync


@behaviour(
    "errors hold what they came from",
    "        self.retry_after = retry_after\n",
    "        self.retry_after, self.told_by = retry_after, lambda: self\n",
)
def errors_can_be_pickled(peer):
    """What the library raises itself can be sent to another process: same type, same text."""
    raised = []
    for wishes in ({"breaker": Breaker(1, 10.0)}, {"timeout": 0.05}, {"bulkhead": 1}, {"retry": Retry(2, 0.0)}):
        try:
            raised += asyncio.run(errors_of(peer, wishes))
        except NotOffered:
            continue
    with contextlib.suppress(NotOffered):
        raised += peer.raised()
    if not raised:
        raise NotOffered
    for error in raised:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301

        assert (type(error), str(error)) == (type(copy), str(copy))


async def errors_of(peer, wishes):
    """Return what a library raises that is asked for *wishes*; a sync one is asked in plain code."""
    target = Target()
    try:
        door = peer.protect(target.ask, **wishes)
        calls = [door(0.2, down=True), door(0.2, down=True)]
        ends = [*await asyncio.gather(*map(end_of, calls)), await end_of(door())]
    except NotOffered:
        door = peer.protect(target.ask_sync, **wishes)
        ends = [end_of_sync(door, 0.2, down=True), end_of_sync(door)]
    return [end for end in ends if isinstance(end, BaseException) and type(end) is not OSError]


@behaviour(
    "settings hold what nobody else has",
    '        check.whole("Retry.attempts"',
    '        object.__setattr__(self, "on", type("Here", (Exception,), {}))\n        check.whole("Retry.attempts"',
)
def settings_can_be_pickled(peer):
    """Objects that hold settings can be sent to another process."""
    for each in peer.settings():
        assert type(each) is type(pickle.loads(pickle.dumps(each)))  # noqa: S301


@behaviour("doors are pickled whole", "    def __reduce__(self) -> str |", "    def reduced(self) -> str |")
def protected_functions_can_be_pickled(peer):
    """A protected function of a module can be sent to another process, as a function can."""
    door = peer.protect(at_home, retry=Retry(2, 0.0))
    globals()["at_home"] = door
    try:
        assert door is pickle.loads(pickle.dumps(door))  # noqa: S301
    finally:
        globals()["at_home"] = _at_home


def at_home():
    """Be a function of a module."""
    return "at home"


_at_home = at_home


@behaviour("locks stay as they were", "    os.register_at_fork(after_in_child=_open_all)\n", "    pass\n", real=True)
def fork_in_the_middle(peer):
    """A child that is forked while threads are in the middle of calls can make calls of its own."""

    def work(fail):
        if fail:
            raise OSError("down")
        return "up"

    door = peer.protect(work, retry=Retry(2, 0.0), breaker=Breaker(1_000_000, 10.0))
    crowd = Crowd(door)
    try:
        for _ in range(12):
            assert 0 == crowd.fork()
    finally:
        crowd.leave()


class Crowd:
    """Threads that make calls all the time, except while somebody waits for a child."""

    def __init__(self, door):
        self.door, self.over, self.busy = door, False, threading.Event()
        self.interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0005)  # in the middle of a call is anywhere in it
        self.threads = [threading.Thread(target=self.call, daemon=True) for _ in range(5)]
        for one in self.threads:
            one.start()

    def call(self):
        """Make calls."""
        while not self.over:
            self.busy.wait()
            end_of_sync(self.door, fail=True)
            end_of_sync(self.door, fail=False)

    def fork(self):
        """Return how a forked child ended that makes a few calls: 0 when all was well, None when it hangs."""
        self.busy.set()
        time.sleep(0.01)
        child = os.fork()
        if not child:
            ends = [end_of_sync(self.door, fail=number % 2 == 0) for number in range(4)]
            os._exit(0 if [OSError, str] * 2 == [type(end) for end in ends] else 1)
        self.busy.clear()
        return end_of_process(child)

    def leave(self):
        """Be over."""
        sys.setswitchinterval(self.interval)
        self.over = True
        self.busy.set()
        for one in self.threads:
            one.join()


def end_of_process(child):
    """Return the exit code of *child*, None when it hangs."""
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None
