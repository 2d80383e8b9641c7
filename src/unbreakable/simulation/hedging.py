"""When copies of a late attempt are sent: the delay that is worth its load, found in closed form.

While attempts are independent, one with copies after d and 2 d is late at t with chance S(t) S(t - d) S(t - 2 d); where
requests of one call are alike, in part the copies are as slow as the first.  Spending a budget early rather than at its
percentile is what T. Kaler, Y. He, S. Elnikety, "Optimal Reissue Policies for Reducing Tail Latency" (SPAA 2017) prove
to be best; here the delay is chosen by what a strategy's score makes of both, time and load.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from unbreakable.simulation.model import FOR_EVER, POINTS, Model
from unbreakable.simulation.score import HEADROOM, OF_P99, TENFOLD, ScoreWeights
from unbreakable.stats.quantile import BITS_BELOW, FIRST, edges

# When copies might be sent, as shares of an attempt's time: most of those that are worth it are in the last tenth.
PLACES = np.append(np.arange(0.80, 0.90, 0.01), np.linspace(0.90, 0.99, 37))
_LEAST = 1.0 - PLACES - 2.0 / POINTS  # of load, that a copy costs there
MOMENTS = 256  # at which is looked how many calls are still under way
TAILS = (0.01, 0.001)  # shares of calls that may take longer: the tail is what copies are for
OF_TAILS = (0.75, 1.25)  # p99s that each is worth: a heavy tail is paid for less by its p99 alone
_COPIES = np.array([1.0, 2.0], np.float32)
_EVENLY = np.linspace(0.0, 1.0, MOMENTS)
_TAILS = np.array(TAILS, np.float32)[:, None]
_OF_TAILS = np.array(OF_TAILS, np.float32)
STRETCH = math.isqrt(MOMENTS)
_ENDS = np.arange(STRETCH - 1, MOMENTS - 1, STRETCH)  # of all stretches but the last
_WITHIN = np.arange(STRETCH - 1)
_SHORTEST = np.float32(edges()[0])
_PART = 0.5**BITS_BELOW  # of a bucket, that makes one bit
_LATE = (np.arange(POINTS, -1, -1) / POINTS).astype(np.float32)  # by how many of the points are over
_AT_TAILS = [POINTS - 1 - int(tail * POINTS) for tail in TAILS]
LITTLE = 0.0058  # of load: what a second copy may cost, that only the far tail has anything of
WORTH = 1.0  # points that copies have to bring, of both tails: less is noise


class Hedging(NamedTuple):
    """Say after how many seconds copies are sent, how many, what share of requests they add, and what that is worth."""

    after: float
    copies: int
    load: float
    worth: float


class Waiting:
    """Tell how likely a call is still under way; *model* says how many calls are slow.

    What is told of requests has a row for them in other calls, and if there are any one for them in slow ones.
    """

    def __init__(self, model: Model) -> None:
        sorts = [model.quick, model.slowly][: 1 + bool(model.slow.share)]
        self.answers, self.sorts = model.answers, sorts
        self.shares = np.array([1.0 - model.slow.share, model.slow.share][: len(sorts)], np.float32)
        points = model.points()
        self.below = [(below + 0.5).astype(np.float32) for below, _ in points]
        self.within = [(within * _PART).astype(np.float32) for _, within in points]

    def late(self, ages: Any) -> Any:
        """Return how likely a request takes longer than these *ages* in seconds."""
        return np.array([_LATE.take(answers.searchsorted(ages, "right")) for answers in self.sorts])

    def about_late(self, ages: Any) -> Any:
        """Return the same where no age is an answer's: to the bit of one is a matter of rounding.

        The answers in a bucket are spread evenly, so that its number and the bits below tell how many are over: a
        search among all answers takes numpy ten times as long.
        """
        bits = np.maximum(ages, _SHORTEST, dtype=np.float32).view(np.int32)
        bucket = bits >> BITS_BELOW
        bucket -= FIRST
        bits &= (1 << BITS_BELOW) - 1
        part, found = bits.astype(np.float32), np.empty((len(self.sorts), *bits.shape), np.float32)
        for row, below, within in zip(found, self.below, self.within, strict=True):
            over = within.take(bucket)
            over *= part
            over += below.take(bucket)
            row[...] = _LATE.take(over.astype(np.int32))
        return found

    def together(self, late: Any) -> Any:
        """Return how likely a call takes longer whose requests, columns of that table, are that *late*."""
        if len(late) == 1:
            return functools.reduce(np.multiply, late[0])
        return np.tensordot(self.shares, np.multiply.reduce(late, axis=1), 1)


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
    if _most(model.answers, weights, delays, moments).max() <= WORTH:
        return None
    worth, load, copies = _worth(Waiting(model), weights, delays, moments)
    best = int(worth.argmax())
    if worth[best] <= WORTH:
        return None
    return Hedging(float(delays[best]), int(copies[best]), float(load[best]), float(worth[best]))


def _most(answers: Any, weights: ScoreWeights, delays: Any, moments: Any) -> Any:
    """Return no less than what copies are worth at delays of PLACES: as if each took no longer than what is quickest.

    A target without a tail would gain nothing all the same, and is not looked at any closer.
    """
    late = np.minimum(_alone(answers, moments), delays[:, None] + answers[0])
    return _gained(answers, moments, late, weights, _LEAST)


def _worth(waiting: Waiting, weights: ScoreWeights, delays: Any, moments: Any) -> tuple[Any, Any, Any]:
    """Return what copies at each of the *delays* are worth, what they add to the load, and how many they are."""
    begun = np.outer(_COPIES, delays)
    late = waiting.late(begun)  # turned round: the first request is the older one
    first, second = waiting.together(late[:, :1]), waiting.together(late[:, ::-1])
    again = second <= LITTLE
    begun[1, ~again] = FOR_EVER
    late, load = _reached(waiting, begun, moments), first + second * again
    return _gained(waiting.answers, moments, late, weights, load), load, 1 + again


def _gained(answers: Any, moments: Any, late: Any, weights: ScoreWeights, load: Any) -> Any:
    """Return how many points are gained where TAILS of calls end *late*, a row each, and so much *load* is added."""
    total = weights.time + weights.quality + weights.risk
    faster = np.log10(_alone(answers, moments) / late) @ _OF_TAILS * (TENFOLD * OF_P99 * weights.time / total)
    return faster - np.minimum(load / HEADROOM, 1.0) ** 2 * (100.0 * weights.risk / total)


def _alone(answers: Any, moments: Any) -> Any:
    """Return the first of the *moments*, the last at worst, at which no more than TAILS are late without copies."""
    return moments.take(np.minimum(moments.searchsorted(answers.take(_AT_TAILS)), len(moments) - 1))


def _reached(waiting: Waiting, begun: Any, moments: Any) -> Any:
    """Return the first of the *moments*, the last at worst, at which no more than TAILS of the calls are under way.

    *begun* says when copies are sent: a row for each copy, a column for each delay.  There are ever fewer calls under
    way, so that first the stretch of moments is found, then the one within: a row for each delay, a column for each
    tail.
    """
    alone = waiting.late(moments)

    def going(at: Any, begun: Any, shape: tuple[int, ...]) -> Any:
        late = np.empty((len(alone), 1 + len(begun), *shape), np.float32)
        for row, own in zip(late, alone, strict=True):
            row[0] = own.take(at)
        late[:, 1:] = waiting.about_late(moments.take(at) - begun)
        return waiting.together(late)

    count = begun.shape[1]
    after = going(_ENDS, begun[:, :, None], (count, len(_ENDS)))[:, None] > _TAILS
    place = after.sum(axis=2) * STRETCH  # a row for each delay, a column for each tail
    at = place[:, :, None] + _WITHIN
    after = going(at, begun[:, :, None, None], at.shape) > _TAILS
    return moments.take(place + after.sum(axis=2))
