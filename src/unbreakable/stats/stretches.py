"""How much a share differs between stretches of an observed course: whether what is counted comes together.

Counts are added up over stretches of 16, 32, 64, ... observations; what these sums vary by, beside what chance would
make them vary by, is how many observations tell as much as one (H. Flyvbjerg, H. G. Petersen, "Error estimates on
averages of correlated data", J. Chem. Phys. 91, 461, 1989).  Whole numbers, so that merging is exact.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from operator import add, mul
from typing import Any, Self

from unbreakable.stats import record
from unbreakable.stats.quantile import Quantile

LEVELS = 14  # the longest stretch has 8,192 observations
FIRST_LEVEL = 4  # whose stretches are added up: shorter ones tell of nothing that lasts
SHORTEST = 2**FIRST_LEVEL
MOST_READ = 1 << 48  # in a record: more were never counted, and sums of these fit into 8 bytes
FIRST = 1_000  # durations that have to be known before it is said which are long
ANEW = 8  # times as much has to be known before it is said anew which durations are long
FEWEST = 8  # stretches that it takes to say by how much they differ
SURE = 2.5  # standard errors that they have to differ by, beyond chance, to differ at all


class Stretches:
    """Count by the length of stretches how many there were, what was counted in them, and the squares of that.

    >>> from unbreakable.stats.quantile import Quantile
    >>> seen, alone, together = Quantile(), Stretches(), Stretches()
    >>> seen.update_many([0.1, 0.2] * 500)
    >>> Course(0.5).follow(alone, [0.1, 0.2] * 512, seen)
    >>> Course(0.5).follow(together, ([0.1] * 32 + [0.2] * 32) * 16, seen)
    >>> alone.value(), round(together.value())
    (1.0, 33)
    """

    __slots__ = ("_table",)

    def __init__(self) -> None:
        self._table = array("Q", bytes(24 * LEVELS))  # by level how many stretches, then the sums, then the squares

    def update(self, level: int, sums: Sequence[int]) -> None:
        """Take in *sums* over stretches of 2 ** *level* observations."""
        table, total = self._table, sum(sums)
        table[level] += len(sums)
        table[level + LEVELS] += total
        table[level + 2 * LEVELS] += sum(map(mul, sums, sums)) if level else total

    def merge(self, other: Stretches) -> None:
        """Add what *other* has counted."""
        self._table = array("Q", map(add, self._table, other._table))

    def value(self) -> float:
        """Return how many observations tell no more than one would that came alone; 1: they come alone."""
        counts, sums, squares = self._columns
        found, share = 1.0, sums[0] / max(1, counts[0])
        for level in range(1, LEVELS):
            stretches, by_chance = counts[level], 2.0**level * share * (1.0 - share)
            if stretches >= FEWEST and by_chance > 0.0:
                mean = sums[level] / stretches
                times = (squares[level] - stretches * mean * mean) / (stretches - 1) / by_chance
                if times > 1.0 + SURE * math.sqrt(2.0 / stretches):
                    found = max(found, times)
        return found

    def halve(self) -> None:
        """Age what was counted: half of it."""
        counts, sums, squares = self._columns
        self._table = array("Q", [-(-each // 2) for each in counts + sums] + [each // 2 for each in squares])

    def to_dict(self) -> dict[str, Any]:
        """Return the record of these counts: [level, stretches, sum, sum of squares] of each length that was seen."""
        return {"levels": [[level, *row] for level, row in enumerate(zip(*self._columns, strict=True)) if row[0]]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the counts whose record *data* is; ValueError if it is none."""
        found = cls()
        for level, count, total, squares in record.rows(data, "levels", 4):
            is_one = 0 <= level < LEVELS and 0 <= squares <= total * 2**level <= count * 4**level
            if not is_one or max(count, squares) > MOST_READ:
                raise ValueError(f"levels: expected [level, stretches, sum, sum of squares], got {data['levels']!r}")
            for column, value in enumerate((count, total, squares)):
                found._table[level + column * LEVELS] += value
        return found

    @property
    def _columns(self) -> list[array[int]]:
        return [self._table[begin : begin + LEVELS] for begin in range(0, 3 * LEVELS, LEVELS)]


class Course:
    """Follow one course of durations: which are among the longest, and what stretches not whole yet came to.

    What they are compared with stays for long: where it moves, what it moves past would seem to come together.
    """

    __slots__ = ("_border", "_known", "_open", "_rest", "share")

    def __init__(self, share: float) -> None:
        self.share = share  #: durations beyond this quantile are counted
        self._border, self._known = math.inf, 0
        self._rest, self._open = list[bool](), list[int | None]([None] * LEVELS)

    def follow(self, stretches: Stretches, durations: Sequence[float], known: Quantile) -> None:
        """Count in *stretches* the *durations* that come next, of a target of which so much is *known*."""
        if known.count >= FIRST and not self._known <= known.count < ANEW * self._known:
            self._border, self._known = known.value(self.share) or math.inf, known.count
        if self._known:
            self._count(stretches, list(map(self._border.__lt__, durations)))

    def _count(self, stretches: Stretches, marks: list[bool]) -> None:
        stretches.update(0, marks)
        marks = self._rest + marks
        whole = len(marks) - len(marks) % SHORTEST
        self._rest = marks[whole:]
        sums = [sum(marks[begin : begin + SHORTEST]) for begin in range(0, whole, SHORTEST)]
        for level in range(FIRST_LEVEL, LEVELS):
            if not sums:
                break
            stretches.update(level, sums)
            held = self._open[level]
            if held is not None:
                sums.insert(0, held)
            self._open[level] = sums.pop() if len(sums) & 1 else None
            sums = list(map(add, sums[::2], sums[1::2]))
