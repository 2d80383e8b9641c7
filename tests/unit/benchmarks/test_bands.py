"""How sure predictions are: bands that hold as much as chance may change."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from benchmarks._bands import bands

from unbreakable.policies import Plan, Retry
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import Model
from unbreakable.stats import Traffic

ONCE = Plan(effects="none", retry=Retry(1))


def seen(count: int, fails: float = 0.1, seed: int = 1) -> Traffic:
    dice, traffic = random.Random(seed), Traffic()
    for _ in range(count):
        traffic.update(**{"failed" if dice.random() < fails else "ok": [dice.expovariate(10.0)]})
    return traffic


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_band_of_success_is_as_wide_as_that_of_a_share(count):
    """From 5 % to 95 % a binomial share spans 3.29 standard deviations."""
    (band,) = bands(seen(count), [ONCE], 30.0)
    width = band.high.success - band.low.success

    assert width == pytest.approx(3.29 * math.sqrt(0.1 * 0.9 / count), rel=0.35)


def test_the_tail_is_less_sure_than_the_middle_and_many_observations_are_surer_than_few():
    """Bands hold the prediction, are wider at p99 than at the median, and narrower the more was seen; all in all."""
    few, many = ([widths(count, seed) for seed in range(5)] for count in (500, 8_000))
    (few50, few99), (many50, many99) = (np.mean(each, axis=0) for each in (few, many))

    assert few50 < few99
    assert many50 < few50 / 2
    assert many99 < few99 / 2


def widths(count: int, seed: int) -> list[float]:
    """Return how wide the bands of the median and of p99 are that rest on so many observations."""
    traffic = seen(count, seed=seed)
    (told,), (band,) = evaluate(Model(traffic), [ONCE], 30.0), bands(traffic, [ONCE], 30.0)
    assert band.low.p50 < told.p50 < band.high.p50
    assert band.low.success <= told.success <= band.high.success
    return [math.log(getattr(band.high, p) / getattr(band.low, p)) for p in ("p50", "p99")]


def test_failures_in_few_spells_are_less_sure_than_as_many_alone():
    """Two thousand failures that came in twenty spells are twenty cases."""
    alone, spells = seen(20_000), seen(20_000)
    for lag in (0.003, 0.01, 0.1):
        for _ in range(100):
            spells.lags.update(lag, failed=True)
            spells.lags.update(lag, times=0.1)
    spells.lags.update(times=10_000.0)
    spells.lags.update(times=20.0, failed=True)
    widths = [
        each.high.success - each.low.success for each in (bands(seen, [ONCE], 30.0)[0] for seen in (alone, spells))
    ]

    assert Model(spells).trouble.share > 0.0
    assert widths[1] > 4.0 * widths[0]
