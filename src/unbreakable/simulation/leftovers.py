"""What is at work although its call is over: never more than so much, and none for longer than its deadline."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Leftovers(Generic[T]):
    """Keep what is left at work, each until a moment: what hangs, or was there before a fork, never ends."""

    most = 8  #: of one job

    def __init__(self) -> None:
        self._until: dict[T, float] = {}

    def has_room(self, now: float) -> bool:
        """Return whether one more may be left so."""
        for each, until in list(self._until.items()):
            if until < now:
                self.drop(each)
        return len(self._until) < self.most

    def take(self, one: T, until: float) -> None:
        """Take in *one* that is left."""
        self._until[one] = until

    def drop(self, one: T) -> None:
        """Forget *one*, which is over, or was none."""
        self._until.pop(one, None)

    def every(self) -> list[T]:
        """Return what is left now."""
        return list(self._until)
