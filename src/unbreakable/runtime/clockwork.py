"""A timer that rings when it is due, where the system has one: event loops round up to whole milliseconds.

It is Linux's timerfd, which an event loop watches like a socket: of a nap that ends by it half a millisecond less is
too late on the average.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import os
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

Nap: TypeAlias = "asyncio.Future[None]"
Set: TypeAlias = Callable[[int, float], Any]  # lets the timer of a descriptor ring at a moment

FEW = 100  # naps that were ended before their time, and are kept besides as many as go on
ABSOLUTE = 1  # TFD_TIMER_ABSTIME
NANO = 1_000_000_000


class Clockwork:
    """End naps of one event loop at their moments, by the clock of ``time.monotonic``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, set_timer: Set) -> None:
        self._descriptor, self._set = descriptor, set_timer
        self._rings_at = math.inf
        self._naps: list[tuple[float, int, Nap]] = []  # the next one first
        self._numbers = itertools.count()
        self._over = 0  # of them, how many were ended before their time
        weakref.finalize(self, os.close, descriptor)
        loop.add_reader(descriptor, self._ring)

    def end(self, nap: Nap, moment: float) -> None:
        """End *nap* at that *moment*."""
        heapq.heappush(self._naps, (moment, next(self._numbers), nap))
        if moment < self._rings_at:
            self._arm(moment)

    def is_over(self) -> None:
        """Know that a nap was ended before its time."""
        self._over += 1
        if self._over > FEW + len(self._naps) // 2:
            self._naps = [entry for entry in self._naps if not entry[2].done()]
            heapq.heapify(self._naps)
            self._over = 0

    def _arm(self, moment: float) -> None:
        self._rings_at = moment
        self._set(self._descriptor, moment)

    def _ring(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # it was set anew meanwhile
            return
        now, naps = time.monotonic(), self._naps
        while naps and (naps[0][0] <= now or naps[0][2].done()):
            nap = heapq.heappop(naps)[2]
            if not nap.done():
                nap.set_result(None)
            elif self._over:
                self._over -= 1
        self._rings_at = math.inf
        if naps:
            self._arm(naps[0][0])


def clockwork_of(loop: asyncio.AbstractEventLoop) -> Clockwork | None:
    """Return a new one for *loop*; None where there is none to be had."""
    try:
        descriptor, set_timer = _timer()
    except (ImportError, AttributeError, OSError):  # no ctypes, an old libc, no descriptor left
        return None
    try:
        return Clockwork(loop, descriptor, set_timer)
    except (RuntimeError, OSError):  # it watches no files
        return None


def _timer() -> tuple[int, Set]:
    """Return a new timer's descriptor, and what sets it."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        raise ImportError("there is no timerfd here")
    if sys.version_info >= (3, 13):
        made = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        return made, lambda descriptor, moment: os.timerfd_settime(descriptor, flags=ABSOLUTE, initial=moment)
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    create, settime, four = libc.timerfd_create, libc.timerfd_settime, ctypes.c_long * 4
    made = create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if made < 0:
        raise OSError(ctypes.get_errno(), "no timerfd is to be had")

    def set_timer(descriptor: int, moment: float) -> None:
        seconds, rest = divmod(int(moment * NANO) + 1, NANO)  # a second of nanoseconds is refused, and nothing set
        settime(descriptor, ABSOLUTE, four(0, 0, seconds, rest), None)

    return made, set_timer
