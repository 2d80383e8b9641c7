"""How calls fared under two sets of settings, in figures with their intervals.

The intervals are those of a paired block bootstrap (H. Künsch, 1989), made smooth (D. Rubin, 1981): blocks of calls
that follow each other are given weights by chance, the same ones on both sides, in each replay as often.  So what both
have in common, a bad hour and the luck of single attempts, takes no part in the difference.  Blocks that are drawn
whole, as often as not, have too few slow calls beyond a high quantile: its interval ends too low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from unbreakable.record import Record
from unbreakable.replay.play import Played

DRAWS = 1_000
AT_A_TIME = 200_000  # calls that are drawn in one go
FIGURES = ("success", "p50", "p90", "p99", "requests")
QUANTILES = (0.5, 0.9, 0.99)
SIDES = (2.5, 97.5)  # percentiles: 95 % intervals
OF_NONE = 3.0  # the 95 % bound on a rate of which nothing was seen in n calls is 3/n (J. Hanley, 1983)


class Figure(Record):
    """Hold a value, and the 95 % interval in which it is."""

    value: float
    low: float
    high: float

    @property
    def can_be_told(self) -> bool:
        """Return whether, of a difference, it can be told that there is one."""
        return self.low > 0.0 or self.high < 0.0


class Side(Record):
    """Say how calls fared: share that succeeded, quantiles of how long they took, requests for each."""

    success: Figure
    p50: Figure
    p90: Figure
    p99: Figure
    requests: Figure


def compare(before: Sequence[Played], after: Sequence[Played], seed: int) -> tuple[Side, Side, Side]:
    """Return how calls fared in the replays *before* and *after* a change, and the difference; *seed* draws blocks."""
    sides = [_tables(before), _tables(after)]
    replays, count = len(before), len(before[0].ok)
    dice = np.random.default_rng(seed)
    drawn = np.empty((DRAWS, 2, len(FIGURES)))
    for replay, draws in enumerate(np.array_split(np.arange(DRAWS), replays)):
        for part in np.array_split(draws, math.ceil(len(draws) * count / AT_A_TIME)):
            weights = _weights(count, len(part), dice)
            for side in range(2):
                drawn[part, side] = _weighed(sides[side][replay], weights)
    points = [np.mean([figures(table) for table in side], axis=0) for side in sides]
    least = _least(sides, count)
    return (
        _side(points[0], drawn[:, 0], _of_rate(points[0][0], count), (0.0, 1.0)),
        _side(points[1], drawn[:, 1], _of_rate(points[1][0], count), (0.0, 1.0)),
        _side(points[1] - points[0], drawn[:, 1] - drawn[:, 0], least, (-1.0, 1.0)),
    )


def figures(table: Any) -> Any:
    """Return the FIGURES of calls, of each of which *table* has whether it succeeded, its seconds and requests."""
    success, seconds, requests = table
    return np.array([success.mean(), *np.quantile(seconds, QUANTILES), requests.mean()])


def _weighed(table: Any, weights: Any) -> Any:
    """Return the FIGURES of calls that count by *weights*, a row for each row of them, whose sum is 1."""
    success, seconds, requests = table
    order = np.argsort(seconds, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    places = [np.minimum((reached < quantile).sum(axis=1), len(seconds) - 1) for quantile in QUANTILES]
    return np.stack([weights @ success, *(seconds[order][place] for place in places), weights @ requests], axis=-1)


def _tables(replays: Sequence[Played]) -> list[Any]:
    return [np.array([each.ok, each.seconds, each.requests], dtype=float) for each in replays]


def _weights(count: int, draws: int, dice: Any) -> Any:
    """Return weights of as many calls for each draw, alike in blocks of about the square root of them in a row."""
    length = max(1, round(math.sqrt(count)))
    blocks = np.repeat(dice.standard_exponential((draws, math.ceil(count / length))), length, axis=1)[:, :count]
    weights = np.take_along_axis(blocks, (np.arange(count) + dice.integers(count, size=(draws, 1))) % count, axis=1)
    return weights / weights.sum(axis=1, keepdims=True)


def _of_rate(rate: float, count: int) -> float:
    """Return how far the interval of a *rate* reaches at least: of what was never seen, too."""
    return OF_NONE / count if rate in (0.0, 1.0) else 0.0


def _least(sides: list[list[Any]], count: int) -> float:
    """Return how far that of the difference of rates reaches at least: calls that differ were not seen, or may be."""
    is_known = all(np.array_equal(one[0], other[0]) for one, other in zip(*sides, strict=True))
    return OF_NONE / count if is_known else 0.0


def _side(point: Any, drawn: Any, least: float, most: tuple[float, float]) -> Side:
    """Return the figures; that of a rate reaches as far as *least*, and not beyond *most*."""
    low, high = np.percentile(drawn, SIDES, axis=0)
    low[0], high[0] = max(most[0], min(low[0], point[0] - least)), min(most[1], max(high[0], point[0] + least))
    found = zip(FIGURES, point, low, high, strict=True)
    return Side(**{name: Figure(value=float(at), low=float(one), high=float(other)) for name, at, one, other in found})
