"""Whether calls have lastingly become slower or faster than they used to be.

Page-Hinkley test on the logarithm of the duration, two-sided, in units of the standard deviation seen so far:
E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954), 100-115; D. V. Hinkley, "Inference about the
change-point from cumulative sum tests", Biometrika 58 (1971), 509-523.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from unbreakable.stats import record

UNIT = 1 << 30
SHORTEST = 1e-6
# Calls that all take the same time have no deviation; one of 1 % keeps their noise from counting as drift.
LEAST_DEVIATION = 0.01
# A single outlier, however far, is worth no more than this many standard deviations.
FARTHEST = 4.0


class Drift:
    """Say when durations have drifted by more than *tolerance* standard deviations.

    Evidence beyond the tolerance adds up; at *threshold* the drift is reported once, and a new normal is learned. The
    first *minimum* durations only teach what is normal. Defaults: a change of one deviation is told after some 40
    calls; steady, independent durations raise fewer than one false alarm in a million.

    >>> drift = Drift()
    >>> any(drift.update(seconds) for seconds in [0.10, 0.11] * 50)
    False
    >>> any(drift.update(seconds) for seconds in [0.20] * 10)
    True
    """

    __slots__ = ("_count", "_faster", "_slower", "_squares", "_sum", "minimum", "threshold", "tolerance")

    def __init__(self, tolerance: float = 0.25, threshold: float = 30.0, minimum: int = 40) -> None:
        if not (0.0 <= tolerance < math.inf and 0.0 < threshold < math.inf and minimum >= 2):
            raise ValueError(
                f"expected tolerance ≥ 0, threshold > 0, minimum ≥ 2, got {tolerance!r}, {threshold!r}, {minimum!r}"
            )
        self.tolerance = float(tolerance)
        self.threshold = float(threshold)
        self.minimum = minimum
        self._count = self._sum = self._squares = 0
        self._slower = self._faster = 0.0

    def update(self, seconds: float) -> bool:
        """Take in one duration, and return True if with it a drift has become certain.

        A duration below 1 µs counts as 1 µs; NaN and infinity are refused with ValueError.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"expected a duration in seconds, got {seconds!r}")
        x = math.log(max(seconds, SHORTEST))
        if self._count >= self.minimum:
            deviations = self._deviations(x)
            self._slower = max(0.0, self._slower + deviations - self.tolerance)
            self._faster = max(0.0, self._faster - deviations - self.tolerance)
            if self.value() >= 1.0:
                self._count = self._sum = self._squares = 0
                self._slower = self._faster = 0.0
                return True
        self._count += 1
        self._sum += round(x * UNIT)
        self._squares += round(x * x * UNIT)
        return False

    def merge(self, other: Drift) -> None:
        """Add what *other* knows of the normal, and keep the stronger evidence of the two."""
        mine, theirs = self._settings(), other._settings()
        if mine != theirs:
            raise ValueError(f"cannot merge drift settings {mine} and {theirs}")
        self._count += other._count
        self._sum += other._sum
        self._squares += other._squares
        self._slower = max(self._slower, other._slower)
        self._faster = max(self._faster, other._faster)

    def value(self) -> float:
        """Return how much of the evidence for a drift is there; 1 is enough to report it."""
        return max(self._slower, self._faster) / self.threshold

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this test; sums of logarithms in units of 2^-30."""
        tolerance, threshold, minimum = self._settings()
        settings = {"tolerance": tolerance, "threshold": threshold, "minimum": minimum}
        seen = {"count": self._count, "sum": self._sum, "squares": self._squares}
        return {**settings, **seen, "slower": self._slower, "faster": self._faster}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the test whose record *data* is; ValueError if it is none."""
        settings = record.real(data, "tolerance"), record.real(data, "threshold"), record.whole(data, "minimum")
        drift = cls(*settings)
        drift._count, drift._squares = record.whole(data, "count"), record.whole(data, "squares")
        drift._sum = record.integer(data, "sum")
        drift._slower, drift._faster = record.real(data, "slower"), record.real(data, "faster")
        return drift

    def _settings(self) -> tuple[float, float, int]:
        return self.tolerance, self.threshold, self.minimum

    def _deviations(self, x: float) -> float:
        """Return how many standard deviations *x* lies from the normal, cut off at FARTHEST."""
        mean = self._sum / self._count / UNIT
        variance = self._squares / self._count / UNIT - mean * mean
        far = (x - mean) / math.sqrt(max(variance, LEAST_DEVIATION**2))
        return max(-FARTHEST, min(FARTHEST, far))
