"""How calls end well, counted by how long they took: the share of successes under each plan, and their quantiles.

The durations are counted in buckets cut from the bits of a float, as in ``stats.Quantile``, only finer.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
FINE = 5  # bits: 32 buckets to each doubling of a duration
BITS_BELOW = 23 - FINE
_SHARES = np.array(list(QUANTILES.values()))


class Repeats(NamedTuple):
    """Hold good repeats, a row for each, and how many requests the repeats under each plan make."""

    plan: Any
    took: Any
    weights: Any
    load: Any


class Durations:
    """Count durations of calls whose attempts are of so many *kinds*; what is taken in is counted when first asked."""

    def __init__(self, shortest: float, deadline: float, kinds: int) -> None:
        most = math.frexp(deadline)[1]
        self.deadline, power = np.float32(deadline), min(math.frexp(shortest)[1], most) - 1
        self.lowest, self.size = (127 + power) << FINE, (most - power) << FINE
        self.kinds = kinds
        self.pieces: list[tuple[Any, Any, Any]] = []
        self.begun: Any = None  #: counts of what all plans have in common, and of what each kind has

    def of_all(self, took: Any, weights: Any) -> None:
        """Take in durations that are the same under all plans."""
        self.pieces.append((0, took, weights))

    def of_kinds(self, took: Any, weights: Any) -> None:
        """Take in durations, a row for each kind of attempts."""
        rows = np.arange(1, 1 + self.kinds, dtype=np.int32)[:, None]
        self.pieces.append((rows, took, weights[None].repeat(self.kinds, axis=0)))

    def _counted(self, more: Repeats | None, plans: int) -> tuple[Any, Any]:
        """Return the weights by bucket, a row for each kind and each plan; what all have in common is added to kinds.

        All is counted in one go, what is known already left out.
        """
        pieces, kinds = (self.pieces, 1 + self.kinds) if self.begun is None else ([], 0)
        if more is not None:
            pieces = [*pieces, ((kinds + more.plan)[:, None].astype(np.int32), more.took, more.weights)]
        if pieces:
            counts = self._count(pieces, kinds + plans)
            if kinds:
                self.begun = counts[1:kinds] + counts[0]
            if more is not None:
                return self.begun, counts[kinds:]
        return self.begun, 0.0

    def _count(self, pieces: list[tuple[Any, Any, Any]], rows: int) -> Any:
        took = np.concatenate([piece[1] for piece in pieces], axis=None)
        weights = np.concatenate([piece[2] for piece in pieces], axis=None)
        weights *= (took <= self.deadline).astype(np.float32)  # numpy is slow to multiply by truth
        buckets = np.minimum(took, self.deadline, out=took).view(np.int32)
        buckets >>= BITS_BELOW
        begin = 0
        for row, part, _ in pieces:
            own = buckets[begin : begin + part.size].reshape(part.shape)
            own += row * self.size - self.lowest
            begin += part.size
        return np.bincount(buckets, weights, rows * self.size).reshape(rows, self.size)

    def mass(self, kind: Any, more: Repeats | None) -> Any:
        """Return how likely calls end well after how long, a row for each plan.

        *kind* is that of each plan's attempts, *more* are repeats.
        """
        of_kinds, of_plans = self._counted(more, len(kind))
        mass = of_kinds.take(kind, axis=0)
        mass += of_plans
        return mass

    def summary(self, mass: Any) -> tuple[Any, Any]:
        """Return the share of successes of each row of *mass*, and the quantiles of how long they take.

        These mean nothing where no call succeeds.
        """
        size = self.size
        reached = mass.cumsum()
        ends = reached[size - 1 :: size, None]
        success = ends.copy()
        success[1:] -= ends[:-1]
        wanted = success * (_SHARES - 1.0)
        wanted += ends
        begins = (np.arange(len(mass)) * size)[:, None]
        at = np.minimum(reached.searchsorted(wanted), begins + (size - 1))
        part = (reached.take(at) - wanted) / np.maximum(mass.take(at), 1e-30)
        at -= begins - self.lowest
        found = at + np.maximum(np.minimum(1.0 - part, 1.0), 0.0)  # rounding may leave less than none of no success
        found *= 1 << BITS_BELOW
        return success[:, 0], found.astype(np.int32).view(np.float32)
