"""The universes that every plan is played in: the same luck for all, evenly spread, the slow tail seen from close by.

Common random numbers make differences between plans those of the plans.  The slowest tenth of first attempts gets half
of the universes, and weights undo it: the tail is where plans differ.  A quarter of the universes, spread as evenly,
plays on after a failure.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

UNIVERSES = 1_000
MOST_ATTEMPTS = 8  # later ones are not played: hardly any request lives that long
MOST_COPIES = 3  # of one attempt, the original included
LATER = 2  # attempts that begin since earlier ones are late, each beside all of those
TAIL, SHARE = 0.1, 0.5  # the slowest tenth of first attempts gets half of the universes
EVERY = 4  # one universe in so many is played on after a failure
SEED = 20_131  # of the universes: the same in every process


class Luck(NamedTuple):
    """Hold uniform numbers, a row for each request that a call may make, a column for each universe."""

    place: Any  # which of the model's equally likely durations
    fails: Any  # whether it fails
    alike: Any  # whether it is of the same sort, slow or not, as the first one
    sent: Any  # whether a copy is sent that is sent now and then only


class Universes(NamedTuple):
    """Hold the luck of each universe, and how much each weighs."""

    first: Any  # (universes,): the place of the first attempt
    beside: Luck  # (copies and later attempts beside the first one, universes)
    faults: Any  # (attempts, a quarter): how soon a failing attempt fails
    pauses: Any  # (attempts, a quarter)
    after: tuple[Luck, ...]  # for each attempt after a failed one: (its copies, a quarter)
    weights: Any  # (universes,)
    quarter: Any  # the places of those that are played on
    weights_of_quarter: Any


@functools.cache
def universes(count: int = UNIVERSES) -> Universes:
    """Return so many universes; making a thousand takes some 10 ms, once."""
    dice = np.random.default_rng(SEED)
    tail = int(count * SHARE)
    body = count - tail
    quarter = np.arange(0, count, EVERY)
    in_body = int((quarter < body).sum())
    strata = {count: (body, tail), len(quarter): (in_body, len(quarter) - in_body)}

    def even(size: int) -> Any:
        """Return numbers that are spread evenly over the body, over the tail, and over any part of either."""
        return np.concatenate([_spread(dice, part) for part in strata[size]])

    def rows(number: int, size: int) -> Any:
        return np.array([even(size) for _ in range(number)], np.float32)

    def luck(number: int, size: int) -> Luck:
        return Luck(*(rows(number, size) for _ in Luck._fields))

    first = [(np.arange(body) + 0.5) / body * (1.0 - TAIL), 1.0 - TAIL + (np.arange(tail) + 0.5) / tail * TAIL]
    weights = np.concatenate([np.full(body, (1.0 - TAIL) / body), np.full(tail, TAIL / tail)])
    part = weights[quarter]
    return Universes(
        first=np.concatenate(first).astype(np.float32),
        beside=luck(MOST_COPIES - 1 + LATER, count),
        faults=rows(MOST_ATTEMPTS, len(quarter)),
        pauses=rows(MOST_ATTEMPTS, len(quarter)),
        after=tuple(luck(MOST_COPIES, len(quarter)) for _ in range(MOST_ATTEMPTS - 1)),
        weights=weights.astype(np.float32),
        quarter=quarter,
        weights_of_quarter=(part / part.sum()).astype(np.float32),
    )


def _spread(dice: np.random.Generator, count: int) -> Any:
    """Return as many numbers, evenly spread, of which those near to one another are so, too, and in no other order.

    Universes are ordered by their first attempt: what is slow there must meet the same luck later as what is not, even
    where it is a few universes that weigh much.
    """
    near = max(1, math.isqrt(count))
    blocks = [dice.permutation(near) for _ in range(-(-count // near))]
    keys = np.concatenate(blocks)[:count] + dice.random(count)
    return (np.argsort(np.argsort(keys)) + 0.5) / count
