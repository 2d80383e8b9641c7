"""How the attempts at a target went: those that succeeded, those that failed, and those cut before their end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from unbreakable.stats import record
from unbreakable.stats.lags import Lags
from unbreakable.stats.quantile import Quantile
from unbreakable.stats.stretches import Stretches


class Answers(Quantile):
    """Count how long answers take: finely while the slowest took less than 200,000 times as long as the quickest."""

    __slots__ = ()
    MOST_BYTES = 1216


class Ages(Quantile):
    """Count how long other attempts take: finely while the longest was less than 1,000 times the shortest."""

    __slots__ = ()
    MOST_BYTES = 640


HISTOGRAMS = ("ok", "failed", "cut", "beside", "beside_cut", "sent", "near")
PARTS: dict[str, Any] = {
    "ok": Answers,
    **dict.fromkeys(HISTOGRAMS[1:], Ages),
    "lags": Lags,
    "slow": Stretches,
    "late": Stretches,
}
NUMBERS = ("repeats", "repeats_failed", "answered", "in_vain")
OLDEST = ("ok", "failed", "cut", "repeats", "repeats_failed")  # what every version wrote


class Traffic:
    """Keep what a model of a target is made from; every duration is in seconds.

    ``ok`` and ``failed`` are attempts that ended by themselves; ``cut`` holds the ages at which others were given up,
    so that only "longer than this" is known of them.  ``answered`` is how many were answered by a no, such as a 404:
    those neither failed nor tell how long a good answer takes.  ``repeats`` are attempts that followed a failed one,
    ``in_vain`` is how many first attempts failed in a way that no call is repeated for any more.
    Copies, which were sent since another attempt was late, are counted apart, in ``beside`` and ``beside_cut``: where
    requests are slow by their nature, or all of a time, the copies of slow ones are slow, too; how slow those were at
    least is told by ``sent``, after how many seconds copies were sent.  ``near`` are the attempts that succeeded next
    after a failure: whether those take longer that do not fail.  ``lags`` tell whether failures come in spells;
    ``slow`` and ``late`` whether the slowest tenth and hundredth of successes come together.  All of it takes less than
    8 kB, whatever is seen for however long.

    >>> seen = Traffic()
    >>> seen.update(ok=[0.1, 0.1, 0.2], failed=[0.01], cut=[2.0], repeats=1)
    >>> seen.value()
    0.6
    """

    __slots__ = (*HISTOGRAMS, *NUMBERS, "lags", "late", "slow")

    def __init__(self) -> None:
        self.ok: Quantile = Answers()
        self.failed, self.cut = Ages(), Ages()
        self.beside, self.beside_cut, self.sent, self.near = Ages(), Ages(), Ages(), Ages()
        self.repeats = self.repeats_failed = self.answered = self.in_vain = 0
        self.lags, self.slow, self.late = Lags(), Stretches(), Stretches()

    def update(
        self,
        *,
        ok: Iterable[float] = (),
        failed: Iterable[float] = (),
        cut: Iterable[float] = (),
        beside: Iterable[float] = (),
        beside_cut: Iterable[float] = (),
        sent: Iterable[float] = (),
        near: Iterable[float] = (),
        repeats: int = 0,
        repeats_failed: int = 0,
        answered: int = 0,
        in_vain: int = 0,
    ) -> None:
        """Take in a batch of attempts; *repeats* of them followed a failure, of which *repeats_failed* failed again."""
        counts = repeats, repeats_failed, answered, in_vain
        if min(counts) < 0:
            raise ValueError(f"expected numbers of {', '.join(NUMBERS)} ≥ 0, got {counts}")
        self.ok.update_many(ok)
        self.failed.update_many(failed)
        self.cut.update_many(cut)
        self.beside.update_many(beside)
        self.beside_cut.update_many(beside_cut)
        self.sent.update_many(sent)
        self.near.update_many(near)
        for name, count in zip(NUMBERS, counts, strict=True):
            setattr(self, name, getattr(self, name) + count)

    def merge(self, other: Traffic) -> None:
        """Add what *other* has seen."""
        for name in PARTS:
            getattr(self, name).merge(getattr(other, name))
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def count(self) -> int:
        """How many attempts were seen, left out copies and those that were answered by a no."""
        return self.ok.count + self.failed.count + self.cut.count

    @property
    def requests(self) -> int:
        """How many attempts and copies were seen, left out those that were answered by a no."""
        return self.count + self.beside.count + self.beside_cut.count

    def value(self) -> float | None:
        """Return the share of attempts that succeeded, of all but those answered by a no; None before the first."""
        return self.ok.count / self.count if self.count else None

    def halve(self) -> None:
        """Age what was seen: half of it, with the same shares and quantiles."""
        for name in PARTS:
            getattr(self, name).halve()
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) // 2)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of this traffic."""
        return {
            **{name: getattr(self, name).to_dict() for name in PARTS},
            **{name: getattr(self, name) for name in NUMBERS},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the traffic whose record *data* is; ValueError if it is none."""
        traffic = cls()
        for name, part in PARTS.items():
            if name in data or name in OLDEST:  # else an older version wrote it
                setattr(traffic, name, part.from_dict(record.table(data, name)))
        for name in NUMBERS:
            if name in data or name in OLDEST:
                setattr(traffic, name, record.whole(data, name))
        return traffic
