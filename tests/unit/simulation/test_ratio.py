"""The interval of a ratio of quantiles of calls and their baselines: it holds the truth as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.speedup import MEDIAN, TAIL, TRUTHS, drawn, pairs_of

from unbreakable.simulation.pairs import MOST_KEPT
from unbreakable.simulation.ratio import Interval, Paired

NAN = math.nan


def paired(call, alone, age=None) -> Paired:
    return Paired(np.asarray(call, float), np.asarray(alone, float), np.full(len(call), NAN) if age is None else age)


def test_what_is_the_same_for_each_call_is_the_same():
    """No chance is between a call and itself: the ratio is 1, and surely so."""
    took = np.random.default_rng(1).lognormal(0.0, 1.0, 500)
    found = paired(took, took).interval(0.5)

    assert 1.0 == found.ratio
    assert 0.98 < found.low <= 1.0 <= found.high < 1.02


def test_pairs_tell_more_than_two_samples_of_the_same_size():
    """Ten per cent less of each call are seen although calls differ by more from each other."""
    took = np.random.default_rng(2).lognormal(0.0, 1.0, 500)
    dice = np.random.default_rng(3)
    noise = dice.lognormal(0.0, 0.02, 500)
    together, apart = (
        paired(took, 1.1 * took * noise).interval(0.5),
        paired(took, 1.1 * dice.permutation(took)).interval(0.5),
    )

    assert together.low > 1.0
    assert apart.low < 1.0
    assert 3 * math.log(together.high / together.low) < math.log(apart.high / apart.low)


def test_a_coarse_clock_does_no_harm():
    """Where all calls took one tick, and alone all two, that is twice as fast."""
    found = paired([1.0] * 100, [2.0] * 100).interval(0.5)

    assert (2.0, 2.0, 2.0) == tuple(round(each, 3) for each in found)


@pytest.mark.parametrize("failed", [0.6, 1.0])
def test_what_never_ends_has_no_quantile(failed):
    """Where most fail alone, nobody knows how many times faster than never a call is."""
    took = np.random.default_rng(4).lognormal(0.0, 1.0, 500)
    alone = np.where(np.arange(500) < 500 * failed, math.inf, took)

    assert None is paired(took, alone).interval(0.5)
    assert None is paired(alone, took).interval(0.5)


def test_failures_count_as_longer_than_any_success():
    """A quarter of them moves the median to the third quartile but one of those that succeed."""
    took = np.random.default_rng(5).permutation(np.linspace(1.0, 2.0, 3_000))
    alone = np.where(np.arange(3_000) % 4 == 0, math.inf, took)
    found = paired(took, alone).interval(0.5)

    assert (5 / 3) / 1.5 == pytest.approx(found.ratio, rel=0.01)


def test_those_left_to_chance_stand_for_others_of_their_kind():
    """Half of the attempts were overtaken after 1 s, and of a third of these it is known what they would have taken."""
    dice = np.random.default_rng(6)
    alone = np.where(np.arange(4_000) % 2, dice.uniform(0.0, 1.0, 4_000), dice.uniform(1.0, 9.0, 4_000))
    lost = alone > 1.0
    age, known = np.where(lost, 1.0, NAN), ~lost | (dice.random(4_000) < 0.3)
    found = Paired(np.minimum(alone, 1.0), np.where(known, alone, NAN), age).interval(0.75)

    assert 5.0 == pytest.approx(found.ratio, rel=0.05)
    assert found.low < 5.0 < found.high


@pytest.mark.parametrize("known", [0, 7])
def test_a_few_do_not_speak_for_many(known):
    """Below eight of them nothing is said where it would depend on the others."""
    age = np.zeros(500)
    alone = np.where(np.arange(500) < known, 2.0, NAN)

    assert None is Paired(np.ones(500), alone, age).interval(0.5)


def test_what_few_could_have_come_to_is_in_the_interval():
    """Six in a hundred were overtaken, and of none it is known for how long: they may have ended then, or never."""
    took = np.random.default_rng(10).permutation(np.linspace(1.0, 2.0, 4_000))
    lost = np.arange(4_000) % 50 < 3
    call, age = np.where(lost, 0.5, took), np.where(lost, 0.5, NAN)
    found = Paired(call, np.where(lost, NAN, took), age).interval(0.5)
    at_once, never = (paired(call, np.where(lost, end, took)).interval(0.5) for end in (0.5, math.inf))

    assert at_once.low == pytest.approx(found.low, rel=0.01)
    assert found.low < 0.998
    assert never.high == pytest.approx(found.high, rel=1e-3)
    assert found.high > 1.05


def test_too_few_calls_have_no_99th_percentile():
    """Of 300 calls only three are slower than it."""
    took = np.random.default_rng(7).lognormal(0.0, 1.0, 300)

    assert None is paired(took, took).interval(0.99)
    assert None is not paired(took, took).interval(0.9)


def test_calls_in_a_row_that_are_alike_are_worth_fewer():
    """Ten times the same pair is one pair: the interval is as wide as that of the tenth part of them."""
    dice = np.random.default_rng(8)
    took = dice.lognormal(0.0, 1.0, (2, 300))
    often, once = paired(*took.repeat(10, axis=1)).interval(0.5), paired(*took).interval(0.5)

    assert 0.7 < math.log(often.high / often.low) / math.log(once.high / once.low) < 1.4


@pytest.mark.parametrize(("name", "quantile"), [("slow primary, fast replica", MEDIAN), ("stragglers, hedged", TAIL)])
def test_the_interval_holds_the_truth_as_often_as_it_says(name, quantile):
    """A few repetitions of the benchmark; wide bounds, since these are few."""
    found = drawn(name, 12, MOST_KEPT, seed=3, quantiles=(quantile,), many=400_000)[quantile]

    assert 1.0 == found.told == found.measurable
    assert 0.8 <= found.coverage
    assert 0.08 > abs(found.bias)


def test_where_nothing_can_be_gained_that_is_said():
    """A replica that is as good as the primary way, and copies of what always takes as long."""
    dice = np.random.default_rng(9)
    told = [pairs_of(TRUTHS["replica no better"](1_000, dice)).value() for _ in range(20)]
    told += [pairs_of(TRUTHS["steady, hedged"](1_500, dice)).value(TAIL) for _ in range(5)]

    assert 4 >= sum(each is not None for each in told)


def test_the_interval_is_made_of_plain_numbers():
    """They go into records, and from there into JSON."""
    found = paired([1.0] * 40, [2.0] * 40).interval(0.5)

    assert isinstance(found, Interval)
    assert {float} == set(map(type, found))
