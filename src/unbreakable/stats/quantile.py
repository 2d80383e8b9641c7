"""How long calls take, at any quantile, within two per cent.

A histogram of durations whose buckets are cut from the bits of a float: 32 to each doubling, from 2^-20 s (0.95 µs) to
2^18 s (3.03 days). A bucket is told by the harmonic middle of its ends, so that the relative error is at most 1.54 %.
Counts are whole numbers: merging adds them, in any order, to the same bytes. Of 1,216 buckets those are kept that lie
between the shortest and the longest duration seen, by whole doublings, in 2 bytes each while these are enough (65,535
durations): what lies between 10 ms and 2 s takes 512 bytes. Where room is limited (see ``MOST_BYTES``), buckets become
twice as wide as often as it takes.
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
from typing import Any, ClassVar, Self

from unbreakable.stats import record

# A 32-bit float is sign (1), exponent (8), mantissa (23). Without its lowest 18 bits it numbers our buckets: 32 to each
# doubling, rising with the value. FIRST is the number of 2^-20, whose exponent is stored as 107.
BITS_BELOW = 18
FIRST = 107 << 5
SIZE = 38 << 5
INFINITE = 0xFF << 5
SIGN = 1 << 13

_to_bytes = Struct("<f").pack
_to_bits = Struct("<I").unpack
_TOP_HALF = slice(1 if sys.byteorder == "little" else 0, None, 2)
_BYTES = {typecode: array(typecode).itemsize for typecode in "HIQ"}
_DOUBLING, _MOST_DOUBLED = 32, 5  # buckets to a doubling; how often these can be made one until there is one
MOST_READ = 1 << 48  # durations in a bucket of a record: more were never counted, and sums of these fit into 8 bytes

_EMPTY = array("H")  # shared by all that have counted nothing


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

    __slots__ = ("_counts", "_low", "_shift", "count")

    MOST_BYTES: ClassVar[float] = (
        math.inf
    )  #: for all buckets, at least 304; where they are fewer, errors are 2, 4, ... times as large

    def __init__(self) -> None:
        self.count = 0
        self._low, self._counts = 0, _EMPTY  # the first bucket that is kept, and those from there on
        self._shift = 0  # so many times two buckets were made one

    def update(self, seconds: float, times: int = 1) -> None:
        """Count one duration, *times* over (a whole number ≥ 0)."""
        if times < 0:
            raise ValueError(f"times: expected a whole number ≥ 0, got {times!r}")
        try:
            bits: int = _to_bits(_to_bytes(seconds))[0] >> BITS_BELOW
        except OverflowError:
            raise _not_a_duration(seconds) from None
        bucket = _bucket(bits)
        self._make_room(times, bucket, bucket)
        self._counts[(bucket - self._low) >> self._shift] += times
        self.count += times

    def update_many(self, durations: Iterable[float]) -> None:
        """Count a batch of durations, all of them or, if one is NaN or infinite, none."""
        floats = array("f", durations)
        if not math.isfinite(sum(floats)):  # 32-bit floats cannot overflow a 64-bit sum
            raise _not_a_duration(next(each for each in floats if not math.isfinite(each)))
        halves = Counter(memoryview(floats).cast("B").cast("H")[_TOP_HALF])
        if not halves:
            return
        low, high = (min(halves) >> 2) - FIRST, (max(halves) >> 2) - FIRST
        if low < 0 or high >= SIZE:
            ends = [_bucket(half >> 2) for half in halves]
            low, high = min(ends), max(ends)
        self._make_room(len(floats), low, high)
        counts, first, down = self._counts, FIRST + self._low >> self._shift, 2 + self._shift
        for half, times in halves.items():
            bucket = (half >> down) - first
            if not 0 <= bucket < len(counts):
                bucket = _bucket(half >> 2) - self._low >> self._shift
            counts[bucket] += times
        self.count += len(floats)

    def merge(self, other: Quantile) -> None:
        """Add what *other* has counted."""
        if not other.count:
            return
        theirs, from_shift = other._counts[:], other._shift  # a copy: other may be self
        self._make_room(other.count, other._low, other._low + (len(theirs) << from_shift) - 1, from_shift)
        counts, low, shift = self._counts, (other._low - self._low) >> from_shift, self._shift - from_shift
        for bucket, times in enumerate(theirs, low):
            if times:
                counts[bucket >> shift] += times
        self.count += other.count

    def merge_all(self, others: Iterable[Quantile]) -> None:
        """Add what each of *others* has counted, at once where they keep the same buckets."""
        alike: dict[tuple[int, int, int], list[array[int]]] = {}
        for low, counts, width in [other.span() for other in others if other.count]:
            alike.setdefault((low, width, len(counts)), []).append(counts)
        for (low, width, _), tables in alike.items():
            whole = Quantile()
            whole._low, whole._shift = low, width.bit_length() - 1
            whole._counts = array("Q", map(sum, zip(*tables, strict=True)))
            whole.count = sum(whole._counts)
            self.merge(whole)

    def value(self, q: float) -> float | None:
        """Return the duration in seconds that a share *q* in 0..1 of the calls does not exceed; None when empty."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q: expected a number in 0..1, got {q!r}")
        if not self.count:
            return None
        rank = max(1, min(self.count, math.ceil(q * self.count)))
        place = bisect_left(list(accumulate(self._counts)), rank)
        return _middle(self._low + (place << self._shift), 1 << self._shift)

    def span(self) -> tuple[int, array[int], int]:
        """Return the first bucket that is kept, how many durations it and those after it hold, and how wide each is.

        A width of 2 says that each holds what is in two of those that ``edges()`` tells.
        """
        return self._low, self._counts[:], 1 << self._shift

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
        self._counts = array(_typecode(halved), self._counts)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this histogram: [bucket, count] of each bucket in use, rising.

        ``doubled`` says how often buckets were made twice as wide; each has the number of the first one in it.
        """
        kept = range(self._low, self._low + (len(self._counts) << self._shift), 1 << self._shift)
        buckets = [[bucket, times] for bucket, times in zip(kept, self._counts, strict=True) if times]
        return {"buckets": buckets, "doubled": self._shift} if self._shift else {"buckets": buckets}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the histogram whose record *data* is; ValueError if it is none."""
        quantile = cls()
        doubled = record.whole(data, "doubled") if "doubled" in data else 0
        if doubled > _MOST_DOUBLED:
            raise ValueError(f"doubled: expected a whole number up to {_MOST_DOUBLED}, got {doubled!r}")
        for bucket, times in record.rows(data, "buckets", 2):
            if not (0 <= bucket < SIZE and 0 <= times <= MOST_READ):
                what = f"a bucket below {SIZE} with a count from 0 to {MOST_READ}"
                raise ValueError(f"buckets: expected {what}, got {[bucket, times]!r}")
            quantile._make_room(times, bucket, bucket, doubled)
            quantile._counts[(bucket - quantile._low) >> quantile._shift] += times
            quantile.count += times
        return quantile

    def _make_room(self, more: int, first: int, last: int, shift: int = 0) -> None:
        """See to it that there is room for so many *more* durations in the buckets from *first* to *last*.

        Buckets are at least 2 ** *shift* of those wide.
        """
        typecode = _typecode(self.count + more)
        if not self.count:
            self._low, self._counts, self._shift = first - first % _DOUBLING, _EMPTY, 0
        counts = self._counts
        end = self._low + (len(counts) << self._shift)
        if first < self._low or last >= end or typecode > counts.typecode or shift > self._shift:
            low, end = min(self._low, first - first % _DOUBLING), max(end, last + 1 + (-last - 1) % _DOUBLING)
            self._widen(low, end, max(typecode, counts.typecode), shift)

    def _widen(self, low: int, end: int, typecode: str, shift: int) -> None:
        """Keep the buckets from *low* to before *end*, each as wide as it has to be."""
        old, grown = self._shift, max(shift, self._shift)
        while (end - low >> grown) * _BYTES[typecode] > self.MOST_BYTES and grown < _MOST_DOUBLED:
            grown += 1
        counts = array(typecode, [0]) * (
            end - low >> grown
        )  # exactly as long: what is read from bytes has room to grow
        for place, times in enumerate(self._counts, (self._low - low) >> old):
            if times:
                counts[place >> (grown - old)] += times
        self._low, self._counts, self._shift = low, counts, grown


