"""How sure predictions are: bands that hold as much as chance may change, and what no count tells."""

from __future__ import annotations

import functools
import math
import random

import numpy as np
import pytest

from unbreakable.policies import Backoff, Hedge, Plan, Retry
from unbreakable.simulation.bands import banded
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.stats import Quantile, Traffic
from unbreakable.stats.stretches import Course

ONCE = Plan(effects="none", retry=Retry(1))
TWICE = Plan(effects="none", retry=Retry(2, backoff=Backoff(0.01)))
COPIED = Plan(effects="none", retry=None, hedge=Hedge(0.25))


def told(traffic: Traffic, *plans: Plan) -> list[Prediction]:
    model = Model(traffic)
    return banded(model, traffic, plans, evaluate(model, plans, 30.0), 30.0)


def width(found: Prediction, figure: str) -> float:
    """Return how far the ends of a band are apart, durations in logarithms."""
    low, high = getattr(found.low, figure), getattr(found.high, figure)
    return math.log(high / low) if figure.startswith("p") else high - low


@functools.cache
def seen(count: int, seed: int = 1) -> Traffic:
    """Return what is seen of a target of which one attempt in ten fails, and the others take 0.1 s as a mean."""
    dice, traffic = random.Random(seed), Traffic()
    failed = sum(dice.random() < 0.1 for _ in range(count))
    traffic.update(failed=[0.01] * failed, ok=[dice.expovariate(10.0) for _ in range(count - failed)])
    return traffic


def with_slow(share: float, *, together: bool = False) -> Traffic:
    """Return what is seen of 20,000 answers of which that share is slow; *together*: in twenty stretches."""
    dice, traffic, known = random.Random(2), Traffic(), Quantile()
    slow = [number % 1_000 < 1_000 * share for number in range(20_000)]
    if not together:
        dice.shuffle(slow)
    took = [dice.uniform(1.0, 2.0) if each else dice.uniform(0.1, 0.2) for each in slow]
    known.update_many([*took, *[0.1] * 12_000])  # the border is between the two
    traffic.update(ok=took)
    Course(0.9).follow(traffic.slow, took, known)
    return traffic


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_band_of_success_is_as_wide_as_that_of_a_share_or_a_little_more(count):
    """From 5 % to 95 % a binomial share spans 3.29 standard deviations."""
    (found,) = told(seen(count), ONCE)

    assert 0.97 < width(found, "success") / (3.29 * math.sqrt(0.1 * 0.9 / count)) < 1.6


def test_bands_hold_what_another_stretch_of_the_same_target_comes_to():
    """Nine of ten samples have the true median, p99 and success within their bands, whose ends are either side."""
    true = {"success": 0.99, "p50": None, "p99": None}
    (exact,) = evaluate(Model(seen(400_000, 9)), [TWICE], 30.0)
    held: dict[str, list[bool]] = {name: [] for name in true}
    for seed in range(20, 44):
        (found,) = told(seen(4_000, seed), TWICE)
        for name, told_of in held.items():
            told_of.append(getattr(found.low, name) <= getattr(exact, name) <= getattr(found.high, name))
            assert getattr(found.low, name) <= getattr(found, name) <= getattr(found.high, name)

    assert all(np.mean(each) > 0.75 for each in held.values()), held


def test_the_ends_of_bands_are_in_order_and_no_later_than_the_deadline():
    """However wide they are made: no good call takes longer, and p99 is no less than p90."""
    traffic = with_slow(0.04)
    model = Model(traffic)
    (found,) = banded(model, traffic, [COPIED], evaluate(model, [COPIED], 2.5), 2.5, 3.0)
    for end in (found.low, found.high):
        assert end.p50 <= end.p90 <= end.p99 <= end.p999 <= 2.5 + 1e-6


def test_the_tail_is_less_sure_than_the_middle_and_many_observations_are_surer_than_few():
    """Bands are wider at p99 than at the median, and narrower the more was seen."""
    (few,), (many,) = told(seen(500), TWICE), told(seen(8_000), TWICE)

    assert width(few, "p50") < width(few, "p99")
    assert width(many, "p50") < width(many, "p99") < width(few, "p99") / 2


def test_what_no_count_tells_is_more_where_less_was_seen():
    """Answers that all take the same time are surer after twenty thousand than after five hundred."""
    widths = []
    for count in (500, 20_000):
        traffic = Traffic()
        traffic.update(ok=[0.1] * count)
        widths.append(width(told(traffic, ONCE)[0], "p99"))

    assert widths[0] > 4.0 * widths[1] > 0.0


def test_bands_can_be_made_wider():
    """Twice as wide is twice as far from what is predicted."""
    traffic = seen(8_000)
    model = Model(traffic)
    found = evaluate(model, [ONCE], 30.0)
    once, twice = (banded(model, traffic, [ONCE], found, 30.0, wider)[0] for wider in (1.0, 2.0))

    assert width(twice, "p99") == pytest.approx(2.0 * width(once, "p99"))
    assert width(twice, "success") == pytest.approx(2.0 * width(once, "success"))


def test_slow_answers_that_come_together_are_less_sure_than_as_many_alone():
    """Twenty bad times of a hundred and fifty answers each are twenty cases."""
    together, alone = (told(with_slow(0.15, together=each), ONCE)[0] for each in (True, False))

    assert width(together, "p90") > 2.5 * width(alone, "p90")


def test_failures_in_few_spells_are_less_sure_than_as_many_alone():
    """Two thousand failures that came in twenty spells are twenty cases."""
    alone, spells = Traffic(), Traffic()
    for each in (alone, spells):
        each.merge(seen(20_000))
    for lag in (0.003, 0.01, 0.1):
        for _ in range(100):
            spells.lags.update(lag, failed=True)
            spells.lags.update(lag, times=0.1)
    spells.lags.update(times=10_000.0)
    spells.lags.update(times=20.0, failed=True)
    widths = [width(told(each, ONCE)[0], "success") for each in (alone, spells)]

    assert Model(spells).trouble.share > 0.0
    assert widths[1] > 4.0 * widths[0]


def test_what_copies_would_do_is_not_known_before_any_was_sent():
    """Slow requests may be slow whoever is asked: the band of p99 reaches to what it is without copies."""
    unknown = with_slow(0.04)
    copied, alone = told(unknown, COPIED, ONCE)
    known = Traffic()
    known.merge(unknown)
    known.update(beside=[0.15] * 780, beside_cut=[0.85] * 20, sent=[0.25] * 800)
    (sure,) = told(known, COPIED)

    assert copied.high.p99 > 0.8 * alone.p99 > 2.0 * copied.p99
    assert sure.high.p99 < 0.6 * alone.p99


def test_a_target_that_never_failed_may_fail_all_the_same():
    """Of a thousand attempts without a failure nobody knows whether one in five hundred fails."""
    traffic = Traffic()
    traffic.update(ok=[0.1, 0.2] * 500)
    (found,) = told(traffic, ONCE)

    assert found.success == found.high.success == 1.0
    assert 0.99 < found.low.success < 0.9985


def test_a_target_that_never_answers_has_bands_all_the_same():
    """There is no telling when an answer comes of which none was seen."""
    traffic = Traffic()
    traffic.update(failed=[0.1] * 100)
    (found,) = told(traffic, ONCE)

    assert math.inf == found.p99 == found.high.p99
    assert 0.0 == found.low.success < found.high.success < 0.1
