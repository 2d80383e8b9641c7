"""How calls end well, counted by how long they took: the share of successes under each plan, and their quantiles.

The durations are counted in buckets cut from the bits of a float, as in ``stats.Quantile``, only finer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
FINE = 5  # bits: 32 buckets to each doubling of a duration
_SHARES = np.array(list(QUANTILES.values()))


class Durations:
    """Count durations of calls under each of several plans, which make fewer kinds of attempts."""

    def __init__(self, shortest: float, deadline: float, kinds: int, plans: int) -> None:
        most = math.frexp(deadline)[1]
        self.deadline, self.power = np.float32(deadline), min(math.frexp(shortest)[1], most) - 1
        self.size = (most - self.power) << FINE
        rows = np.arange(max(kinds, plans), dtype=np.int32)[:, None]
        self.offsets = ((127 + self.power) << FINE) - rows * np.int32(self.size)
        self.any: Any = 0.0
        self.kinds = np.zeros((kinds, self.size))
        self.plans: Any = 0.0

    def of_all(self, took: Any, weights: Any) -> None:
        """Count durations that are the same under all plans."""
        self.any = self._count(took[None], weights)

    def of_kinds(self, took: Any, weights: Any) -> None:
        """Count durations, a row for each kind of attempts."""
        self.kinds += self._count(took, weights)

    def of_plans(self, took: Any, weights: Any) -> None:
        """Count durations, a row for each plan."""
        self.plans = self._count(took, weights)

    def _count(self, took: Any, weights: Any) -> Any:
        rows = len(took)
        weights = weights * (took <= self.deadline)
        buckets = np.minimum(took, self.deadline).view(np.int32) >> (23 - FINE)
        buckets -= self.offsets[:rows]
        return np.bincount(buckets.ravel(), weights.ravel(), rows * self.size).reshape(rows, self.size)

    def mass(self, kind_of: Any) -> Any:
        """Return how likely calls end well after how long, a row for each plan; *kind_of* says of which kind it is."""
        return (self.kinds + self.any)[kind_of] + self.plans

    def summary(self, mass: Any) -> tuple[Any, Any]:
        """Return the share of successes of each row of *mass*, and the quantiles of how long they take."""
        rows = np.arange(len(mass))[:, None]
        reached = mass.cumsum()
        ends = reached[self.size - 1 :: self.size, None]
        begins = np.append(0.0, ends[:-1])[:, None]
        success = ends - begins
        wanted = begins + _SHARES * success
        at = np.minimum(reached.searchsorted(wanted), rows * self.size + self.size - 1)
        part = np.maximum(1.0 - (reached[at] - wanted) / np.maximum(mass.ravel()[at], 1e-30), 0.0)
        at -= rows * self.size
        found = np.ldexp(1.0 + ((at & ((1 << FINE) - 1)) + part) / (1 << FINE), (at >> FINE) + self.power)
        return success[:, 0], np.where(success > 0.0, found, math.inf)
