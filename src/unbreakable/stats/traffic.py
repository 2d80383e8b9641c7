"""How long the attempts at a target took: those that succeeded, those that failed, and those cut before their end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from unbreakable.stats import record
from unbreakable.stats.quantile import Quantile


class Traffic:
    """Keep what a model of a target is made from; every duration is in seconds.

    ``ok`` and ``failed`` are attempts that ended by themselves; ``cut`` holds the ages at which others were given up,
    so that only "longer than this" is known of them.  ``repeats`` are attempts that followed a failed one.

    >>> seen = Traffic()
    >>> seen.update(ok=[0.1, 0.1, 0.2], failed=[0.01], cut=[2.0], repeats=1)
    >>> seen.value()
    0.6
    """

    __slots__ = ("cut", "failed", "ok", "repeats", "repeats_failed")

    def __init__(self) -> None:
        self.ok, self.failed, self.cut = Quantile(), Quantile(), Quantile()
        self.repeats = self.repeats_failed = 0

    def update(
        self,
        *,
        ok: Iterable[float] = (),
        failed: Iterable[float] = (),
        cut: Iterable[float] = (),
        repeats: int = 0,
        repeats_failed: int = 0,
    ) -> None:
        """Take in a batch of attempts; *repeats* of them followed a failure, of which *repeats_failed* failed again."""
        if min(repeats, repeats_failed) < 0:
            raise ValueError(f"expected repeats ≥ 0, got {repeats}, {repeats_failed}")
        self.ok.update_many(ok)
        self.failed.update_many(failed)
        self.cut.update_many(cut)
        self.repeats += repeats
        self.repeats_failed += repeats_failed

    def merge(self, other: Traffic) -> None:
        """Add what *other* has seen."""
        for mine, theirs in ((self.ok, other.ok), (self.failed, other.failed), (self.cut, other.cut)):
            mine.merge(theirs)
        self.repeats += other.repeats
        self.repeats_failed += other.repeats_failed

    @property
    def count(self) -> int:
        """How many attempts were seen."""
        return self.ok.count + self.failed.count + self.cut.count

    def value(self) -> float | None:
        """Return the share of attempts that succeeded; None before the first."""
        return self.ok.count / self.count if self.count else None

    def halve(self) -> None:
        """Age what was seen: half of it, with the same shares and quantiles."""
        for each in (self.ok, self.failed, self.cut):
            each.halve()
        self.repeats //= 2
        self.repeats_failed //= 2

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this traffic."""
        return {
            "ok": self.ok.to_dict(),
            "failed": self.failed.to_dict(),
            "cut": self.cut.to_dict(),
            "repeats": self.repeats,
            "repeats_failed": self.repeats_failed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the traffic whose record *data* is; ValueError if it is none."""
        traffic = cls()
        for name in ("ok", "failed", "cut"):
            setattr(traffic, name, Quantile.from_dict(record.table(data, name)))
        traffic.repeats, traffic.repeats_failed = record.whole(data, "repeats"), record.whole(data, "repeats_failed")
        return traffic
