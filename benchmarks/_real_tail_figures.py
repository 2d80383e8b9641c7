"""What came of a world: figures of each side, and how sure the differences between two sides are.

Calls are paired, since all sides meet the same luck in each.  The interval of a difference is the difference over all
calls, plus and minus Student's t times its standard error; that is the spread of the difference when blocks of
successive calls are drawn again with replacement, the same ones for both sides (block bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

DRAWN, SEED = 1_000, 77
BLOCK = 100  # calls


class Side(NamedTuple):
    """Hold what came of one side: a row for each block."""

    took: Any  #: seconds of each call; those without an answer count as long as the deadline
    fine: Any  #: whether each call had an answer
    made: Any  #: requests that the servers saw for each call


class Figure(NamedTuple):
    """Name one figure; of *sign* 1 more is better, of -1 less."""

    name: str
    of: Callable[[Side], float]
    sign: int
    unit: str
    digits: int


FIGURES = [
    Figure("success", lambda side: 100.0 * float(side.fine.mean()), 1, " %", 3),
    Figure("p50", lambda side: 1e3 * float(np.quantile(side.took, 0.50)), -1, " ms", 2),
    Figure("p99", lambda side: 1e3 * float(np.quantile(side.took, 0.99)), -1, " ms", 1),
    Figure("extra load", lambda side: 100.0 * (float(side.made.sum()) / side.took.size - 1.0), -1, " %", 2),
]


class Gain(NamedTuple):
    """Tell by how much one side is better than another one in a figure, with a 95 % interval."""

    middle: float
    half: float

    @property
    def is_worse(self) -> bool:
        """Return whether it is worse, beyond the interval."""
        return self.middle < -max(self.half, 1e-9)

    @property
    def is_better(self) -> bool:
        """Return whether it is better, beyond the interval."""
        return self.middle > max(self.half, 1e-9)


def side_of(rounds: list[dict[str, Any]], deadline: float) -> Side:
    """Return what came of one side from what its rounds were: of each a multiple of BLOCK calls."""
    took, fine, made = (
        np.array([each[name] for each in rounds]).reshape(-1, BLOCK) for name in ("took", "fine", "made")
    )
    return Side(np.where(fine, took, deadline), fine, made)


def drawn_again(side: Side, blocks: Any) -> Side:
    """Return what would have come of these *blocks*, some of which may be there more than once."""
    return Side(*(each[blocks] for each in side))


def spreads(sides: dict[str, Side]) -> dict[str, dict[str, Any]]:
    """Return each figure of each side for every time that blocks are drawn again."""
    count = len(next(iter(sides.values())).made)
    draws = np.random.default_rng(SEED).integers(0, count, (DRAWN, count))
    return {
        name: {each.name: np.array([each.of(drawn_again(side, blocks)) for blocks in draws]) for each in FIGURES}
        for name, side in sides.items()
    }


def gains(sides: dict[str, Side], mine: str) -> dict[str, dict[str, Gain]]:
    """Return by how much *mine* is better than every other side, in each figure."""
    again, count = spreads(sides), len(sides[mine].made)
    grown = student(count - 1) * math.sqrt(count / (count - 1)) if count > 1 else math.inf
    return {
        other: {
            each.name: Gain(
                each.sign * (each.of(sides[mine]) - each.of(sides[other])),
                grown * float(np.std(again[mine][each.name] - again[other][each.name])),
            )
            for each in FIGURES
        }
        for other in sides
        if other != mine
    }


def student(free: int) -> float:
    """Return the 97.5 % quantile of Student's t, by Cornish and Fisher."""
    return 1.959964 + 2.372271 / free + 2.822497 / free**2 + 2.555850 / free**3
