"""The model of a target: what it learns from attempts that succeeded, failed or were not waited for."""

from __future__ import annotations

import math
import random

import pytest
from tests.dense import most

from unbreakable.simulation.model import POINTS, Model
from unbreakable.stats import Traffic


def seen(**attempts) -> Traffic:
    traffic = Traffic()
    traffic.update(**attempts)
    return traffic


def test_quantiles_are_those_of_the_answers():
    """Without failures or cuts the model is the histogram."""
    dice = random.Random(1)
    model = Model(seen(ok=[dice.expovariate(1.0) for _ in range(20_000)]))

    for p in (0.1, 0.5, 0.9, 0.99):
        assert -math.log(1 - p) == pytest.approx(model.quantile(p), rel=0.06)


def test_a_target_that_takes_anything_is_known_about_as_well():
    """From 0.1 ms to three hours there is no room for buckets as fine as else; quantiles are off by a tenth at most."""
    dice = random.Random(3)
    took = [1e-4 * 1e8 ** dice.random() for _ in range(20_000)]
    model, took = Model(seen(ok=took, cut=[1e-6, 1e5])), sorted(took)

    for p in (0.1, 0.5, 0.9, 0.99):
        assert model.quantile(p) == pytest.approx(took[int(p * len(took))], rel=0.1)


