"""What a fixed rule consists of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Roll = Callable[[int], Any]  # the uniform number of a call, or of each, for its n-th pause


class Tokens(NamedTuple):
    """Describe gRPC's throttle: a failure takes a token, a success gives *ratio*; half of *most* have to be there."""

    most: float
    ratio: float


class Doubling(NamedTuple):
    """Be pauses that double: with *full* jitter, up to *more* seconds on top, or plus or minus a share *spread*."""

    first: float = 0.0
    most: float = math.inf
    full: bool = False
    more: float = 0.0
    spread: float = 0.0

    def __call__(self, nth: int, roll: Roll) -> Any:
        """Return the seconds before the attempt after the *nth*."""
        base = np.minimum(self.first * 2.0 ** (nth - 1), self.most)
        if not (self.full or self.more or self.spread):
            return base
        jitter = roll(nth)
        base = base * jitter if self.full else base * (1.0 + self.spread * (2.0 * jitter - 1.0))
        return np.minimum(base + self.more * jitter, self.most)


class Decorrelated(NamedTuple):
    """Be the pauses of Polly 8 (``RetryHelper.DecorrelatedJitterBackoffV2``)."""

    median: float
    most: float

    def __call__(self, nth: int, roll: Roll) -> Any:
        """Return the seconds before the attempt after the *nth*."""
        before = self._reach(nth - 2, roll) if nth > 1 else 0.0
        return np.minimum((self._reach(nth - 1, roll) - before) / 1.4 * self.median, self.most)

    def _reach(self, nth: int, roll: Roll) -> Any:
        at = nth + roll(nth + 1)
        return 2.0**at * np.tanh(np.sqrt(4.0 * at))


Pause = Doubling | Decorrelated


class Rule(NamedTuple):
    """Describe how a call is made.

    *copies* says how long after the begin of an attempt there are copies of it; each is made with probability *share*.
    *first*, *again* and *aside* are the endpoints of the first attempt, of further ones, and of copies.
    """

    name: str
    attempts: int = 1
    pause: Pause = Doubling()
    copies: tuple[float, ...] = ()
    share: float = 1.0
    first: int = 0
    again: int = 0
    aside: int = 0
    bucket: Tokens | None = None


class Bucket:
    """Count tokens (gRFC A6)."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens, self.left = tokens, tokens.most

    def take(self, fine: bool) -> None:
        """Take in how a request went."""
        self.left = min(self.tokens.most, self.left + self.tokens.ratio) if fine else max(0.0, self.left - 1.0)

    def allows(self) -> bool:
        """Return whether there may be a retry."""
        return self.left > self.tokens.most / 2.0
