"""What closed event loops have left behind is swept out now and then, so that no call pays for more than its own."""

from __future__ import annotations

LEAST = 16  # things that are not worth a sweep


class Broom:
    """Tell when to sweep: whenever there is twice as much as the last sweep has left."""

    __slots__ = ("_due_at",)

    def __init__(self) -> None:
        self._due_at = LEAST

    def is_due(self, count: int) -> bool:
        """Return whether *count* things are enough for a sweep."""
        return count >= self._due_at

    def swept(self, left: int) -> None:
        """Note how many things a sweep has *left*."""
        self._due_at = max(LEAST, 2 * left)
