"""When copies of a late attempt are sent: the delay that is worth its load, found in closed form.

While attempts are independent, one with copies after d and 2 d is late at t with chance S(t) S(t - d) S(t - 2 d); where
requests of one call are alike, in part the copies are as slow as the first.  Spending a budget early rather than at its
percentile is what T. Kaler, Y. He, S. Elnikety, "Optimal Reissue Policies for Reducing Tail Latency" (SPAA 2017) prove
to be best; here the delay is chosen by what a strategy's score makes of both, time and load.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unbreakable.simulation.model import FOR_EVER, POINTS, Model
from unbreakable.simulation.score import HEADROOM, OF_P99, TENFOLD, ScoreWeights

PLACES = np.linspace(0.80, 0.99, 77)  # of an attempt's time, as shares: when copies might be sent
MOMENTS = 256  # at which is looked how many calls are still under way
TAILS = (0.01, 0.001)  # shares of calls that may take longer: the tail is what copies are for
LITTLE = 0.0058  # of load: what a second copy may cost, that only the far tail has anything of
WORTH = 1.0  # points that copies have to bring, of both tails: less is noise


class Hedging(NamedTuple):
    """Say after how many seconds copies are sent, how many, what share of requests they add, and what that is worth."""

    after: float
    copies: int
    load: float
    worth: float


class Waiting:
    """Tell how likely a call is still under way; *model* says how alike its requests are."""

    def __init__(self, model: Model) -> None:
        self.answers, self.alike = model.answers, model.alike
        self.slow = max(1.0 - model.slow_from, 1.0 / POINTS)

    def alone(self, at: Any) -> Any:
        """Return how likely one attempt takes longer than *at* seconds."""
        return 1.0 - np.searchsorted(self.answers, at.astype(np.float32).ravel(), "right").reshape(at.shape) / POINTS

    def together(self, at: Any, delays: Any, copies: Any) -> Any:
        """Return how likely a call with so many *copies*, *delays* apart, takes longer than *at* seconds."""
        most = int(np.max(copies))
        begun = [0.0, *(np.where(copies < number, FOR_EVER, number * delays) for number in range(1, 1 + most))]
        late = [self.alone(at - each) for each in begun]
        if not self.alike:
            return functools.reduce(np.multiply, late)
        likely = 0.0
        for share, of_this_sort in ((self.slow, self._if_slow), (1.0 - self.slow, self._if_not)):
            chance = of_this_sort(late[0])
            for each in late[1:]:
                chance = chance * (self.alike * of_this_sort(each) + (1.0 - self.alike) * each)
            likely = likely + share * chance
        return likely

    def _if_slow(self, late: Any) -> Any:
        return np.minimum(1.0, late / self.slow)

    def _if_not(self, late: Any) -> Any:
        return np.maximum(0.0, (late - self.slow) / (1.0 - self.slow))


def best_delay(model: Model, weights: ScoreWeights) -> Hedging | None:
    """Return the delay that is worth most, in points of a score with those *weights*; None where none is its load."""
    answers = model.answers[np.isfinite(model.answers)]
    if answers.size < POINTS // 2:
        return None
    delays = answers[np.minimum((PLACES * POINTS).astype(int), answers.size - 1)][:, None]
    slowest = float(answers[-1])
    if not 0.0 < delays[0, 0] < slowest:
        return None
    moments = np.geomspace(float(delays[0, 0]), slowest, MOMENTS, dtype=np.float32)
    waiting = Waiting(model)
    first, second = (waiting.together(number * delays, delays, number - 1)[:, 0] for number in (1, 2))
    copies = np.where(second <= LITTLE, 2, 1)
    late = _reached(lambda at: waiting.together(at, delays, copies[:, None]), (len(delays), len(TAILS)), moments)
    alone = _reached(waiting.alone, (1, len(TAILS)), moments)
    total = weights.time + weights.quality + weights.risk
    worth = (
        -100.0 * weights.risk / total * np.minimum((first + np.where(copies == 2, second, 0.0)) / HEADROOM, 1.0) ** 2
    )
    worth = worth + TENFOLD * OF_P99 * weights.time / total * np.log10(alone / late).sum(axis=1)
    best = int(np.argmax(worth))
    if worth[best] <= WORTH:
        return None
    load = first[best] + (second[best] if copies[best] == 2 else 0.0)
    return Hedging(float(delays[best, 0]), int(copies[best]), float(load), float(worth[best]))


def _reached(under_way: Callable[[Any], Any], shape: tuple[int, int], moments: Any) -> Any:
    """Return the first of the *moments*, the last at worst, at which no more than TAILS of the calls are *under_way*.

    There are ever fewer of them, so that halving finds it: a row for each delay, a column for each tail.
    """
    low, high = np.zeros(shape, int), np.full(shape, len(moments) - 1)
    for _ in range(len(moments).bit_length() - 1):
        middle = (low + high) // 2
        enough = under_way(moments[middle]) <= np.array(TAILS)
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return moments[high]
