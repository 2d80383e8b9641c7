"""How each of several ways to do the same job has done lately: what it cost, and how sure that is.

Costs are real numbers, lower is better. Sums are whole numbers in units of 2^-20, so that merging is exact; discounting
lets old evidence fade, and what has faded is doubted again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from unbreakable.stats import record

UNIT = 1 << 20
MOST_ARMS = 256
LARGEST = 1e6  # a cost beyond that counts as that


class Arms:
    """Keep the mean cost of each arm, by name, and how many observations it rests on.

    >>> replicas = Arms()
    >>> replicas.update("a", 1.0); replicas.update("a", 3.0); replicas.update("b", 0.5)
    >>> replicas.value("a"), replicas.value("b"), replicas.value("c")
    ((2.0, 2.0), (0.5, 1.0), None)
    """

    __slots__ = ("_arms",)

    def __init__(self) -> None:
        self._arms: dict[str, tuple[int, int, int]] = {}  # weight, sum, sum of squares

    def update(self, name: str, cost: float) -> None:
        """Count one use of arm *name*; beyond 256 arms nothing is kept of new ones."""
        if math.isnan(cost):
            raise ValueError("expected a cost, got NaN")
        cost = max(-LARGEST, min(LARGEST, cost))
        self._add(name, UNIT, round(cost * UNIT), round(cost * cost * UNIT))

    def merge(self, other: Arms) -> None:
        """Add what *other* has seen."""
        for name in sorted(other._arms):
            self._add(name, *other._arms[name])

    def value(self, name: str) -> tuple[float, float] | None:
        """Return the mean cost of arm *name* and the number of observations it rests on; None when there is none."""
        weight, total, _ = self._arms.get(name, (0, 0, 0))
        return (total / weight, weight / UNIT) if weight else None

    def spread(self, least: float) -> float:
        """Return the standard deviation of costs around their arms' means, pooled over the arms, at least *least*."""
        weight = sum(one[0] for one in self._arms.values())
        around = sum(squares - total * total / own for own, total, squares in self._arms.values() if own)
        return max(least, math.sqrt(max(0.0, around / weight))) if weight else least

    def discount(self, factor: float) -> None:
        """Keep a share *factor* in 0..1 of the evidence on every arm."""
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"factor: expected a number in 0..1, got {factor!r}")
        self._arms = {
            name: (int(weight * factor), int(total * factor), int(squares * factor))
            for name, (weight, total, squares) in self._arms.items()
            if weight * factor >= 1
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the record of these arms: by name, the weight, sum and sum of squares in units of 2^-20."""
        return {"arms": {name: list(self._arms[name]) for name in sorted(self._arms)}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the arms whose record *data* is; ValueError if it is none."""
        arms = cls()
        for name, row in record.table(data, "arms").items():
            weight, total, squares = next(record.rows({"row": [row]}, "row", 3))
            if not isinstance(name, str) or weight < 1 or squares < 0:
                raise ValueError(f"arms: expected a name with a weight ≥ 1, got {name!r}: {row!r}")
            arms._add(name, weight, total, squares)
        return arms

    def _add(self, name: str, weight: int, total: int, squares: int) -> None:
        if name not in self._arms and len(self._arms) >= MOST_ARMS:
            return
        had = self._arms.get(name, (0, 0, 0))
        self._arms[name] = (had[0] + weight, had[1] + total, had[2] + squares)
