"""What the calls of one run meet: requests are begun here, counted, and answered when their time has come."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

from benchmarks.truth.luck import Luck

At = Callable[[float, Callable[[], None]], Any]  # how to have something done at a moment
Reply = Callable[[bool], None]


class Service:
    """Answer requests.  *at* is the scheduler of whoever plays: an event heap, or a loop in virtual time."""

    def __init__(self, luck: Luck, at: At) -> None:
        self.luck, self.at = luck, at
        self.begun: list[float] = []  #: the moments of all requests
        self.made = [0] * luck.calls  #: requests for each call
        self._nth = [[0] * luck.calls for _ in luck.world.endpoints]
        servers = luck.world.servers
        self._line = None if servers is None else Line(luck, at)

    def ask(self, call: int, endpoint: int, now: float, reply: Reply) -> None:
        """Begin a request; *reply* is told whether it succeeded, unless it never ends."""
        nth = self._nth[endpoint][call]
        self._nth[endpoint][call] = nth + 1
        self.made[call] += 1
        self.begun.append(now)
        fault, takes, notices = self.luck.listed(endpoint, nth)
        if self._line is not None:
            self._line.enter(takes[call], now, impatient(self.at, now + self.luck.world.patience, reply))
            return
        what, bad = self.luck.world.endpoints[endpoint], self.luck.is_bad(endpoint, now)
        if fault[call] < (what.fails_bad if bad else what.fails):
            self.at(now + notices[call], lambda: reply(False))
        else:
            self.at(now + takes[call] * (what.slower if bad else 1.0), lambda: reply(True))


class Line:
    """Be a queue with servers: who is not waited for any more is served all the same."""

    def __init__(self, luck: Luck, at: At) -> None:
        self.servers, self.at, self.busy = luck.world.servers, at, 0
        self.waiting: deque[tuple[float, Reply]] = deque()

    def enter(self, takes: float, now: float, reply: Reply) -> None:
        """Let a request in."""
        if self.busy < self.servers.count:
            self.busy += 1
            self._serve(takes, now, reply)
        else:
            self.waiting.append((takes, reply))

    def _serve(self, takes: float, now: float, reply: Reply) -> None:
        slow = self.servers.slow_from <= now < self.servers.slow_until
        ends = now + takes * (self.servers.slower if slow else 1.0)

        def end() -> None:
            reply(True)
            if self.waiting:
                after, other = self.waiting.popleft()
                self._serve(after, ends, other)
            else:
                self.busy -= 1

        self.at(ends, end)


def impatient(at: At, until: float, reply: Reply) -> Reply:
    """Return a reply that counts only if it comes before that moment, at which there is a bad one."""
    if math.isinf(until):
        return reply
    told = [False]

    def tell(fine: bool) -> None:
        if not told[0]:
            told[0] = True
            reply(fine)

    at(until, lambda: tell(False))
    return tell
