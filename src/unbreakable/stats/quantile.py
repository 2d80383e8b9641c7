"""How long calls take, at any quantile, within two per cent.

A histogram of durations whose buckets are cut from the bits of a float: 32 to each doubling, from 2^-20 s (0.95 µs) to
2^18 s (3.03 days). A bucket is told by the harmonic middle of its ends, so that the relative error is at most 1.54 %.
Counts are whole numbers: merging adds them, in any order, to the same bytes. One histogram takes 4.9 kB.
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from struct import Struct
from typing import Any, Self

from unbreakable.stats import record

# A 32-bit float is sign (1), exponent (8), mantissa (23). Without its lowest 18 bits it numbers our buckets: 32 to each
# doubling, rising with the value. FIRST is the number of 2^-20, whose exponent is stored as 107.
FIRST = 107 << 5
SIZE = 38 << 5
INFINITE = 0xFF << 5
SIGN = 1 << 13

_to_bytes = Struct("<f").pack
_to_bits = Struct("<I").unpack
_TOP_HALF = slice(1 if sys.byteorder == "little" else 0, None, 2)
_MOST_IN_FOUR_BYTES = 0xFFFF_FFFF

_EMPTY = array("I", bytes(4 * SIZE))  # shared by all that have counted nothing


class Quantile:
    """Count durations in seconds, and tell any quantile of them with at most 1.54 % relative error.

    Durations below 1 µs, negative ones included (a clock may step), count in the lowest bucket; those above 3 days in
    the highest. NaN and infinity are refused with ValueError, and nothing of their batch is counted. Not locked: one
    writer at a time.

    >>> latency = Quantile()
    >>> latency.update_many([0.010, 0.012, 0.011, 2.5])
    >>> round(latency.value(0.5), 3), round(latency.value(1.0), 1)
    (0.011, 2.5)
    """

    __slots__ = ("_counts", "count")

    def __init__(self) -> None:
        self.count = 0
        self._counts = _EMPTY

    def update(self, seconds: float, times: int = 1) -> None:
        """Count one duration, *times* over (a whole number ≥ 0)."""
        if times < 0:
            raise ValueError(f"times: expected a whole number ≥ 0, got {times!r}")
        try:
            bits: int = _to_bits(_to_bytes(seconds))[0] >> 18
        except OverflowError:
            raise _not_a_duration(seconds) from None
        bucket = bits - FIRST
        if not 0 <= bucket < SIZE:
            bucket = _end_bucket(bits)
        self._make_room(times)
        self._counts[bucket] += times
        self.count += times

    def update_many(self, durations: Iterable[float]) -> None:
        """Count a batch of durations, all of them or, if one is NaN or infinite, none."""
        floats = array("f", durations)
        if not math.isfinite(sum(floats)):  # 32-bit floats cannot overflow a 64-bit sum
            raise _not_a_duration(next(each for each in floats if not math.isfinite(each)))
        self._make_room(len(floats))
        counts = self._counts
        for half, times in Counter(memoryview(floats).cast("B").cast("H")[_TOP_HALF]).items():
            bucket = (half >> 2) - FIRST
            if not 0 <= bucket < SIZE:
                bucket = _end_bucket(half >> 2)
            counts[bucket] += times
        self.count += len(floats)

    def merge(self, other: Quantile) -> None:
        """Add what *other* has counted."""
        if not other.count:
            return
        self._make_room(other.count)
        counts = self._counts
        for bucket, times in enumerate(other._counts):
            if times:
                counts[bucket] += times
        self.count += other.count

    def value(self, q: float) -> float | None:
        """Return the duration in seconds that a share *q* in 0..1 of the calls does not exceed; None when empty."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q: expected a number in 0..1, got {q!r}")
        if not self.count:
            return None
        rank = max(1, min(self.count, math.ceil(q * self.count)))
        return _middle(bisect_left(list(accumulate(self._counts)), rank))

    def counts(self) -> list[int]:
        """Return how many durations each bucket holds; ``edges()`` tells where buckets begin."""
        return list(self._counts)

    def halve(self) -> None:
        """Age what was counted: half the observations (rounded down), the same quantiles.

        The cumulative counts are halved, so that a histogram of many lone observations keeps every second of them.
        """
        if not self.count:
            return
        below = 0
        halved = 0
        for bucket, times in enumerate(self._counts):
            below += times
            self._counts[bucket] = below // 2 - halved
            halved = below // 2
        self.count = halved

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this histogram: [bucket, count] of each bucket in use, rising."""
        return {"buckets": [[bucket, times] for bucket, times in enumerate(self._counts) if times]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the histogram whose record *data* is; ValueError if it is none."""
        quantile = cls()
        for bucket, times in record.rows(data, "buckets", 2):
            if not 0 <= bucket < SIZE or times < 0:
                raise ValueError(f"buckets: expected a bucket below {SIZE} with a count ≥ 0, got {[bucket, times]!r}")
            quantile._make_room(times)
            quantile._counts[bucket] += times
            quantile.count += times
        return quantile

    def _make_room(self, more: int) -> None:
        if not self.count:
            self._counts = array("I", _EMPTY)  # its own, and not a copy's either
        # Four bytes a bucket are plenty until the whole histogram holds 4.3 billion.
        if self.count + more > _MOST_IN_FOUR_BYTES and self._counts.typecode == "I":
            self._counts = array("Q", self._counts)


def edges() -> list[float]:
    """Return in seconds where each bucket begins, rising, and where the last one ends."""
    return [math.ldexp(32 + bucket % 32, bucket // 32 - 25) for bucket in range(SIZE + 1)]


def _end_bucket(bits: int) -> int:
    """Return the end bucket for a duration out of range; ValueError if it is none at all."""
    if bits & INFINITE == INFINITE:
        raise ValueError("expected a duration in seconds, got NaN or infinity")
    return 0 if bits & SIGN or bits < FIRST else SIZE - 1


def _not_a_duration(seconds: float) -> ValueError:
    return ValueError(f"expected a duration in seconds, got {seconds!r}")


def _middle(bucket: int) -> float:
    """Return the harmonic middle of *bucket*, the one with the least relative error towards both ends."""
    doubling, part = divmod(bucket, 32)
    low = math.ldexp(32 + part, doubling - 25)
    high = math.ldexp(33 + part, doubling - 25)
    return 2.0 * low * high / (low + high)
