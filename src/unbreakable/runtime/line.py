"""Whoever waits for something stands in line: first come, first served, over threads and event loops."""

from __future__ import annotations

import contextlib
import threading
from collections import deque

from unbreakable.runtime.protocol import Runtime, Waiter


class Place:
    """A place in a line."""

    __slots__ = ("thread", "waiter")

    def __init__(self, waiter: Waiter, thread: int) -> None:
        self.waiter, self.thread = waiter, thread

    async def wait(self, runtime: Runtime, seconds: float) -> None:
        """Wait to be called, at most *seconds*; each call ends one wait."""
        await runtime.wait(self.waiter, seconds)
        self.waiter = runtime.waiter()


class Line:
    """Keep those who wait in the order in which they came; whoever leaves has the next one called.

    Each of them comes and goes in one step.  There is no lock, which a handler of signals, or the collector, would find
    held by the very thread that it has interrupted.
    """

    def __init__(self) -> None:
        self._places: deque[Place] = deque()

    def __len__(self) -> int:
        return len(self._places)

    def join(self, runtime: Runtime) -> Place:
        """Return a new place at the end, for the thread or event loop that asks; give it back with ``leave``."""
        place = Place(runtime.waiter(), threading.get_ident())
        self._places.append(place)
        return place

    def leave(self, place: Place) -> None:
        """Drop somebody who no longer waits."""
        self._drop(place)
        self.call()

    def _drop(self, place: Place) -> None:
        with contextlib.suppress(ValueError):
            self._places.remove(place)

    @property
    def is_mine(self) -> bool:
        """Whether somebody of this thread waits in the line."""
        return bool(self._places) and threading.get_ident() in [place.thread for place in tuple(self._places)]

    def is_first(self, place: Place) -> bool:
        """Return whether nobody stands before *place*."""
        return self._first() in (place, None)

    def call(self) -> None:
        """Let the first in line look."""
        if self._places and (first := self._first()) is not None:
            first.waiter.wake()

    def call_all(self) -> None:
        """Let everybody look; those whose event loop was closed over their wait are dropped."""
        for place in list(self._places):
            if place.waiter.alive():
                place.waiter.wake()
            else:
                self._drop(place)

    def clear(self) -> None:
        """Forget who waits: after a fork none of them goes on."""
        self._places.clear()

    def _first(self) -> Place | None:
        """Return who is first, once those are dropped whose event loop was closed over their wait."""
        with contextlib.suppress(IndexError):
            while not (first := self._places[0]).waiter.alive():
                self._drop(first)
            return first
        return None
