"""The figures of one run, from what the customers saw and what the partners' own books say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from unbreakable.demo.bookings import End, Ended

LEARNING = 200  # customers; in a shorter run the first fifth


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the partners say at the end of a run.

    `received` and `needed` are counts of requests; `standing` and `final` hold, for each partner, the bookings that
    have something there which was not undone, and those for which everything is settled.
    """

    received: int
    needed: int
    double_charges: int
    standing: Mapping[str, Collection[str]]
    final: Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One column of the report (seconds; `extra_load` is a share of the requests that were needed).

    `later` holds how long the bookings took that were done, those left out in whose time the partners were learned.
    """

    bookings: int
    done: int
    compensated: int
    failed: int
    downtime: int
    p50: float
    p99: float
    later: Sequence[float]
    heals: Mapping[str, int]
    extra_load: float
    double_charges: int
    lost: int
    stranded: int
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """How many customers did not get their booking."""
        return self.bookings - self.done

    @property
    def p50_later(self) -> float | None:
        """The median of the bookings that were done after the learning time; None where none was."""
        return quantile(sorted(self.later), 0.50) if self.later else None

    @property
    def balanced(self) -> bool:
        """Whether every booking is accounted for."""
        return self.done + self.compensated + self.failed == self.bookings

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {**asdict(self), "failures": self.failures, "p50_later": self.p50_later}


def figures(
    ends: Sequence[Ended], books: Books, settings: Mapping[str, Mapping[str, Any]], *, bookings: int
) -> Figures:
    """Count one run of so many bookings."""
    ended = Counter(one.verdict.end for one in ends)
    seconds = sorted(one.seconds for one in ends)
    done = {one.id for one in ends if one.done}
    in_order = sorted(ends, key=lambda one: one.due)
    anywhere: set[str] = set().union(*books.standing.values())
    everywhere = {one for one in done if all(one in final for final in books.final.values())}
    return Figures(
        bookings=bookings,
        done=ended[End.DONE],
        compensated=ended[End.COMPENSATED],
        failed=ended[End.FAILED],
        downtime=downtime(ends),
        p50=quantile(seconds, 0.50),
        p99=quantile(seconds, 0.99),
        later=[round(one.seconds, 6) for one in in_order[learning(bookings) :] if one.done],
        heals=dict(Counter(heal for one in ends for heal in one.verdict.heals).most_common()),
        extra_load=(books.received - books.needed) / max(books.needed, 1),
        double_charges=books.double_charges,
        lost=len(done - everywhere),
        stranded=len(anywhere - done),
        settings=settings,
        reasons=dict(Counter(one.verdict.why for one in ends if not one.done).most_common(5)),
    )


def learning(bookings: int) -> int:
    """Return how many customers come before the partners are known."""
    return min(LEARNING, bookings // 5)


def downtime(ends: Sequence[Ended]) -> int:
    """Return in how many whole seconds with arrivals due every one of them failed."""
    served: dict[int, bool] = {}
    for one in ends:
        second = math.floor(one.due)
        served[second] = served.get(second, False) or one.done
    return sum(not any_done for any_done in served.values())


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile of sorted values, 0.0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