def test_attempts_that_were_given_up_do_not_make_the_target_look_faster():
    """What was cut at an age is known to take longer: the quantiles stay those of the target."""
    dice = random.Random(2)
    true = [dice.expovariate(1.0) for _ in range(20_000)]
    ages = [dice.expovariate(0.5) for _ in true]
    ok = [took for took, age in zip(true, ages, strict=True) if took <= age]
    cut = [age for took, age in zip(true, ages, strict=True) if took > age]
    model = Model(seen(ok=ok, cut=cut))

    assert 0.8 * math.log(2) > sorted(ok)[len(ok) // 2]  # what winners alone would say
    assert math.log(2) == pytest.approx(model.quantile(0.5), rel=0.06)
    assert math.log(10) == pytest.approx(model.quantile(0.9), rel=0.08)


def test_what_nobody_waited_long_enough_for_is_taken_to_never_come():
    """Hangs that were all cut at the limit are a share of answers that never come."""
    model = Model(seen(ok=[0.1] * 98, cut=[0.5] * 2))

    assert 0.02 == pytest.approx((model.answers == math.inf).sum() / POINTS, abs=0.002)
    assert 0.104 > model.slowest


def test_failures_are_counted_apart_from_answers():
    """The chance to fail is that of attempts that ended, and some failures stay whatever is repeated."""
    model = Model(seen(ok=[0.1] * 920, failed=[0.01] * 180, repeats=100, repeats_failed=80))
    helped = Model(seen(ok=[0.1] * 988, failed=[0.01] * 112, repeats=100, repeats_failed=12))

    assert 0.1 == model.fails == helped.fails
    assert 0.7 < model.stubborn < 0.8
    assert 0.0 == helped.stubborn


def test_what_is_answered_by_a_no_did_not_fail():
    """Of a thousand first attempts a tenth failed, whatever the others were told; so did a tenth of the repeats."""
    model = Model(seen(ok=[0.1] * 99, answered=891, failed=[0.01] * 110, repeats=100, repeats_failed=10))

    assert 0.1 == model.fails
    assert 0.0 == model.stubborn


def test_a_quantile_is_not_believed_further_out_than_there_is_evidence():
    """Forty observations do not tell the 99.9th percentile."""
    model = Model(seen(ok=[float(number) for number in range(1, 41)]))

    assert model.quantile(0.875) == model.quantile(0.999)


def test_a_target_that_never_answered_has_a_model_all_the_same():
    """Nothing but failures, or nothing at all, is no reason to fail."""
    assert 1.0 == Model(seen(failed=[0.1] * 5)).fails
    assert (0.0, 0.0) == (Model(Traffic()).fails, Model(Traffic()).slowest)


def raced(alike: float, count: int = 20_000, delay: float = 0.02, fast: float = 0.01) -> Traffic:
    """Return what is seen where one call in twenty is slow, and of those that share is slow whoever is asked."""
    dice, traffic = random.Random(3), Traffic()
    for _ in range(count):
        slow = dice.random() < 0.05
        first = (0.2 if slow else fast) * dice.uniform(0.8, 1.2)
        traffic.update(ok=[first])
        if first > delay:
            again = dice.random() < (1.0 if slow and dice.random() < alike else 0.05)
            copy = (0.2 if again else fast) * dice.uniform(0.8, 1.2)
            seen = {"beside": [copy]} if delay + copy < first else {"beside_cut": [first - delay]}
            traffic.update(sent=[delay], **seen)
    return traffic


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_races_tell_how_many_calls_are_slow(alike):
    """As many as there are, and as slow; losers that were cut are not taken for slow."""
    slow = Model(raced(alike)).slow

    assert 0.05 * alike == pytest.approx(slow.share, abs=0.006)
    assert slow.times == pytest.approx(20.0 if alike else 1.0, rel=0.15)


def test_copies_of_late_attempts_that_are_not_slow_hide_none_that_are():
    """Where most copies are sent of attempts that merely took a little longer, alike is alike."""
    slow = Model(raced(1.0, delay=0.0105)).slow

    assert 0.05 == pytest.approx(slow.share, abs=0.006)
    assert slow.times == pytest.approx(20.0, rel=0.15)


def test_all_calls_that_are_slow_by_nature_are_found_and_not_their_slowest_alone():
    """Of 16 calls in 1,000 every request takes nine times as long: what p99 is hangs on that being over 1 %."""
    dice, traffic = random.Random(8), Traffic()
    for _ in range(20_000):
        times = 9.0 if dice.random() < 0.016 else 1.0
        first, copy = (times * 0.0136 * dice.paretovariate(3.0) for _ in range(2))
        took = {"sent": [0.0293]} if first > 0.0293 else {}
        if took:
            took |= {"beside": [copy]} if 0.0293 + copy < first else {"beside_cut": [first - 0.0293]}
        traffic.update(ok=[first], **took)
    slow = Model(traffic).slow

    assert slow.share == pytest.approx(0.016, abs=0.003)
    assert slow.times == pytest.approx(9.0, rel=0.15)


def test_failures_that_take_longer_than_a_copy_waits_do_not_look_alike():
    """Who fails after its copy was sent has not won, and is not slow by nature either."""
    dice, traffic = random.Random(4), Traffic()
    for _ in range(20_000):
        first = 0.01 * dice.lognormvariate(0.0, 0.5)
        if dice.random() < 0.05:
            traffic.update(failed=[0.1])
            first = math.inf
        else:
            traffic.update(ok=[first])
        if first > 0.012:
            copy = 0.01 * dice.lognormvariate(0.0, 0.5)
            took = {"beside": [copy]} if 0.012 + copy < first else {"beside_cut": [first - 0.012]}
            traffic.update(sent=[0.012], **took)

    assert Model(traffic).slow.share == 0.0
    traffic.update(answered=400_000)  # of which no race is known
    assert Model(traffic).slow.share == 0.0


@pytest.mark.parametrize("hanging", [0.05, 0.1])
@pytest.mark.parametrize("seed", range(most(3, 1)))
def test_races_that_the_next_attempt_has_ended_are_no_sign_of_slow_calls(seed, hanging):
    """Where a request and its copy both hang, it is the attempt after them that is back, once their limit is over."""
    dice, delay, limit = random.Random(seed), 0.13, 0.5
    traffic = Traffic()
    for _ in range(5_000):
        first, copy, again = (dice.lognormvariate(-3.0, 0.3) for _ in range(3))
        first, copy = (math.inf if dice.random() < hanging else took for took in (first, copy))
        over = min(first, delay + copy, limit + again) if first > delay else first
        traffic.update(**{"ok" if over == first else "cut": [over]})
        if first > delay:
            seen = {"beside": [copy]} if over == delay + copy else {"beside_cut": [over - delay]}
            traffic.update(sent=[delay], **seen)

    assert 0.0 == Model(traffic).slow.share


def test_where_answers_are_of_two_sorts_alone_races_are_played_all_the_same():
    """A quarter of the answers take as long as any, half of the attempts fail: no more calls are slow than that."""
    traffic = seen(ok=[0.2] * 32 + [3.0] * 11, failed=[0.2] * 22 + [3.0] * 21, sent=[0.3] * 23)
    traffic.update(beside=[0.01] * 3 + [3.0] * 10, beside_cut=[0.5] * 4 + [2.7] * 6)

    assert Model(traffic).slow.share < 0.26


@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.5])
def test_a_target_whose_answers_all_take_about_as_long_is_not_slow(ratio):
    """Where no factor fits between the quickest and the slowest answer, races between copies tell nothing more."""
    took = [0.05 * (1.0 + (ratio - 1.0) * (place + 0.5) / 200.0) for place in range(200)]
    traffic = Traffic()
    traffic.update(ok=took, sent=[0.05] * 40, beside=took[::5])

    assert 0.0 == Model(traffic).slow.share
