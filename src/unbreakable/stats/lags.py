"""How likely an attempt is to fail so many seconds after another one failed: whether failures come in spells.

Counts of attempts by their lag behind a failure, in bins that double from 2 ms, and of those that no failure came
shortly before.  They add up to a retry-success curve; whole numbers in units of 1/256, so that merging is exact.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from operator import add
from typing import Any, Self

from unbreakable.stats import record

BINS = 16
SHORTEST = 0.002  # seconds: the first bin ends at twice that; the last one has no end
LONGEST = SHORTEST * 2.0**BINS  # seconds, two minutes: what comes later comes after no failure
ROWS = BINS + 1  # one for attempts that came after no failure
UNIT = 256
MOST_READ = 1 << 48  # in a record: more were never counted, and sums of these fit into 8 bytes


class Lags:
    """Count attempts by how long ago another one had failed, and which of them failed.

    ``value()`` is a row for each bin: its middle in seconds, the attempts, those that failed.

    >>> lags = Lags()
    >>> lags.update(0.003, failed=True)
    >>> lags.update(0.3, times=3.0)
    >>> [(round(seconds, 4), seen, failed) for seconds, seen, failed in lags.value() if seen]
    [(0.0028, 1.0, 1.0), (0.362, 3.0, 0.0)]
    """

    __slots__ = ("_units",)

    def __init__(self) -> None:
        self._units = array("Q", bytes(16 * ROWS))  # attempts by bin, the last one for none; then those that failed

    def update(self, lag: float = math.inf, times: float = 1.0, *, failed: bool = False) -> None:
        """Count attempts that began *lag* seconds after a failure, ``math.inf`` for none: so many *times*."""
        if not (lag >= 0.0 and 0.0 <= times < math.inf):
            raise ValueError(f"expected a lag and a number of times ≥ 0, got {lag!r}, {times!r}")
        place, counts = BINS if lag >= LONGEST else bin_of(lag), self._units
        units = UNIT if times == 1.0 else round(times * UNIT)
        counts[place] += units
        if failed:
            counts[ROWS + place] += units

    def merge(self, other: Lags) -> None:
        """Add what *other* has counted."""
        self._units = array("Q", map(add, self._units, other._units))

    def value(self) -> list[tuple[float, float, float]]:
        """Return for each bin its middle in seconds, how many attempts fell into it, how many of them failed."""
        counts = [units / UNIT for units in self._units]
        return [(SHORTEST * 2.0 ** (place + 0.5), counts[place], counts[ROWS + place]) for place in range(BINS)]

    def units(self) -> array[int]:
        """Return the attempts by bin and those that came after no failure, then how many of each failed, times 256."""
        return self._units[:]

    @property
    def quiet(self) -> tuple[float, float]:
        """Return how many attempts came after no failure, and how many of them failed."""
        return self._units[BINS] / UNIT, self._units[-1] / UNIT

    def halve(self) -> None:
        """Age what was counted: half of it."""
        self._units = array("Q", [each // 2 for each in self._units])

    def to_dict(self) -> dict[str, Any]:
        """Return the record of these counts, in units of 1/256: [bin, attempts, failed] of each bin in use."""
        rows = [[seen, failed] for seen, failed in zip(self._units[:ROWS], self._units[ROWS:], strict=True)]
        return {"bins": [[place, *row] for place, row in enumerate(rows[:BINS]) if row[0]], "quiet": rows[BINS:]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the counts whose record *data* is; ValueError if it is none."""
        lags = cls()
        for place, seen, failed in record.rows(data, "bins", 3):
            if not (0 <= place < BINS and 0 <= failed <= seen <= MOST_READ):
                raise ValueError(f"bins: expected one of {BINS} bins with failed ≤ seen, got {[place, seen, failed]!r}")
            lags._add(place, seen, failed)
        for seen, failed in record.rows(data, "quiet", 2):
            if not 0 <= failed <= seen <= MOST_READ:
                raise ValueError(f"quiet: expected failed ≤ seen, got {[seen, failed]!r}")
            lags._add(BINS, seen, failed)
        return lags

    def _add(self, place: int, seen: int, failed: int) -> None:
        self._units[place] += seen
        self._units[ROWS + place] += failed


def bin_of(lag: float) -> int:
    """Return the number of the bin that *lag*, in seconds, falls into."""
    power = math.frexp(lag / SHORTEST)[1]
    return 0 if power < 1 else power - 1 if power < BINS else BINS - 1


def spread(lags: Lags, count: float, begin: float, end: float) -> None:
    """Count *count* good attempts that began evenly from *begin* to *end* seconds after a failure, and not before."""
    low, high = max(0.0, begin), max(0.0, end)
    if low >= LONGEST or count <= 0.0:
        return
    width = max(end - begin, 1e-12)
    at = low
    for place in range(bin_of(low), BINS):
        edge = min(high, SHORTEST * 2.0 ** (place + 1))
        if edge > at or place == bin_of(high):
            share = (edge - at) / width if high > low else 1.0
            lags.update(max(at, SHORTEST * 2.0**place) if place else at, count * share)
            at = edge
        if at >= high:
            break
