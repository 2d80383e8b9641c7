"""How many second copies of late attempts a node has sent, and how many of them answered first."""

from __future__ import annotations

from unbreakable.runtime import new_lock


class Copies:
    """Count copies; those of a child count for its parent, too, whatever becomes of the child."""

    __slots__ = ("_above", "_lock", "sent", "won")

    def __init__(self, above: Copies | None = None) -> None:
        self._above, self._lock = above, new_lock()
        self.sent = self.won = 0

    def update(self, *, sent: int = 0, won: int = 0) -> None:
        """Count copies that were *sent* just now, or have *won*."""
        with self._lock:
            self.sent += sent
            self.won += won
        if self._above is not None:
            self._above.update(sent=sent, won=won)
