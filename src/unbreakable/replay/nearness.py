"""How many attempts are near another one in time: as many as foretell best how those in their middle ended.

A target that is ever the same is known best from all; one whose outages last half a second is known from a few.  So it
is the number by which the attempts themselves are most likely, each foretold by its neighbours (the likelihood
cross-validation of R. Duin, 1976): whether it failed, and whether it was slow; of these the one that changes soonest
has the say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

SIZES = (8, 16, 32, 64, 128, 256)
FEW = 32  # attempts, of which all are near
SLOW = (0.5, 0.9)  # quantiles of the seconds that attempts took


class Attempt(Protocol):
    """Be an attempt that was recorded."""

    @property
    def seconds(self) -> float:
        """Return how long it was seen."""

    @property
    def failure(self) -> object:
        """Return how it failed; None for a success, or one that was cut."""


def nearness(attempts: Sequence[Attempt]) -> int:
    """Return how many *attempts*, which are in order, foretell one in their middle best.

    >>> from types import SimpleNamespace as Made
    >>> steady = [Made(seconds=1.0, failure=number * 7 % 10 == 3 or None) for number in range(800)]
    >>> outage = [Made(seconds=1.0, failure=number % 200 < 20 or None) for number in range(800)]
    >>> nearness(steady), nearness(outage)
    (256, 16)
    """
    if len(attempts) <= FEW:
        return FEW
    seconds = np.array([each.seconds for each in attempts])
    failed = np.array([each.failure is not None for each in attempts])
    signs = [failed, *(seconds > limit for limit in np.quantile(seconds, SLOW))]
    sizes = [size for size in SIZES if size < len(attempts)]
    return min(max(sizes, key=lambda size: _likelihood(sign.astype(float), size)) for sign in signs)


def _likelihood(sign: Any, size: int) -> float:
    """Return the logarithm of how likely *sign* is, each foretold by the *size* around it."""
    count = len(sign)
    sums = np.concatenate([[0.0], np.cumsum(sign)])
    first = np.clip(np.arange(count) - size // 2, 0, count - size - 1)
    share = (sums[first + size + 1] - sums[first] - sign + 0.5) / (size + 1.0)
    return float(np.sum(np.where(sign > 0, np.log(share), np.log1p(-share))))
