"""How each of several ways to do the same job has done lately: what it cost, how often it failed, how sure that is.

Costs are real numbers, lower is better. Sums are whole numbers in units of 2^-20, so that merging is exact; discounting
lets old evidence fade, and what has faded is doubted again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from unbreakable.stats import record

UNIT = 1 << 20
MOST_ARMS = 256
LARGEST = 1e6  # a cost beyond that counts as that
SURPRISING, FARTHEST = 12.0, 4.0  # standard deviations: together, and one use at most
NOTHING = (0, 0, 0, 0)
CALM = (0.0, 0.0, 0.0, 1.0)  # sums of deviations to either side; mean and spread before there were any


class Arms:
    """Keep the mean cost of each arm, by name, how often it failed, and how many observations that rests on.

    >>> replicas = Arms()
    >>> replicas.update("a", 1.0); replicas.update("a", 3.0); replicas.update("b", 0.5)
    >>> replicas.value("a"), replicas.value("b"), replicas.value("c")
    ((2.0, 2.0), (0.5, 1.0), None)
    """

    __slots__ = ("_arms", "_before", "_surprises")

    def __init__(self) -> None:
        #: weight, sum, sum of squares, weight of those that failed
        self._arms: dict[str, tuple[int, int, int, int]] = {}
        self._before: dict[str, tuple[int, int, int, int]] = {}
        self._surprises: dict[str, tuple[float, ...]] = {}

    def update(self, name: str, cost: float, *, failed: bool = False) -> None:
        """Count one use of arm *name*; beyond 256 arms nothing is kept of new ones."""
        if math.isnan(cost):
            raise ValueError("expected a cost, got NaN")
        cost = max(-LARGEST, min(LARGEST, cost))
        self._add(name, UNIT, round(cost * UNIT), round(cost * cost * UNIT), UNIT * failed)

    def merge(self, other: Arms) -> None:
        """Add what *other* has seen."""
        for name in sorted(other._arms):
            self._add(name, *other._arms[name])

    def names(self) -> list[str]:
        """Return the names of the arms of which anything is known."""
        return list(self._arms)

    def value(self, name: str) -> tuple[float, float] | None:
        """Return the mean cost of arm *name* and the number of observations it rests on; None when there is none."""
        weight, total, _, _ = self._arms.get(name, NOTHING)
        return (total / weight, weight / UNIT) if weight else None

    def share_failed(self, name: str) -> float:
        """Return the share of the uses of arm *name* that failed; 0 where there is none."""
        weight, _, _, failed = self._arms.get(name, NOTHING)
        return failed / weight if weight else 0.0

    def spread(self, least: float, only: str | None = None) -> float:
        """Return the standard deviation of costs around their arms' means, at least *least*.

        It is that of arm *only*, or pooled over all of them.
        """
        arms = self._arms.values() if only is None else [self._arms.get(only, NOTHING)]
        weight = sum(one[0] for one in arms)
        around = sum(squares - total * total / own for own, total, squares, _ in arms if own)
        return max(least, math.sqrt(max(0.0, around / weight))) if weight else least

    def discount(self, factor: float, used: Mapping[str, float] = MappingProxyType({})) -> None:
        """Keep a share *factor* in 0..1 of the evidence on every arm; of those in *used* another one."""
        for each in (factor, *used.values()):
            if not 0.0 <= each <= 1.0:
                raise ValueError(f"factor: expected a number in 0..1, got {each!r}")
        kept = {name: tuple(int(each * used.get(name, factor)) for each in one) for name, one in self._arms.items()}
        self._arms = {name: one for name, one in kept.items() if one[0] >= 1}  # type: ignore[misc]
        for name in kept.keys() - self._arms.keys():
            self._surprises.pop(name, None)

    def mark(self, name: str) -> None:
        """Remember what is known of arm *name* now; of 256 arms at most."""
        if name in self._before or len(self._before) < MOST_ARMS:
            self._before[name] = self._arms.get(name, NOTHING)

    def take_back(self, name: str) -> None:
        """Forget what came in of arm *name* since it was marked, if it was."""
        before = self._before.pop(name, None)
        if before is not None:
            self._arms.pop(name, None)
            self._surprises.pop(name, None)
            if before != NOTHING:
                self._add(name, *before)

    def has_changed(self, name: str, cost: float, least: float) -> bool:
        """Return whether arm *name* costs something else than it used to, as far as can be told by now.

        Asked before each use that cost so much is counted; its standard deviation is at least *least*.  Deviations
        beyond one add up (E. S. Page's cumulative sums).  What has added up is not part of the record.
        """
        if name not in self._arms:
            return False
        weight, total, _, _ = self._arms[name]
        lower, higher, mean, spread = self._surprises.get(name, CALM)
        if not lower and not higher:  # what is doubted must not move with what makes it doubtful
            mean, spread = total / weight, self.spread(least, name)
        away = max(-FARTHEST, min(FARTHEST, (cost - mean) / spread))
        lower, higher = max(0.0, lower - away - 1.0), max(0.0, higher + away - 1.0)
        changed = max(lower, higher) >= SURPRISING
        self._surprises[name] = CALM if changed else (lower, higher, mean, spread)
        return changed

    def to_dict(self) -> dict[str, Any]:
        """Return the record of these arms: weight, sum, sum of squares, weight of failures, in units of 2^-20."""
        return {"arms": {name: list(self._arms[name]) for name in sorted(self._arms)}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the arms whose record *data* is; ValueError if it is none."""
        arms = cls()
        for name, row in record.table(data, "arms").items():
            columns = 3 if isinstance(row, list) and len(row) == 3 else 4  # failures were not counted once
            weight, total, squares, failed = [*next(record.rows({"row": [row]}, "row", columns)), 0][:4]
            if not isinstance(name, str) or weight < 1 or squares < 0 or not 0 <= failed <= weight:
                raise ValueError(f"arms: expected a name with a weight ≥ 1, got {name!r}: {row!r}")
            arms._add(name, weight, total, squares, failed)
        return arms

    def _add(self, name: str, weight: int, total: int, squares: int, failed: int) -> None:
        if name not in self._arms and len(self._arms) >= MOST_ARMS:
            return
        had = self._arms.get(name, NOTHING)
        self._arms[name] = (had[0] + weight, had[1] + total, had[2] + squares, had[3] + failed)
