"""Whoever finds no room stands in line: first come, first served, over threads and event loops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from unbreakable.runtime import Runtime, Waiter, new_lock

T = TypeVar("T")

MOST_IN_LINE = 10_000
LOOK_AGAIN = 0.5  # seconds after which the first in line looks again: room on a disk is made by others, silently


class Place:
    """A place in the line."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter


class Line:
    """Let the first in line try, whenever somebody says that there may be room."""

    def __init__(self) -> None:
        self._places: deque[Place] = deque()
        self._lock = new_lock()

    def __len__(self) -> int:
        return len(self._places)

    async def stand(self, attempt: Callable[[], T | None], runtime: Runtime, seconds: float) -> T | None:
        """Return what *attempt* returns as soon as that is not None; None after *seconds*, or if the line is too long.

        A wait that ends otherwise leaves no trace.
        """
        if seconds <= 0 or len(self._places) >= MOST_IN_LINE:
            return None
        until = runtime.now() + seconds
        place = Place(runtime.waiter())
        self._places.append(place)
        try:
            while True:
                is_first = self._first() is place
                taken = attempt() if is_first else None
                left = until - runtime.now()
                if taken is not None or left <= 0:
                    return taken
                await runtime.wait(place.waiter, min(left, LOOK_AGAIN) if is_first else left)
                place.waiter = runtime.waiter()
        finally:
            self._leave(place)

    def _first(self) -> Place | None:
        """Return who is first, once those are dropped whose event loop was closed over their wait."""
        with self._lock:
            while self._places and not self._places[0].waiter.alive():
                self._places.popleft()
            return self._places[0] if self._places else None

    def _leave(self, place: Place) -> None:
        with self._lock:
            if place in self._places:
                self._places.remove(place)
        self.call()

    def call(self) -> None:
        """Let the first in line look."""
        if self._places and (first := self._first()) is not None:
            first.waiter.wake()
