"""The execution paths of a loop, side by side: one is used, and when it fails the next one is."""

from __future__ import annotations

from collections.abc import Callable

from unbreakable.loops.path import Path
from unbreakable.loops.restarts import RESTARTS

IN_QUANTUM_MODE = 3  # paths: one in use, one for when it fails, one for when both are poisoned


class Paths:
    """Keep up to *most* paths; ``make(number)`` makes the one of that number, from 0 on, when it is first needed."""

    __slots__ = ("_drop", "_made", "_make", "index", "most", "refreshed")

    def __init__(self, first: Path, make: Callable[[int], Path], drop: Callable[[Path], None], most: int) -> None:
        self._made: dict[int, Path] = {0: first}
        self._make = make
        self._drop = drop
        self.most = most
        self.index = self.refreshed = 0

    @property
    def current(self) -> Path:
        """The path in use."""
        path = self._made.get(self.index)
        if path is None:
            path = self._made[self.index] = self._make(self.index)
        return path

    def fail_over(self) -> bool:
        """Use the next path from now on; return whether there is another one, which can be had."""
        following = (self.index + 1) % self.most
        if following not in self._made and not RESTARTS.has(self.current.price):
            return False
        self.index = following
        return self.most > 1

    def settle(self) -> None:
        """Keep the path in use only: it has proven itself, and the others have failed."""
        self._discard([number for number in self._made if number != self.index])

    def refresh(self) -> None:
        """Discard all paths: whatever they have learned, hold or broke is gone; they are made anew when needed."""
        self.refreshed += 1
        self._discard(list(self._made))

    def every(self) -> list[Path]:
        """Return the paths that there are at this moment."""
        return list(self._made.values())

    def _discard(self, numbers: list[int]) -> None:
        for number in numbers:
            path = self._made.pop(number, None)
            if path is not None:
                path.close()
                self._drop(path)
