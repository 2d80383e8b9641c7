"""How many calls went well or badly lately, within a sliding window of time.

The window is cut into equal buckets by the clock; the oldest is forgotten whole, so that the last
(buckets - 1) / buckets of the window are always covered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from unbreakable.stats import record


class Window:
    """Count what went well or badly in the last *seconds*, in a ring of *buckets*.

    Every *now* is seconds of one clock that does not step. What is older than the window when it arrives is dropped.

    >>> recent = Window(30.0)
    >>> recent.update(True, now=0.0); recent.update(False, now=20.0)
    >>> recent.value(now=25.0), recent.value(now=40.0)
    ((1, 1), (0, 1))
    """

    __slots__ = ("_failed", "_newest", "_ok", "_slots", "buckets", "seconds")

    def __init__(self, seconds: float, buckets: int = 10) -> None:
        if not (0.0 < seconds < math.inf and 1 <= buckets <= 1000):
            raise ValueError(f"expected seconds > 0 in 1..1000 buckets, got {seconds!r} in {buckets!r}")
        self.seconds = float(seconds)
        self.buckets = buckets
        self._newest: int | None = None
        self._slots: list[int | None] = [None] * buckets
        self._ok = [0] * buckets
        self._failed = [0] * buckets

    def update(self, ok: bool, now: float) -> None:
        """Count one call that ended at *now*."""
        self._add(self._slot(now), int(ok), int(not ok))

    def merge(self, other: Window) -> None:
        """Add the calls of *other*, a window of the same size and clock."""
        if (self.seconds, self.buckets) != (other.seconds, other.buckets):
            raise ValueError(f"cannot merge windows of {self.seconds, self.buckets} and {other.seconds, other.buckets}")
        for slot, ok, failed in other._rows():
            self._add(slot, ok, failed)

    def value(self, now: float) -> tuple[int, int]:
        """Return how many calls (went well, failed) in the window that ends at *now*."""
        if self._newest is None:
            return 0, 0
        horizon = max(self._slot(now), self._newest) - self.buckets
        ok = failed = 0
        for place, slot in enumerate(self._slots):
            if slot is not None and slot > horizon:
                ok += self._ok[place]
                failed += self._failed[place]
        return ok, failed

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this window: [slot, ok, failed] of each bucket in use, rising."""
        return {"seconds": self.seconds, "buckets": self.buckets, "slots": self._rows()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the window whose record *data* is; ValueError if it is none."""
        window = cls(record.real(data, "seconds"), record.whole(data, "buckets"))
        for slot, ok, failed in record.rows(data, "slots", 3):
            if min(ok, failed) < 0:
                raise ValueError(f"slots: expected counts ≥ 0, got {[slot, ok, failed]!r}")
            window._add(slot, ok, failed)
        return window

    def _slot(self, now: float) -> int:
        return math.floor(now * self.buckets / self.seconds)

    def _rows(self) -> list[list[int]]:
        if self._newest is None:
            return []
        horizon = self._newest - self.buckets
        ring = zip(self._slots, self._ok, self._failed, strict=True)
        return sorted([slot, ok, failed] for slot, ok, failed in ring if slot is not None and slot > horizon)

    def _add(self, slot: int, ok: int, failed: int) -> None:
        if self._newest is None or slot > self._newest:
            self._newest = slot
        elif slot <= self._newest - self.buckets:
            return
        place = slot % self.buckets
        if self._slots[place] != slot:
            # Nothing newer can be here: a slot within the window shares its place only with slots outside of it.
            self._slots[place] = slot
            self._ok[place] = self._failed[place] = 0
        self._ok[place] += ok
        self._failed[place] += failed
