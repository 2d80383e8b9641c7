"""A model whose predictions do not hold is not trusted, says so, and is trusted again when they do."""

from __future__ import annotations

import math
import random

import pytest

from unbreakable.fractal.settings import settle
from unbreakable.policies import Plan
from unbreakable.simulation.chooser import Rules, Simulating
from unbreakable.simulation.ledger import WIDEST, Known, Ledger
from unbreakable.simulation.leeway import Leeway, Stretch, held
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.score import ScoreWeights
from unbreakable.stats import Traffic

TARGET = "target", None
MEDIAN = math.log(2.0) / 10.0
PREDICTED = Prediction(success=0.95, p50=MEDIAN, p90=0.23, p99=math.log(100.0) / 10.0, p999=0.7, load=1.0)
PLAN = Plan(strategy="adaptive", observations=2_000)


def calls(dice: random.Random, times: float = 1.0, fails: float = 0.05, count: int = 100) -> tuple[list[float], int]:
    """Return how long good calls took, 0.1 s as a mean or that many times as long, and how many were lost."""
    lost = sum(dice.random() < fails for _ in range(count))
    return [times * dice.expovariate(10.0) for _ in range(count - lost)], lost


def follow(
    ledger: Ledger,
    stretches: int,
    seed: int = 1,
    leeway: Leeway | None = None,
    known: Known = TARGET,
    **changed: float,
) -> list[Plan]:
    """Compare so many stretches of calls with what was predicted; return the plans whose bands were asked for."""
    dice, asked = random.Random(seed), list[Plan]()

    def width(plan: Plan) -> Leeway:
        asked.append(plan)
        return leeway or Leeway()

    for _ in range(stretches):
        took, lost = calls(dice, **changed)
        ledger.compare(known, took, lost, width)
    return asked


def noted(known: Known = TARGET) -> Ledger:
    ledger = Ledger()
    ledger.note(known, "adaptive", PREDICTED, PLAN)
    return ledger


@pytest.mark.parametrize("seed", range(4))
def test_a_model_that_is_right_is_trusted(seed):
    """Over ten thousand calls chance alone does not make it look wrong."""
    ledger = noted()
    for part in range(10):
        follow(ledger, 10, seed=10 * seed + part)
        assert ledger.distrust(TARGET) is None
    within = ledger.calibration()["target"].within_bands

    assert within is not None
    assert within > 0.85


@pytest.mark.parametrize("changed", [{"times": 4.0}, {"times": 0.25}, {"fails": 0.2, "times": 4.0}])
def test_a_world_that_drifts_away_makes_it_distrust_and_one_that_is_right_again_is_trusted(changed):
    """Slower or faster, or failing: within a thousand and some calls it is noticed, and so is the end of it."""
    ledger = noted()
    follow(ledger, 20)
    assert ledger.distrust(TARGET) is None

    follow(ledger, 15, **changed)
    distrust = ledger.distrust(TARGET)
    assert distrust is not None
    assert distrust < 0.8

    follow(ledger, 40)
    assert ledger.distrust(TARGET) is None


