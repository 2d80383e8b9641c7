"""A model whose predictions do not hold is not trusted, and says so."""

from __future__ import annotations

import pytest

from unbreakable.fractal.settings import settle
from unbreakable.policies import Plan
from unbreakable.simulation.chooser import Rules, Simulating
from unbreakable.simulation.ledger import Ledger
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.score import ScoreWeights
from unbreakable.stats import Traffic

PREDICTED = Prediction(success=1.0, p50=0.1, p90=0.2, p99=0.3, p999=0.4, load=1.0)


def ledger(inside: int, outside: int) -> Ledger:
    """Return a ledger that has seen so many calls as fast as predicted, and so many slower ones."""
    made = Ledger()
    made.note("target", "adaptive", PREDICTED)
    made.compare("target", [0.1] * inside + [0.5] * outside, 0)
    return made


@pytest.mark.parametrize(("inside", "outside", "share"), [(160, 40, None), (159, 41, 0.795), (20, 100, None)])
def test_a_model_is_not_trusted_when_fewer_than_eight_in_ten_calls_are_within_its_band_of_nine(inside, outside, share):
    """It takes two hundred calls to say so."""
    assert share == ledger(inside, outside).distrust("target")


def test_trust_comes_back_with_calls_that_are_as_predicted():
    """What is long ago counts ever less."""
    found = ledger(0, 400)
    for _ in range(40):
        found.compare("target", [0.1] * 250, 0)

    assert found.distrust("target") is None


def test_nothing_is_known_of_a_target_that_nobody_planned_for():
    """Who has predicted nothing cannot be wrong."""
    assert Ledger().distrust("target") is None


@pytest.mark.parametrize(("outside", "winner"), [(0, "adaptive"), (400, "balanced")])
def test_what_is_not_trusted_chooses_nothing_but_the_balanced_strategy(outside, winner):
    """The plan is that of "balanced", and the decision tells why."""
    rules = Rules(weights=ScoreWeights(), universe_count=5, strategies=())
    chooser = Simulating(settle("target", {"effects": "none"}), rules, ledger(400, outside))
    traffic = Traffic()
    traffic.update(ok=[0.1, 0.11, 0.12, 0.13] * 230 + [1.0] * 80)

    decision = chooser.decide("target", Plan(effects="none"), traffic, 1.0)

    assert winner == decision.winner
    assert ("not trusted: 50 %" in decision.explain().replace("50%", "50 %")) == (winner == "balanced")
    assert decision.universes[0].strategy in decision._repr_html_()