def edges() -> list[float]:
    """Return in seconds where each bucket begins, rising, and where the last one ends."""
    return [math.ldexp(32 + bucket % 32, bucket // 32 - 25) for bucket in range(SIZE + 1)]


def _bucket(bits: int) -> int:
    """Return the bucket of a duration with these *bits*, an end one if out of range; ValueError if it is none."""
    if FIRST <= bits < FIRST + SIZE:
        return bits - FIRST
    if bits & INFINITE == INFINITE:
        raise ValueError("expected a duration in seconds, got NaN or infinity")
    return 0 if bits & SIGN or bits < FIRST else SIZE - 1


def _typecode(count: int) -> str:
    """Return the type that holds up to so many durations, whichever bucket they are in: the letters rise with it."""
    return "H" if count <= 0xFFFF else "I" if count <= 0xFFFF_FFFF else "Q"


def _not_a_duration(seconds: float) -> ValueError:
    return ValueError(f"expected a duration in seconds, got {seconds!r}")


def _middle(bucket: int, width: int) -> float:
    """Return the harmonic middle of so many buckets, the one with the least relative error towards both ends."""
    doubling, part = divmod(bucket, 32)
    low = math.ldexp(32 + part, doubling - 25)
    high = math.ldexp(32 + part + width, doubling - 25)
    return 2.0 * low * high / (low + high)
