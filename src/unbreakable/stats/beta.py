"""How often something works, starting from what was believed before it was tried.

The mean of a Beta distribution whose prior is worth *weight* trials. Evidence is held in units of 2^-20 trial, so that
discounting leaves whole numbers, which merge exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

from unbreakable.stats import record

UNIT = 1 << 20
MOST_DRAWS = 64  # each is accepted nineteen times in twenty


class Beta:
    """Estimate the share of trials that work, from a prior mean in 0..1 worth *weight* trials.

    >>> remedy = Beta(prior=0.5, weight=2)
    >>> remedy.update(True, times=8)
    >>> remedy.value()
    0.9
    """

    __slots__ = ("_tried", "_worked", "prior", "weight")

    def __init__(self, prior: float = 0.5, weight: float = 2.0) -> None:
        if not (0.0 <= prior <= 1.0 and 0.0 < weight < float("inf")):
            raise ValueError(f"expected a prior in 0..1 with a weight > 0, got {prior!r}, {weight!r}")
        self.prior = float(prior)
        self.weight = float(weight)
        self._worked = 0
        self._tried = 0

    def update(self, worked: bool, times: int = 1) -> None:
        """Count *times* trials (a whole number ≥ 0) that all worked, or all did not."""
        if times < 0:
            raise ValueError(f"times: expected a whole number ≥ 0, got {times!r}")
        self._tried += times * UNIT
        if worked:
            self._worked += times * UNIT

    def merge(self, other: Beta) -> None:
        """Add the trials of *other*, which must start from the same prior."""
        if (self.prior, self.weight) != (other.prior, other.weight):
            raise ValueError(f"cannot merge priors {self.prior, self.weight} with {other.prior, other.weight}")
        self._worked += other._worked
        self._tried += other._tried

    def value(self) -> float:
        """Return the expected share of trials that work, prior included."""
        return (self.worked + self.prior * self.weight) / (self.tried + self.weight)

    @property
    def worked(self) -> float:
        """How many trials worked, as far as not discounted."""
        return self._worked / UNIT

    @property
    def tried(self) -> float:
        """How many trials were made, as far as not discounted."""
        return self._tried / UNIT

    def discount(self, factor: float) -> None:
        """Keep a share *factor* in 0..1 of the evidence: the estimate moves back towards its prior."""
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"factor: expected a number in 0..1, got {factor!r}")
        self._worked = int(self._worked * factor)
        self._tried = max(self._worked, int(self._tried * factor))

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this estimate; trials in units of 2^-20."""
        return {"prior": self.prior, "weight": self.weight, "worked": self._worked, "tried": self._tried}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the estimate whose record *data* is; ValueError if it is none."""
        beta = cls(record.real(data, "prior"), record.real(data, "weight"))
        beta._worked, beta._tried = record.whole(data, "worked"), record.whole(data, "tried")
        if beta._worked > beta._tried:
            raise ValueError(f"worked: expected at most {beta._tried} (tried), got {beta._worked}")
        return beta


def drawn(worked: float, failed: float, dice: Callable[[], float]) -> float:
    """Return a share drawn from the Beta distribution after so many trials, those that a prior is worth included.

    Thompson sampling asks for it; *dice* give uniform numbers in [0, 1).
    """
    works, fails = _gamma(worked, dice), _gamma(failed, dice)
    return works / (works + fails) if works + fails else worked / max(worked + failed, 1e-9)


def _gamma(shape: float, dice: Callable[[], float]) -> float:
    """Return a number drawn from the gamma distribution (Marsaglia and Tsang, ACM TOMS 26, 2000)."""
    if shape <= 0.0:
        return 0.0
    if shape < 1.0:
        return float(_gamma(shape + 1.0, dice) * (1.0 - dice()) ** (1.0 / shape))
    third = shape - 1.0 / 3.0
    scale = 1.0 / math.sqrt(9.0 * third)
    for _ in range(MOST_DRAWS):
        normal = math.sqrt(-2.0 * math.log(1.0 - dice())) * math.cos(2.0 * math.pi * dice())
        cube = (1.0 + scale * normal) ** 3
        if cube > 0.0 and math.log(1.0 - dice()) < 0.5 * normal * normal + third * (1.0 - cube + math.log(cube)):
            return third * cube
    return third  # dice that are none
