"""When copies of a late attempt are sent: the delay that is worth its load, found in closed form.

While attempts are independent, one with copies after d and 2 d is late at t with chance S(t) S(t - d) S(t - 2 d); where
requests of one call are alike, in part the copies are as slow as the first.  Spending a budget early rather than at its
percentile is what T. Kaler, Y. He, S. Elnikety, "Optimal Reissue Policies for Reducing Tail Latency" (SPAA 2017) prove
to be best; here the delay is chosen by what a strategy's score makes of both, time and load.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from unbreakable.simulation.model import FOR_EVER, POINTS, Model
from unbreakable.simulation.score import HEADROOM, OF_P99, TENFOLD, ScoreWeights

# When copies might be sent, as shares of an attempt's time: most of those that are worth it are in the last tenth.
PLACES = np.append(np.arange(0.80, 0.90, 0.01), np.linspace(0.90, 0.99, 37))
MOMENTS = 256  # at which is looked how many calls are still under way
TAILS = (0.01, 0.001)  # shares of calls that may take longer: the tail is what copies are for
_EVENLY = np.linspace(0.0, 1.0, MOMENTS)
_TAILS = np.array(TAILS, np.float32)
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
        self.answers, self.alike = model.answers, np.float32(model.alike)
        self.slow = np.float32(max(1.0 - model.slow_from, 1.0 / POINTS))

    def together(self, ages: Any) -> Any:
        """Return how likely a call takes longer whose requests, the first one first, are of these *ages* in seconds."""
        late = (POINTS - self.answers.searchsorted(ages, "right")) * np.float32(1.0 / POINTS)
        if not self.alike:
            return np.multiply.reduce(late)
        likely = 0.0
        apart = (1 - self.alike) * late[1:]
        for share, of_this_sort in (
            (self.slow, np.minimum(late * (1 / self.slow), 1)),
            (1 - self.slow, np.maximum((late - self.slow) * (1 / (1 - self.slow)), 0)),
        ):
            chance = np.multiply.reduce(self.alike * of_this_sort[1:] + apart)
            likely = likely + share * of_this_sort[0] * chance
        return likely


def best_delay(model: Model, weights: ScoreWeights) -> Hedging | None:
    """Return the delay that is worth most, in points of a score with those *weights*; None where none is its load."""
    answers = model.answers[: int(model.answers.searchsorted(FOR_EVER))]
    if answers.size < POINTS // 2:
        return None
    delays = answers[np.minimum((PLACES * POINTS).astype(int), answers.size - 1)]
    first, slowest = float(delays[0]), float(answers[-1])
    if not 0.0 < first < slowest:
        return None
    moments = (first * (slowest / first) ** _EVENLY).astype(np.float32)
    worth, load, copies = _worth(Waiting(model), weights, delays, moments)
    best = int(worth.argmax())
    if worth[best] <= WORTH:
        return None
    return Hedging(float(delays[best]), int(copies[best]), float(load[best]), float(worth[best]))


def _worth(waiting: Waiting, weights: ScoreWeights, delays: Any, moments: Any) -> tuple[Any, Any, Any]:
    """Return what copies at each of the *delays* are worth, what they add to the load, and how many they are."""
    ages = np.zeros((3, len(delays)), np.float32)
    ages[1], ages[2] = delays, 2 * delays
    first, second = waiting.together(ages[1:2]), waiting.together(ages[2:0:-1])
    twice = second <= LITTLE
    ages[2, ~twice] = FOR_EVER
    late = _reached(waiting, ages[:, :, None], moments)
    alone = waiting.answers.take([POINTS - 1 - int(tail * POINTS) for tail in TAILS])
    alone = moments.take(np.minimum(moments.searchsorted(alone), len(moments) - 1))
    load, total = first + second * twice, weights.time + weights.quality + weights.risk
    faster = np.log10(alone / late).sum(axis=1) * (TENFOLD * OF_P99 * weights.time / total)
    return faster - np.minimum(load / HEADROOM, 1.0) ** 2 * (100.0 * weights.risk / total), load, 1 + twice


def _reached(waiting: Waiting, begun: Any, moments: Any) -> Any:
    """Return the first of the *moments*, the last at worst, at which no more than TAILS of the calls are under way.

    *begun* says when requests are sent: a row for the first and each copy, a column for each delay.  There are ever
    fewer calls under way, so that halving finds it: a row for each delay, a column for each tail.
    """
    place = np.zeros((begun.shape[1], len(TAILS)), np.intp)
    step = len(moments)
    while step > 1:
        step //= 2
        late = waiting.together(moments.take(place + (step - 1)) - begun) > _TAILS
        place += step * late
    return moments.take(place)
