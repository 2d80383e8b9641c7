"""How many runs ended well, healed, degraded, badly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from unbreakable.stats import record


class Counts:
    """Count runs by how they ended.

    >>> runs = Counts()
    >>> runs.update(ok=97, healed=2, failed=1)
    >>> runs.value(), runs.heal_rate
    (0.99, 0.6666666666666666)
    """

    __slots__ = ("degraded", "failed", "healed", "ok")

    def __init__(self) -> None:
        self.ok = 0
        self.healed = 0
        self.degraded = 0
        self.failed = 0

    def update(self, *, ok: int = 0, healed: int = 0, degraded: int = 0, failed: int = 0) -> None:
        """Count runs (whole numbers ≥ 0) that just ended."""
        if min(ok, healed, degraded, failed) < 0:
            raise ValueError(f"expected counts ≥ 0, got {ok}, {healed}, {degraded}, {failed}")
        self.ok += ok
        self.healed += healed
        self.degraded += degraded
        self.failed += failed

    def merge(self, other: Counts) -> None:
        """Add what *other* has counted."""
        self.update(ok=other.ok, healed=other.healed, degraded=other.degraded, failed=other.failed)

    def take_back(self, other: Counts) -> None:
        """Take away what *other* has counted, which was merged before."""
        self.ok -= other.ok
        self.healed -= other.healed
        self.degraded -= other.degraded
        self.failed -= other.failed

    @property
    def finished(self) -> int:
        """How many runs ended, however they did."""
        return self.ok + self.healed + self.degraded + self.failed

    def value(self) -> float | None:
        """Return the success rate, (ok + healed) / finished; None before the first run ended."""
        return (self.ok + self.healed) / self.finished if self.finished else None

    @property
    def heal_rate(self) -> float | None:
        """The share healed of the runs that needed it, healed / (healed + failed); None if none did."""
        return self.healed / (self.healed + self.failed) if self.healed + self.failed else None

    def to_dict(self) -> dict[str, Any]:
        """Return the record of these counts."""
        return {"ok": self.ok, "healed": self.healed, "degraded": self.degraded, "failed": self.failed}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the counts whose record *data* is; ValueError if it is none."""
        counts = cls()
        counts.update(**{name: record.whole(data, name) for name in ("ok", "healed", "degraded", "failed")})
        return counts