@pytest.mark.parametrize(("fails", "is_trusted"), [(0.05, True), (0.6, False)])
def test_calls_that_are_answered_by_a_no_are_not_lost(fails, is_trusted):
    """Of all calls one in twenty is lost as predicted, although of those with a good answer it is one in three."""
    ledger, dice = noted(), random.Random(9)
    for _ in range(60):
        lost = sum(dice.random() < fails for _ in range(300))
        took = [dice.expovariate(10.0) for _ in range((300 - lost) // 10)]
        ledger.compare(TARGET, took, lost, lambda plan: Leeway(), 300 - lost - len(took))
    told = ledger.calibration()["target"]

    assert (18_000, pytest.approx(1.0 - fails, abs=0.02)) == (told.n, told.observed)
    assert pytest.approx(0.5, abs=0.1) == told.within_p50
    assert is_trusted == (ledger.distrust(TARGET) is None)


@pytest.mark.parametrize("times", [0.6, 1.6])
def test_what_is_as_far_off_as_a_day_is_from_a_night_is_still_trusted(times):
    """To be sure of a shift is no reason to choose by less than is known: strategies differ by more."""
    ledger = noted()
    follow(ledger, 60, times=times)

    assert ledger.distrust(TARGET) is None
    assert 3.0 == ledger.times(TARGET)


def test_one_stretch_is_not_enough_to_judge():
    """It takes twelve figures, three of each hundred calls."""
    ledger = noted()
    follow(ledger, 3, times=10.0)
    assert ledger.distrust(TARGET) is None

    follow(ledger, 1, times=10.0)
    assert 0.5 > ledger.distrust(TARGET)


def test_a_model_that_may_be_so_far_off_is_trusted():
    """What is within its bands is as predicted; they are asked for when chance does not explain it, and once."""
    ledger = noted()
    asked = follow(ledger, 20, times=1.3, leeway=Leeway(p50=(0.7, 1.4), p99=(0.7, 1.4), success=(-0.01, 0.01)))

    assert [PLAN] == asked
    assert ledger.distrust(TARGET) is None


def test_bands_widen_where_too_few_figures_are_within_and_no_further_than_thrice():
    """A little off for long is a matter of width; it shrinks again when all is within."""
    ledger = noted()
    follow(ledger, 10, times=1.6, leeway=Leeway(p50=(0.9, 1.1), p99=(0.9, 1.1)))
    assert 1.0 < ledger.times(TARGET) <= WIDEST

    follow(ledger, 60)
    assert 1.0 == ledger.times(TARGET)


def test_bands_that_got_wider_hold():
    """Where calls take a fifth longer than bands allow, these come to hold nine of ten, and the model is trusted."""
    ledger = noted()
    follow(ledger, 60, times=1.6, leeway=Leeway(p50=(0.8, 1.25), p99=(0.8, 1.25)))

    assert ledger.times(TARGET) > 1.2
    assert ledger.distrust(TARGET) is None


def test_calls_that_fail_less_than_predicted_are_not_as_predicted_either():
    """Of two hundred calls a tenth should fail, and none did."""
    told = Prediction(success=0.9, p50=MEDIAN, p90=0.23, p99=math.log(100.0) / 10.0, p999=0.7, load=1.0)
    took, _ = calls(random.Random(5), fails=0.0, count=200)

    assert 2 == held([Stretch(told, took, 0)], Leeway())
    assert 3 == held([Stretch(told, took, 0)], Leeway(success=(-0.1, 0.1))) == held([Stretch(told, took, 20)], Leeway())


def test_bands_are_asked_for_anew_when_twice_as_much_is_known():
    """Or when another strategy is in force."""
    ledger = noted()
    assert [PLAN] == follow(ledger, 4, times=2.0)
    for plan in (Plan(strategy="adaptive", observations=4_000), Plan(strategy="balanced", observations=4_000)):
        ledger.note(TARGET, plan.strategy, PREDICTED, plan)
        assert [plan] == follow(ledger, 4, times=2.0)


def test_slow_calls_that_come_together_may_be_many_at_a_time():
    """Twenty calls beyond p99 in one stretch are one bad time where such calls come twenty at a time."""
    stretch = [Stretch(PREDICTED, [MEDIAN / 2] * 50 + [MEDIAN * 2] * 35 + [1.0] * 10, 5)]

    assert 2 == held(stretch, Leeway())
    assert 3 == held(stretch, Leeway(together=(1.0, 60.0, 1.0)))


def test_nothing_is_known_of_a_target_that_nobody_planned_for():
    """Who has predicted nothing cannot be wrong."""
    ledger = Ledger()
    follow(ledger, 1)

    assert ledger.distrust(TARGET) is None
    assert 1.0 == ledger.times(TARGET)


@pytest.mark.parametrize(("times", "is_trusted"), [(1.0, True), (3.0, False)])
def test_what_is_not_trusted_chooses_nothing_but_the_balanced_strategy(times, is_trusted):
    """The plan is that of "balanced", and the decision tells why."""
    rules = Rules(weights=ScoreWeights(), universe_count=5, strategies=())
    chooser = Simulating(settle("target", {"effects": "none"}), rules, Ledger())
    chooser.ledger = ledger = noted(chooser.known("target"))
    follow(ledger, 20, times=times, known=chooser.known("target"))
    traffic = Traffic()
    traffic.update(ok=[0.1, 0.11, 0.12, 0.13] * 230 + [1.0] * 80)

    decision = chooser.decide("target", Plan(effects="none"), traffic, 1.0)

    assert is_trusted == (decision.winner != "balanced")
    assert is_trusted == ("% of figures were within bands" not in decision.explain())
    assert decision.universes[0].strategy in decision._repr_html_()
    assert all(each.prediction.low.p99 < each.prediction.p99 < each.prediction.high.p99 for each in decision.universes)
