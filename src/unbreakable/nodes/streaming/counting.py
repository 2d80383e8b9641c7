"""Every item is counted in exactly one place."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol


class Counted(Protocol):
    """An item as far as it is counted."""

    @property
    def number(self) -> int:
        """Its number in the line."""

    @property
    def is_logged(self) -> bool:
        """Whether it is on disk."""


PLACES = ("accepted", "handled", "in_memory", "on_disk", "dead_letter", "quarantined")


class Counting:
    """Hold how many items were accepted, and where they are now.

    accepted = handled + in_memory + on_disk + dead_letter + quarantined, after each call; whoever calls holds a lock.
    """

    __slots__ = ("accepted", "dead_letter", "handled", "in_memory", "on_disk", "quarantined", "tallies")

    def __init__(self) -> None:
        self.accepted = self.handled = self.in_memory = self.on_disk = self.dead_letter = self.quarantined = 0
        self.tallies: list[Tally] = []

    def to_dict(self) -> dict[str, int]:
        """Return the counts by their names."""
        return {name: getattr(self, name) for name in PLACES}

    def found(self, on_disk: int, dead_letter: int) -> None:
        """Count what an earlier process left."""
        self.on_disk += on_disk
        self.dead_letter += dead_letter
        self.accepted += on_disk + dead_letter

    def take_over(self, before: Counting, in_memory: int) -> None:
        """Count on where *before* ended; *in_memory* are the items that come from there."""
        self.handled, self.quarantined, self.in_memory = before.handled, before.quarantined, in_memory
        self.accepted += self.handled + self.quarantined + in_memory
        self.tallies = before.tallies

    def put(self, item: Counted, *, is_new: bool) -> None:
        """Count an item that came in, new or out of the dead letters."""
        self._stored(1, is_logged=item.is_logged)
        if is_new:
            self.accepted += 1
        else:
            self.dead_letter -= 1

    def settled(self, items: Sequence[Counted]) -> None:
        """Count items that were handled."""
        for item in items:
            self._stored(-1, is_logged=item.is_logged)
        self.handled += len(items)

    def buried(self, items: Sequence[Counted]) -> None:
        """Count items that were set aside."""
        for item in items:
            self._stored(-1, is_logged=item.is_logged)
            self.dead_letter += 1
            for tally in tuple(self.tallies):
                tally.dead_letter += tally.count_within(item.number, item.number)

    def lost(self, first: int, last: int) -> None:
        """Count items that cannot be read any more."""
        self.on_disk -= last - first + 1
        self.quarantined += last - first + 1
        for tally in tuple(self.tallies):
            tally.quarantined += tally.count_within(first, last)

    def twice(self, items: Sequence[Counted]) -> None:
        """Take back items that were found on disk and among the dead letters."""
        self.on_disk -= len(items)
        self.accepted -= len(items)

    def discarded(self) -> None:
        """Count a dead letter that somebody has dealt with."""
        self.dead_letter -= 1
        self.handled += 1

    def kept_both(self) -> None:
        """Count an item once more that came out of the dead letters and had to be left there, too."""
        self.dead_letter += 1
        self.accepted += 1

    def logged(self, count: int) -> None:
        """Count items that went from memory to disk."""
        self.in_memory -= count
        self.on_disk += count

    def _stored(self, change: int, *, is_logged: bool) -> None:
        if is_logged:
            self.on_disk += change
        else:
            self.in_memory += change


class Tally:
    """Count what becomes of some of the items: those that were added, in the order of their numbers."""

    def __init__(self) -> None:
        self.accepted = self.dead_letter = self.quarantined = self.last = 0
        self._rows: deque[list[int]] = deque()

    def add(self, number: int, settled: int) -> None:
        """Add an item; those up to *settled* need not be remembered any more."""
        self.accepted, self.last = self.accepted + 1, number
        if self._rows and self._rows[-1][1] == number - 1:
            self._rows[-1][1] = number
        else:
            self._rows.append([number, number])
        while self._rows[0][1] <= settled and len(self._rows) > 1:
            self._rows.popleft()

    def count_within(self, first: int, last: int) -> int:
        """Return how many of the items are numbered from *first* to *last*."""
        return sum(max(0, min(last, end) - max(first, start) + 1) for start, end in self._rows)
