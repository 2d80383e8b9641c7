"""A mean that forgets: an observation counts half as much after each half-life.

Observations are gathered in slots a quarter of a half-life wide, and weighted only when somebody asks (forward decay:
Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009).
A slot holds whole numbers (sums in units of 2^-30), so that merging is exact; at most 40 slots are kept, what is older
weighs less than a thousandth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from unbreakable.stats import record

SLOTS_PER_HALF_LIFE = 4
MOST_SLOTS = 40
UNIT = 1 << 30


class Decayed:
    """Average observations, with exponentially fading memory.

    *half_life* and every *now* are seconds of one clock. NaN and infinity are refused with ValueError.

    >>> load = Decayed(half_life=60)
    >>> load.update(1.0, now=0)
    >>> load.update(4.0, now=60)
    >>> load.value()
    3.0
    """

    __slots__ = ("_newest", "_slots", "half_life")

    def __init__(self, half_life: float) -> None:
        if not 0.0 < half_life < math.inf:
            raise ValueError(f"half_life: expected seconds > 0, got {half_life!r}")
        self.half_life = float(half_life)
        self._slots: dict[int, tuple[int, int]] = {}
        self._newest: int | None = None

    def update(self, x: float, now: float) -> None:
        """Take in the observation *x*, made at *now*."""
        if not (math.isfinite(x) and math.isfinite(now)):
            raise ValueError(f"expected a finite observation and time, got {x!r} at {now!r}")
        self._add(self._slot(now), 1, round(x * UNIT))

    def merge(self, other: Decayed) -> None:
        """Add the observations of *other*, made by the same clock with the same half-life."""
        if self.half_life != other.half_life:
            raise ValueError(f"cannot merge half-lives {self.half_life} and {other.half_life}")
        for slot, (count, total) in list(other._slots.items()):
            self._add(slot, count, total)

    def value(self) -> float | None:
        """Return the weighted mean; None when empty. It does not depend on when it is asked."""
        if self._newest is None:
            return None
        weighed = [(_weight(slot - self._newest), *self._slots[slot]) for slot in sorted(self._slots)]
        total = math.fsum(weight * (total / UNIT) for weight, _, total in weighed)
        return total / math.fsum(weight * count for weight, count, _ in weighed)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this mean: [slot, count, sum] of each slot in use, rising."""
        slots = [[slot, *self._slots[slot]] for slot in sorted(self._slots)]
        return {"half_life": self.half_life, "slots": slots}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the mean whose record *data* is; ValueError if it is none."""
        decayed = cls(record.real(data, "half_life"))
        for slot, count, total in record.rows(data, "slots", 3):
            if count < 1:
                raise ValueError(f"slots: expected a count ≥ 1, got {count!r}")
            decayed._add(slot, count, total)
        return decayed

    def _slot(self, now: float) -> int:
        return math.floor(now * SLOTS_PER_HALF_LIFE / self.half_life)

    def _add(self, slot: int, count: int, total: int) -> None:
        if self._newest is None or slot > self._newest:
            self._newest = slot
            for old in [each for each in self._slots if each <= slot - MOST_SLOTS]:
                del self._slots[old]
        if slot > self._newest - MOST_SLOTS:
            had, sum_before = self._slots.get(slot, (0, 0))
            self._slots[slot] = had + count, sum_before + total


def _weight(slots: int) -> float:
    return float(2.0 ** (slots / SLOTS_PER_HALF_LIFE))
