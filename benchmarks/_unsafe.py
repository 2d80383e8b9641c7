"""A server that knows which of its operations must not be done again, and says when one was.

An *errand* is one thing that somebody wants done once; a *request* is one attempt at it, seen from both ends.  The law:
while a request may have arrived and its client was not told that it failed, no other request is made for its errand,
and what was done is never done again.  An errand that is "once" is repeated only after a request that never left.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import unbreakable as ub
from unbreakable.errors import NotSent

ON_ITS_WAY, AT_WORK, DONE, FAILED, UNSENT = "on its way", "at work", "done", "failed", "unsent"
MEANT = {"unknown": (FAILED, UNSENT), "once": (UNSENT,)}  # how requests may have ended before another one
FOR_EVER = 1e6  # seconds
TRAVEL, WORK, PATIENCE = 0.002, 0.02, 5.0  # seconds: at most, at most, and of a client of its own


class Down(Exception):
    """Say that the server failed."""

    http_status = 500


class Throttling(Exception):
    """Say that there was too much."""

    http_status = 429
    retry_after = 0.02


class Stale(Exception):
    """Say that the credentials are worn out: a remedy knows what to do."""

    refused = True


class Refused(Exception):
    """Say that the server refused it before doing anything."""

    refused = True


class Doubtful(Exception):
    """Say that nobody knows what came of it."""

    in_doubt = True


TELLS: dict[str, tuple[Callable[[], Exception], str]] = {  # what is raised, and how the request has ended then
    "down": (lambda: Down("500"), FAILED),
    "broken": (lambda: RuntimeError("broken"), FAILED),
    "reset": (lambda: ConnectionResetError("reset"), FAILED),
    "throttled": (Throttling, FAILED),
    "no entry": (lambda: PermissionError("401"), FAILED),
    "stale": (Stale, UNSENT),
    "refuses": (Refused, UNSENT),
    "not sent": (lambda: NotSent("pool"), UNSENT),
    "nobody there": (lambda: ConnectionRefusedError("refused"), UNSENT),
    "no such name": (lambda: socket.gaierror(socket.EAI_NONAME, "no such name"), UNSENT),
    "doubtful": (Doubtful, AT_WORK),
}
BAD_NEWS = tuple(TELLS)


class Errand:
    """Hold what is known at the server of one thing to be done."""

    __slots__ = ("door", "effects", "inner", "requests", "server")

    def __init__(self, server: Server, door: str, effects: str) -> None:
        self.server, self.door, self.effects = server, door, effects
        self.requests: list[Request] = []
        self.inner: Errand | None = None  #: what has to be done once for it, too

    def begin(self) -> Request:
        """Return a new request; a breach is noted if there must be none."""
        for before in self.requests:
            if before.state not in MEANT[self.effects]:
                self.server.breaches[self.door, self.effects, f"again while {before.state}"] += 1
        self.server.counts["requests"] += 1
        self.server.counts["repeats"] += bool(self.requests)
        request = Request(self)
        self.requests.append(request)
        return request


class Request:
    """One attempt: what its client has to wait for, and what came of it at the server."""

    __slots__ = ("errand", "fate", "state")

    def __init__(self, errand: Errand) -> None:
        self.errand, self.state = errand, ON_ITS_WAY
        self.fate = errand.server.fate()

    def steps(self) -> Iterator[float]:
        """Yield the seconds to wait, on the way and for the answer."""
        dice = self.errand.server.dice
        yield TRAVEL * dice.random()
        self.state = AT_WORK
        yield FOR_EVER if self.fate == "hangs" else WORK * dice.random() * (10.0 if self.fate == "slow" else 1.0)

    def answer(self) -> Request:
        """Return or raise what the client is told; from here on it knows how its request has ended."""
        error, self.state = TELLS.get(self.fate, (None, DONE))
        if error is not None:
            raise error()
        return self

    def passes(self) -> bool:
        """Return whether its client is content with the answer; if not, that is its word that it failed."""
        is_good = self.errand.server.dice.random() < 0.9
        if not is_good:
            self.state = FAILED
        return is_good


class Server:
    """Decide by dice what becomes of requests, and keep count."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ill = 0.3  #: share of requests that do not simply succeed
        self.breaches: Counter[tuple[str, str, str]] = Counter()
        self.counts: Counter[str] = Counter()

    def fate(self) -> str:
        """Return what will become of a request."""
        if self.dice.random() >= self.ill:
            return "well"
        return self.dice.choice((*BAD_NEWS, "slow", "slow", "slow", "hangs"))

    # ── the clients that people write ────────────────────────────────────────────────────────────────────────────

    async def ask(self, errand: Errand) -> Request:
        """Do the *errand* as async code does; one client in ten makes something of its own of a cancellation."""
        request = errand.begin()
        try:
            for seconds in request.steps():
                await asyncio.sleep(seconds)
            return request.answer()
        except asyncio.CancelledError:
            self.counts["cut"] += 1
            roll = self.dice.random()
            if roll < 0.05:
                await asyncio.sleep(0.005)  # tidies up first
            elif roll < 0.1:
                raise RuntimeError("given up") from None
            raise

    def ask_plainly(self, errand: Errand) -> Request:
        """Do the *errand* as plain code does; half of the clients ask how long they have."""
        request, ctx = errand.begin(), ub.current()
        asks = ctx is not None and self.dice.random() < 0.5
        for seconds in request.steps():
            left = ctx.remaining() if ctx is not None and asks else math.inf
            time.sleep(max(0.0, min(left, seconds, PATIENCE)))
            if seconds > PATIENCE <= left and errand.effects == "unknown":
                request.state = FAILED  # that it gave up by itself is its word, after which "unknown" may be repeated
            if seconds > min(left, PATIENCE):
                self.counts["cut"] += 1
                raise TimeoutError("no answer in time")
        return request.answer()

    def operation(self) -> Callable[[ub.Context], Any]:
        """Return what does the errand that its context has for an input."""

        async def operation(ctx: ub.Context) -> Request:
            return await self.ask(ctx.input)

        return operation

    def plain_operation(self) -> Callable[[ub.Context], Any]:
        """Return the same in plain code."""
        return lambda ctx: self.ask_plainly(ctx.input)
