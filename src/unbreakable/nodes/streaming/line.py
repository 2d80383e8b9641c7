"""Whoever finds no room in a stream stands in line for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from unbreakable.runtime import Line, Runtime
from unbreakable.storage.turn import in_use

T = TypeVar("T")

MOST_IN_LINE = 10_000
LOOK_AGAIN = 0.5  # seconds after which the first in line looks again: room on a disk is made by others, silently


async def stand(line: Line, attempt: Callable[[], T | None], runtime: Runtime, seconds: float) -> T | None:
    """Return what *attempt* returns as soon as that is not None; None after *seconds*, or if *line* is too long.

    Only the first in line tries, whenever it is called.  A wait that ends otherwise leaves no trace.  Raises StateInUse
    in a handler of signals that interrupted this very thread as it stood there.
    """
    if seconds <= 0 or len(line) >= MOST_IN_LINE:
        return None
    if line.is_mine and not runtime.preemptive:
        raise in_use("the stream")
    until = runtime.now() + seconds
    place = line.join(runtime)
    try:
        while True:
            is_first = line.is_first(place)
            taken = attempt() if is_first else None
            left = until - runtime.now()
            if taken is not None or left <= 0:
                return taken
            await place.wait(runtime, min(left, LOOK_AGAIN) if is_first else left)
    finally:
        line.leave(place)
