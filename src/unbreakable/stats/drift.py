"""Whether calls have lastingly become slower or faster than they were lately.

Page-Hinkley test on the logarithm of the duration, two-sided, in units of the standard deviation seen lately:
E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954), 100-115; D. V. Hinkley, "Inference about the
change-point from cumulative sum tests", Biometrika 58 (1971), 509-523.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import isfinite, log, sqrt
from typing import Any, Self

from unbreakable.stats import record

UNIT = 1 << 30
SHORTEST = 1e-4  # seconds: below them it is the interpreter that is slower or faster, and no target
# Calls that all take the same time have no deviation; one of 5 % keeps their noise from counting as drift.
LEAST_DEVIATION = 0.05
LEAST_VARIANCE = LEAST_DEVIATION**2
LEAST_CHANGE = 0.1  # of the logarithm, that is a tenth: less is no drift, however surely it is there
# Durations by which the normal is known: so it follows the hours of a day, and what comes slowly is no alarm.
MEMORY = 128
# A single outlier, however far, is worth no more than this many standard deviations.
FARTHEST = 4.0


class Drift:
    """Say when durations have drifted by more than *tolerance* standard deviations, and a tenth.

    Evidence beyond the tolerance adds up; at *threshold* the drift is reported once, and a new normal is learned. The
    first *minimum* durations only teach what is normal, which is that of the last hundred or so. Defaults: a change of
    one deviation is told after some 60 calls; steady, independent durations raise fewer than one false alarm in a
    million, and 180 calls an hour that take by day three times as long as by night fewer than one a week.

    ``span`` is the number of durations, the last one included, that spoke for the drift that was reported last.

    >>> drift = Drift()
    >>> any(drift.update(seconds) for seconds in [0.10, 0.11] * 50)
    False
    >>> any(drift.update(seconds) for seconds in [0.20] * 20), drift.span
    (True, 11)
    """

    __slots__ = (
        *("_count", "_faster", "_faster_for", "_slower", "_slower_for", "_squares", "_sum"),
        *("minimum", "span", "threshold", "tolerance"),
    )

    def __init__(self, tolerance: float = 0.25, threshold: float = 30.0, minimum: int = 40) -> None:
        if not (0.0 <= tolerance < math.inf and 0.0 < threshold < math.inf and minimum >= 2):
            raise ValueError(
                f"expected tolerance ≥ 0, threshold > 0, minimum ≥ 2, got {tolerance!r}, {threshold!r}, {minimum!r}"
            )
        self.tolerance = float(tolerance)
        self.threshold = float(threshold)
        self.minimum = minimum
        self.span = 0
        self._begin()

    def _begin(self) -> None:
        self._slower_for = self._faster_for = 0
        self._count = self._sum = self._squares = 0
        self._slower = self._faster = 0.0

    def update(self, seconds: float) -> bool:
        """Take in one duration, and return True if with it a drift has become certain.

        A duration below 0.1 ms counts as 0.1 ms; NaN and infinity are refused with ValueError.
        """
        if not isfinite(seconds):
            raise ValueError(f"expected a duration in seconds, got {seconds!r}")
        x = log(max(SHORTEST, seconds))
        count = self._count
        if count >= self.minimum and self._is_certain(x, count):
            self.span = self._slower_for if self._slower >= self._faster else self._faster_for
            self._begin()
            return True
        self._count = count = count + 1
        self._sum += round(x * UNIT)
        self._squares += round(x * x * UNIT)
        if count >= MEMORY and count >= 2 * self.minimum:
            self._count = kept = count // 2
            self._sum, self._squares = self._sum * kept // count, self._squares * kept // count
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

    def _is_certain(self, x: float, count: int) -> bool:
        """Return whether *x* makes a drift certain: so many standard deviations from the normal, cut off at FARTHEST.

        Done for each duration: comparisons are written out, since each call of max would take as long as all of it.
        """
        mean = self._sum / count / UNIT
        variance = self._squares / count / UNIT - mean * mean
        deviation = sqrt(variance) if variance > LEAST_VARIANCE else LEAST_DEVIATION
        away = (x - mean) / deviation
        if not -FARTHEST <= away <= FARTHEST:
            away = math.copysign(FARTHEST, away)
        least, tolerance = LEAST_CHANGE / deviation, self.tolerance
        tolerance = max(tolerance, least)
        slower, faster = self._slower + away - tolerance, self._faster - away - tolerance
        if slower > 0.0:
            self._slower, self._slower_for = slower, self._slower_for + 1
        elif self._slower > 0.0:
            self._slower, self._slower_for = 0.0, 0
        if faster > 0.0:
            self._faster, self._faster_for = faster, self._faster_for + 1
        elif self._faster > 0.0:
            self._faster, self._faster_for = 0.0, 0
        return slower >= self.threshold or faster >= self.threshold
