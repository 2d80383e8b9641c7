"""Noticing that a target has lastingly become slower or faster."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from unbreakable.stats import Drift


def calls_until_noticed(drift: Drift, rng: random.Random, median: float, spread: float = 0.5) -> int:
    """Return how many calls around *median* seconds it takes until the drift is reported."""
    for calls in range(1, 10_000):
        if drift.update(median * math.exp(rng.gauss(0.0, spread))):
            return calls
    return 10_000


@pytest.mark.parametrize(("factor", "most"), [(1.65, 100), (0.6, 100), (4.5, 20), (20.0, 12)])
def test_notices_a_lasting_change_soon(factor, most):
    """One standard deviation is noticed within a hundred calls, six within twelve."""
    rng = random.Random(11)
    drift = Drift()
    for _ in range(500):
        drift.update(0.1 * math.exp(rng.gauss(0.0, 0.5)))

    assert calls_until_noticed(drift, rng, 0.1 * factor) <= most


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.lognormvariate(-3.0, 0.5),
        lambda rng: rng.expovariate(10.0),
        lambda rng: 0.01 * rng.paretovariate(1.5),
        lambda rng: 1.0 if rng.random() < 0.05 else 0.01,
        lambda _: 0.1,
        lambda _: 0.0,
    ],
    ids=["log-normal", "exponential", "Pareto", "two humps", "constant", "zero"],
)
def test_raises_no_alarm_while_nothing_changes(draw):
    """Heavy tails and rare outliers are no drift."""
    rng = random.Random(13)
    drift = Drift()

    assert 0 == sum(drift.update(draw(rng)) for _ in range(50_000))


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.2, 0.38])
def test_the_hours_of_a_day_are_no_drift(spread):
    """At 180 calls an hour, by day three times as slow as by night, there is an alarm a week at most."""
    rng = random.Random(23)
    drift, day = Drift(), 24 * 180

    def seconds(call: int) -> float:
        return 0.1 * (1.0 + 0.5 * math.sin(2.0 * math.pi * call / day)) * math.exp(rng.gauss(0.0, spread))

    assert sum(drift.update(seconds(call)) for call in range(7 * day)) <= 1


def test_what_changes_by_less_than_a_tenth_has_not_drifted():
    """However surely it is there, a few per cent are not worth to forget all that is known."""
    rng = random.Random(29)
    drift = Drift()
    for _ in range(500):
        drift.update(0.1 * math.exp(rng.gauss(0.0, 0.02)))

    assert 10_000 == calls_until_noticed(drift, rng, 0.108, 0.02)


@pytest.mark.parametrize("factor", [0.2, 1.8, 4.0])
def test_tells_since_when_it_drifts(factor):
    """The durations that spoke for a drift are those since the change, but for less than four, half of the time."""
    rng, early = random.Random(31), []
    for _ in range(25):
        drift = Drift()
        for _ in range(200):
            drift.update(0.1 * math.exp(rng.gauss(0.0, 0.3)))
        early.append(abs(calls_until_noticed(drift, rng, 0.1 * factor, 0.3) - drift.span))

    assert statistics.median(early) < 4


def test_tells_for_how_long_a_drift_has_been_there_when_it_follows_upon_another_one():
    """What spoke for the first one does not count again."""
    drift = Drift()
    for seconds in [0.1] * 100 + [0.3] * 10 + [0.3] * 40:
        drift.update(seconds)
    told = next(calls for calls in range(1, 100) if drift.update(0.9))

    assert drift.span == told


def test_reports_a_drift_once_then_takes_it_for_normal():
    """After the report, the new level raises no further alarm."""
    rng = random.Random(17)
    drift = Drift()
    for _ in range(500):
        drift.update(0.1 * math.exp(rng.gauss(0.0, 0.5)))
    calls_until_noticed(drift, rng, 1.0)

    assert 10_000 == calls_until_noticed(drift, rng, 1.0)


def test_evidence_grows_towards_the_report():
    """The value says how near a report is."""
    drift = Drift()
    for _ in range(100):
        drift.update(0.1)
    before = drift.value()
    drift.update(0.3)

    assert before < drift.value() < 1.0


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_refuses_what_is_no_duration(nonsense):
    """One NaN would blind the test for ever."""

    with pytest.raises(ValueError, match="expected a duration"):
        Drift().update(nonsense)


@pytest.mark.parametrize("settings", [{"tolerance": -1.0}, {"threshold": 0.0}, {"minimum": 1}])
def test_refuses_settings_that_make_no_test(settings):
    """Without a threshold everything would be drift."""

    with pytest.raises(ValueError, match="expected tolerance"):
        Drift(**settings)


def test_refuses_to_merge_another_test():
    """Evidence for one threshold is none for another."""

    with pytest.raises(ValueError, match="cannot merge drift settings"):
        Drift(threshold=30.0).merge(Drift(threshold=60.0))
