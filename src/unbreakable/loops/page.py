"""A page of memory that a worker of `unbreakable run` and its supervisor see: signs of life of the one for the other.

Whatever carries loops in the worker has a lane in it: what the earliest thing at work there is, when it will be over at
the latest, and how many have ended.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
from typing import NamedTuple

MAGIC = b"ubpulse1"  # the last one is the version: the library may be upgraded under a supervisor
HANG, LOOPS, LANES = 1, 2, 3  # eighth bytes: seconds of --hang, 0.0 for off; loops that go on; lanes used so far
WISH = slice(32, 256)  # bytes: why the worker wants to be replaced
FIRST, LANE = 256, 64  # bytes: where the first lane begins, and how long each is
DUE, BEATS = 0, 1  # eighth bytes of a lane: a moment, 0.0 for none; how many have ended
NAME = slice(16, 64)  # bytes of a lane: what is due
MOST_LANES = 4_097  # as many threads may carry loops, and one for the interpreter
KNOWN = slice(FIRST + LANE * MOST_LANES, FIRST + LANE * MOST_LANES + 2**14)  # bytes: what the worker has loaded
FAILING, SURVIVING = KNOWN.stop // 8, KNOWN.stop // 8 + 1  # eighth bytes: loops that fail, and that survive
SIZE = KNOWN.stop + 16  # of which the machine gives what is written to


class Sign(NamedTuple):
    """Say by when what is earliest in a lane will be over, and how many have ended in it."""

    due: float
    beats: int


class Page:
    """Read and write *memory*, of SIZE bytes; what is written often is written in one piece."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory
        self.moments = memoryview(memory).cast("d")
        self.counts = memoryview(memory).cast("Q")

    @property
    def hang(self) -> float:
        """The seconds for which an event loop, or the interpreter, may stand still; 0.0 is for ever."""
        return self.moments[HANG]

    @property
    def loops(self) -> int:
        """How many loops go on."""
        return self.counts[LOOPS]

    @property
    def ailing(self) -> tuple[int, int] | None:
        """How many loops fail, and how many are in survival mode; None where there is no room for that."""
        return (self.counts[FAILING], self.counts[SURVIVING]) if self._has_counts else None

    @ailing.setter
    def ailing(self, counts: tuple[int, int]) -> None:
        if self._has_counts:
            self.counts[FAILING], self.counts[SURVIVING] = counts

    @property
    def _has_counts(self) -> bool:
        return len(self.counts) > SURVIVING  # not in the page of a supervisor of an earlier version

    def count_ended(self) -> int:
        """Return how many iterations have ended."""
        lanes = min(self.counts[LANES], MOST_LANES)
        return sum(self.counts[self.place(number) + BEATS] for number in range(lanes))

    @property
    def wish(self) -> str:
        """Why the worker wants to be replaced, if it does."""
        return _text(self.memory[WISH])

    @wish.setter
    def wish(self, why: str) -> None:
        self.memory[WISH] = _padded(why, WISH.stop - WISH.start)

    @property
    def known(self) -> str:
        """Which modules of Python's own library the worker has loaded, with a space between two."""
        written = self.memory[KNOWN].partition(b"\0")[0].decode("ascii", "replace")
        return " ".join(name for name in written.split() if name.replace(".", "_").isidentifier() and name.isascii())

    @known.setter
    def known(self, names: str) -> None:
        if len(self.memory) >= KNOWN.stop:  # a supervisor of an earlier version has no room for it
            room = KNOWN.stop - KNOWN.start
            self.memory[KNOWN] = _padded(names if len(names) <= room else names[:room].rpartition(" ")[0], room)

    def due(self) -> dict[int, Sign]:
        """Return what is promised, by the number of its lane."""
        lanes = range(min(self.counts[LANES], MOST_LANES))
        places = [(number, self.place(number)) for number in lanes]
        return {
            number: Sign(due, self.counts[place + BEATS])
            for number, place in places
            if (due := self.moments[place + DUE])
        }

    def name(self, number: int) -> str:
        """Return what is due in a lane."""
        return _text(self.memory[self.room(number)])

    @staticmethod
    def place(number: int) -> int:
        """Return the first eighth byte of a lane."""
        return (FIRST + number * LANE) // 8

    @staticmethod
    def room(number: int) -> slice:
        """Return where the name is of what is due in a lane."""
        begin = FIRST + number * LANE
        return slice(begin + NAME.start, begin + NAME.stop)


@functools.lru_cache(1_024)
def label(name: str) -> bytes:
    """Return what the room for a name is filled with."""
    return _padded(name, NAME.stop - NAME.start)


def new_page(hang: float) -> tuple[Page | None, list[int]]:
    """Return a page, and the descriptor to hand down, which is to be closed then; none where no such memory is."""
    try:
        descriptor = os.memfd_create("unbreakable signs of life")
    except (AttributeError, OSError):
        return None, []
    try:
        os.ftruncate(descriptor, SIZE)
        page = Page(mmap.mmap(descriptor, SIZE))
    except OSError:
        os.close(descriptor)
        return None, []
    page.memory[: len(MAGIC)] = MAGIC
    page.moments[HANG] = hang
    return page, [descriptor]


def opened(descriptor: int) -> Page | None:
    """Return the page behind *descriptor*, which is closed, if it is one of this version."""
    try:
        with contextlib.suppress(OSError, ValueError):
            memory = mmap.mmap(descriptor, 0)
            if memory[: len(MAGIC)] == MAGIC:
                return Page(memory)
        return None
    finally:
        os.close(descriptor)


def _padded(text: str, room: int) -> bytes:
    return text.encode(errors="replace")[:room].ljust(room, b"\0")


def _text(written: bytes) -> str:
    return written.rstrip(b"\0").decode(errors="replace")
