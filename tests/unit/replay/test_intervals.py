"""Intervals are as wide as chance is, where few calls are beyond a quantile, too."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from unbreakable.replay.compare import compare
from unbreakable.replay.play import Played


def played(seconds, ok=None, requests=None):
    """Return a replay of calls that took so many *seconds*."""
    count = len(seconds)
    return Played(ok or [True] * count, list(seconds), requests or [1] * count, Counter(), overlaps=0)


def shuffled(count, seed=1):
    """Return the numbers from 1 to *count* in any order."""
    numbers = list(range(1, count + 1))
    random.Random(seed).shuffle(numbers)
    return numbers


@pytest.mark.parametrize("seed", range(5))
def test_a_high_quantile_may_be_as_far_out_as_order_statistics_say(seed):
    """Of 500 calls the true p99 is beyond the third largest twelve times of a hundred."""
    both = [played(shuffled(500, seed))] * 2
    (side, _, _) = compare(both, both, seed)

    assert side.p99.high >= 499.0
    assert side.p99.low <= 492.0


def test_a_middle_quantile_is_as_sure_as_binomials_say():
    """The median of 400 is between the 181st and the 220th."""
    both = [played(shuffled(400))] * 2
    (side, _, _) = compare(both, both, 1)

    assert side.p50.low == pytest.approx(181, abs=4)
    assert side.p50.high == pytest.approx(220, abs=4)


def test_what_is_the_same_on_both_sides_makes_no_difference():
    """Nor does it widen the interval of one that there is."""
    seconds = shuffled(300)
    (_, _, difference) = compare([played(seconds)] * 2, [played([each + 1.0 for each in seconds])] * 2, 1)

    assert (1.0, 1.0) == (pytest.approx(difference.p50.low), pytest.approx(difference.p50.high))
    assert (0.0, 0.0) == (pytest.approx(difference.requests.low), pytest.approx(difference.requests.high))


def test_a_share_is_as_sure_as_a_binomial_says():
    """Sixty of 1,000, here and there: give or take one and a half points."""
    failing = [number % 17 == 3 for number in shuffled(1000)]
    both = [played([0.1] * 1000, ok=[not each for each in failing], requests=[1 + each for each in failing])] * 2
    (side, _, _) = compare(both, both, 1)

    assert side.success.high - side.success.low == pytest.approx(2 * 1.96 * (0.06 * 0.94 / 1000) ** 0.5, rel=0.25)
    assert side.requests.low < 1.0 + sum(failing) / 1000 < side.requests.high
