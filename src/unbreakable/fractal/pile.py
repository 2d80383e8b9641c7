"""What piles up, one by one and at no cost, until somebody takes all of it."""

from __future__ import annotations

import contextlib
from collections import deque
from itertools import repeat, starmap
from typing import TypeVar

T = TypeVar("T")


def taken(pile: deque[T]) -> list[T]:
    """Take from *pile* what is there now; others may go on adding to it, and a handler of signals may take it first.

    >>> taken(deque([1, 2]))
    [1, 2]
    """
    took: list[T] = []
    with contextlib.suppress(IndexError):
        took.extend(starmap(pile.popleft, repeat((), len(pile))))
    return took
