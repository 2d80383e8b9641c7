"""The universes that every plan is played in: the same luck for all, evenly spread, the slow tail seen from close by.

Common random numbers make differences between plans those of the plans.  The slower first attempts are, the more
universes have them, and weights undo it: the tail is where plans differ.

Luck is kept in columns: first those of good first attempts, a column for each universe; then those of first attempts
that fail, some for all; then those of each later attempt, as many and, where attempts are cut, some more for what comes
after that.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from unbreakable.simulation.model import POINTS

UNIVERSES = 1_000
MOST_ATTEMPTS = 8  # later ones are not played: hardly any request lives that long
MOST_COPIES = 3  # of one attempt, the original included
LATER = 2  # attempts that begin since earlier ones are late, each beside all of those
BESIDE = MOST_COPIES - 1 + LATER  # requests that are under way beside one, at most
TAIL = 3.0  # the power that brings universes to the slow end: 464 of a thousand have one of the slowest tenth
TAIL_LATER = 1.5  # the same for later attempts
FAILED = 4  # first attempts that fail are played in one column for so many universes
CUT = 2  # of the universes in which they are cut, one in so many goes on
# Multiples of each, modulo 1, are spread evenly wherever one looks, and they are together: none is near to a fraction.
STEPS = ((math.sqrt(5.0) - 1.0) / 2.0, math.sqrt(2.0) - 1.0, math.sqrt(3.0) - 1.0, (math.sqrt(13.0) - 3.0) / 2.0)
STEP = math.sqrt(7.0) - 2.0  # another one
BELOW_ONE = np.nextafter(np.float32(1.0), np.float32(0.0))
SEED = 20_131  # of the universes: the same in every process


class Universes(NamedTuple):
    """Hold the luck of each universe, and how much each weighs; a place is one of the model's POINTS durations."""

    weights: Any  # (universes,)
    first: Any  # (columns,): the place of the first good answer, or of what was cut, rising among the universes
    slow: Any  # (columns,), uniform: whether a call, or a time, is slow, the same for all requests of one call
    failing: Any  # (columns,): whether the call has failed before, and was not cut
    failed: int  # how many columns first attempts have that fail
    cut: Any  # the numbers of the universes that go on after a cut
    weights_of_cut: Any
    weights_later: Any  # (later attempts, failed and cut): what a good answer of that attempt weighs
    luck: Any  # (1 + BESIDE, columns), uniform: of a request, and of those beside it; the highest is the worst
    faults: Any  # (attempts, failed and cut): the place of the time that a failing attempt needs to fail
    pauses: Any  # (attempts, failed and cut), uniform


def universes(count: int = UNIVERSES, *, cuts: bool = False, seed: int = SEED) -> Universes:
    """Return so many universes, with columns for what comes after *cuts* or not; takes some 10 ms, once."""
    return _made(count, cuts, seed)


@functools.cache
def _made(count: int, cuts: bool, seed: int) -> Universes:
    dice, even = np.random.default_rng(seed), _even(count)
    failed, cut, repeats = count // FAILED, np.arange(CUT // 2, count if cuts else 0, CUT), MOST_ATTEMPTS - 1
    weights = TAIL * (1.0 - even) ** (TAIL - 1.0)
    weights /= weights.sum()
    first, slow = 1.0 - (1.0 - even) ** TAIL, np.arange(1, 1 + count) * STEP % 1.0

    def beside(size: int) -> Any:
        return (np.arange(size) * np.array(STEPS)[:, None] + dice.random((BESIDE, 1))) % 1.0

    drawn = [_Planes(dice, failed), _Planes(dice, len(cut))]

    def row() -> Any:
        return np.concatenate([next(each) for each in drawn])

    # Of each attempt first what is slow about it, its pause, and how it fails: these are even in pairs.
    parts = [row() for _ in range(3 * repeats)]
    first_ones = [row() for _ in range(2)]
    luck = [np.vstack([even, beside(count)]), np.vstack([_even(failed), beside(failed)])]
    luck += [np.array([own, *[row() for _ in range(BESIDE)]]) for own in parts[::3]]
    later = np.array([1.0 - block[0] for block in luck[2:]])
    for block, left in zip(luck[2:], later, strict=True):
        block[0] = 1.0 - left**TAIL_LATER
    faults, sorts = np.array([first_ones[0], *parts[2::3]]), first_ones[1][:failed]
    faults[0, :failed] = _even(failed)
    firsts = [first, sorts, *[part for own in luck[2:] for part in (own[0, :failed], first[cut])]]
    slows = [slow, slow[:failed], *[slow[:failed], slow[cut]] * repeats]
    return Universes(
        weights=weights.astype(np.float32),
        first=_placed(np.concatenate(firsts)),
        slow=np.concatenate(slows).astype(np.float32),
        failing=np.repeat([False, True, *[True, False] * repeats], [count, failed, *[failed, len(cut)] * repeats]),
        failed=failed,
        cut=cut,
        weights_of_cut=(weights[cut] / max(weights[cut].sum(), 1e-9)).astype(np.float32),
        weights_later=(TAIL_LATER * later ** (TAIL_LATER - 1.0)).astype(np.float32),
        luck=np.minimum(np.hstack(luck), BELOW_ONE).astype(np.float32),
        faults=_placed(faults),
        pauses=np.array([first_ones[1], *parts[1::3]]).astype(np.float32),
    )


def _even(count: int) -> Any:
    return (np.arange(count) + 0.5) / max(1, count)


def _placed(shares: Any) -> Any:
    return np.minimum(shares * POINTS, POINTS - 1).astype(np.intp)


class _Planes:
    """Draw one row of numbers after the other, evenly spread, the first ones of which are so in pairs, too.

    Rows are columns of an orthogonal array of strength two, the points of a plane over the integers modulo a prime,
    each moved at random within its place (B. Tang, "Orthogonal Array-Based Latin Hypercubes", JASA 88, 1993).
    """

    def __init__(self, dice: np.random.Generator, count: int) -> None:
        self.dice, self.count, self.drawn = dice, count, 0
        self.prime = _prime(math.isqrt(max(0, count - 1)) + 1)
        self.points = np.divmod(np.sort(dice.permutation(self.prime**2)[:count]), self.prime)

    def __next__(self) -> Any:
        number, (high, low) = self.drawn, self.points
        self.drawn += 1
        if number >= self.prime:  # there are no more of them
            return _spread(self.dice, self.count)
        place = self.dice.permutation(self.prime)[(low + number * high) % self.prime]
        return (np.argsort(np.argsort(place + self.dice.random(self.count))) + 0.5) / max(1, self.count)


def _prime(least: int) -> int:
    """Return the first prime that is at least that large."""
    number = max(2, least)
    while any(number % each == 0 for each in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def _spread(dice: np.random.Generator, count: int) -> Any:
    """Return as many numbers, evenly spread, of which those near to one another are so, too, and in no other order.

    Universes are ordered by their first attempt: what is slow there must meet the same luck later as what is not.
    """
    near = max(1, math.isqrt(count))
    keys = [dice.permutation(near) + dice.random(near) for _ in range(-(-count // near))]
    return (np.argsort(np.argsort(np.ravel(keys)[:count])) + 0.5) / max(1, count)
