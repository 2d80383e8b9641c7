"""The score of a plan: what is worth how much."""

from __future__ import annotations

import math

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.score import ScoreWeights, score

ALONE = Prediction(success=0.99, p50=0.1, p90=0.2, p99=1.0, p999=1.0, load=1.0)


def points(weights: ScoreWeights | None = None, **changed: float) -> float:
    found = Prediction(**{**vars(ALONE), **changed})
    return score(found, ALONE, 1_000_000, weights or ScoreWeights()).total


def test_as_fast_as_alone_is_fifty():
    """The baseline itself has a time score of 50, and 15 points more for each halving."""
    same = score(ALONE, ALONE, 1000, ScoreWeights())
    half = Prediction(success=0.99, p50=0.05, p90=0.1, p99=0.5, p999=0.5, load=1.0)

    assert 50.0 == pytest.approx(same.time)
    assert 65.0 == pytest.approx(score(half, ALONE, 1000, ScoreWeights()).time, abs=0.1)


def test_the_exchange_rates_are_those_of_the_formula():
    """A nine more is worth 12.5 points; a tail of half 1.8; 10 % load costs 3.2."""
    assert 12.5 == pytest.approx(points(success=0.999) - points(), abs=0.1)
    assert 1.8 == pytest.approx(points(p99=0.5) - points(), abs=0.1)
    assert 3.2 == pytest.approx(points() - points(load=1.1), abs=0.1)
    assert 20.0 == pytest.approx(points() - points(load=1.25), abs=0.1)


def test_no_more_nines_are_claimed_than_were_seen():
    """A thousand faultless attempts do not show a millionth."""
    perfect = Prediction(**{**vars(ALONE), "success": 1.0})

    assert 82.5 == pytest.approx(score(perfect, ALONE, 1_000, ScoreWeights()).quality, abs=0.1)
    assert 100.0 == score(perfect, ALONE, 10**9, ScoreWeights()).quality


def test_calls_that_fail_whatever_is_done_do_not_hide_what_a_plan_does_for_the_others():
    """Of the nine tenths that can be saved a plan that loses ten times fewer is better by a nine, as ever."""
    some, few = (Prediction(**{**vars(ALONE), "success": 0.9 - 0.9 * lost}) for lost in (0.01, 0.001))
    better = [score(each, ALONE, 10**9, ScoreWeights(), hopeless=0.1).quality for each in (some, few)]

    assert [50.0, 75.0] == pytest.approx(better, abs=0.1)
    assert score(some, ALONE, 10**9, ScoreWeights()).quality == pytest.approx(24.0, abs=1.0)


def test_what_never_answers_is_worth_nothing():
    """Without a success there is neither time nor quality."""
    never = Prediction(success=0.0, p50=math.inf, p90=math.inf, p99=math.inf, p999=math.inf, load=3.0)

    assert 0.0 == score(never, ALONE, 1000, ScoreWeights()).total


def test_weights_are_shares_of_their_sum():
    """Twice the weights are the same weights."""
    once, twice = ScoreWeights(time=1, quality=0, risk=0), ScoreWeights(time=2, quality=0, risk=0)

    assert points(once, p50=0.01) == points(twice, p50=0.01) > points(once)


@pytest.mark.parametrize("wrong", [{"time": -1}, {"quality": "much"}, {"time": 0, "quality": 0, "risk": 0}])
def test_wrong_weights_are_refused(wrong):
    """Each weight is a number from 0 up, and not all are 0."""
    with pytest.raises(ConfigurationError, match="ScoreWeights"):
        ScoreWeights(**wrong)
