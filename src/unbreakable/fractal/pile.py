"""What piles up, one by one and at no cost, until somebody takes all of it."""

from __future__ import annotations

import contextlib
from collections import deque
from itertools import repeat, starmap
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Pile(Generic[T]):
    """Be an attribute that holds a deque of at most *most* from when somebody adds to it: an empty one takes 760 bytes.

    It is found at the object itself from then on.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most, self._name = most, ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Know under which name it is found."""
        self._name = name

    def __get__(self, owner: Any, kind: type) -> deque[T]:
        """Return the deque of *owner*, which has none yet; two threads that ask at once are given the same."""
        return vars(owner).setdefault(self._name, deque(maxlen=self._most))  # type: ignore[no-any-return]


def taken_from(owner: object, name: str) -> list[Any]:
    """Take what is there now from the pile of that *name*, which may not have been begun."""
    pile = vars(owner).get(name)
    return [] if pile is None else taken(pile)


def taken(pile: deque[T]) -> list[T]:
    """Take from *pile* what is there now; others may go on adding to it, and a handler of signals may take it first.

    >>> taken(deque([1, 2]))
    [1, 2]
    """
    took: list[T] = []
    with contextlib.suppress(IndexError):
        took.extend(starmap(pile.popleft, repeat((), len(pile))))
    return took
