"""A target that is up or down, counts what is asked of it, and tells how calls ended."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from tests.torture.matrix.peer import NotOffered


class Target:
    """Be asked, by async and by plain code; who asks while it is down is told so after *seconds*."""

    def __init__(self, *, down: bool = False) -> None:
        self.down, self.calls, self.at_once, self.peak = down, 0, 0, 0
        self.begun: list[float] = []
        self.ended = 0  #: how many were neither cut nor cancelled
        self._lock = threading.Lock()

    def _begin(self) -> None:
        with self._lock:
            self.calls += 1
            self.at_once += 1
            self.peak = max(self.peak, self.at_once)

    def _end(self) -> None:
        with self._lock:
            self.at_once -= 1

    def _answer(self, down: bool | None) -> str:
        with self._lock:
            self.ended += 1
        if self.down if down is None else down:
            raise OSError("down")
        return "up"

    async def ask(self, seconds: float = 0.0, down: bool | None = None) -> str:
        """Answer after *seconds*; *down* decides, else whether the target is down by then."""
        self._begin()
        try:
            if seconds:
                await asyncio.sleep(seconds)
            return self._answer(down)
        finally:
            self._end()

    def ask_sync(self, seconds: float = 0.0, down: bool | None = None) -> str:
        """Do the same in plain code."""
        self._begin()
        try:
            if seconds:
                time.sleep(seconds)
            return self._answer(down)
        finally:
            self._end()


def either(peer: Any, target: Target, **wishes: Any) -> Any:
    """Return an async function that asks the target, protected in whichever colour the library protects."""
    try:
        return peer.protect(target.ask, **wishes)
    except NotOffered:
        door = peer.protect(target.ask_sync, **wishes)

    async def ask(*args: Any, **kwargs: Any) -> Any:
        return door(*args, **kwargs)

    return ask


async def end_of(call: Any) -> Any:
    """Return what the call returned, or the exception that it raised."""
    try:
        return await call
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():
            raise
        return error


def end_of_sync(door: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what *door* returned, or the exception that it raised."""
    try:
        return door(*args, **kwargs)
    except BaseException as error:
        return error


async def fails(door: Any, times: int, *args: Any, **kwargs: Any) -> None:
    """Let so many calls fail."""
    for _ in range(times):
        ended = await end_of(door(*args, **kwargs))
        assert isinstance(ended, BaseException), f"a call of a target that is down returned {ended!r}"


async def lets_through(door: Any, target: Target, *args: Any, **kwargs: Any) -> bool:
    """Return whether a call reaches the target."""
    before = target.calls
    await end_of(door(*args, **kwargs))
    return target.calls > before


def in_threads(*works: Any) -> list[Any]:
    """Return how each of *works* ended, each in a thread of its own, all at the same time."""
    ends: list[Any] = []
    crowd = [threading.Thread(target=lambda work=work: ends.append(end_of_sync(work)), daemon=True) for work in works]
    for one in crowd:
        one.start()
    while any(one.is_alive() for one in crowd):
        time.sleep(0.01)  # and not join(), which would hold up virtual time
    return ends
