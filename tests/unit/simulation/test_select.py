"""The choice among several ways to do the same job."""

from __future__ import annotations

import math
import random

import pytest

from unbreakable.simulation.select import doubted, learn, order, outlasted
from unbreakable.stats import Arms


def shares(costs: dict[str, tuple[float, float]], calls: int, arms: Arms, seed: int = 1) -> dict[str, float]:
    """Return how often each arm was used first, when each takes so many seconds and fails so often."""
    dice, used = random.Random(seed), dict.fromkeys(costs, 0)
    for _ in range(calls):
        best, *others = order(arms, list(costs), dice.random)
        name = doubted(arms, others, dice.random()) or best
        seconds, failing = costs[name]
        used[name] += 1
        learn(arms, name, seconds * dice.lognormvariate(0.0, 0.3), ok=dice.random() >= failing)
    return {name: times / calls for name, times in used.items()}


def test_before_anything_is_known_the_order_is_the_user_s():
    """The first one given is preferred until something is learned."""
    assert ["slow", "fast"] == order(Arms(), ["slow", "fast"], random.Random(1).random)


def test_the_fast_one_is_found():
    """Among two, the one that is ten times faster gets nearly all calls."""
    assert 0.95 < shares({"slow": (0.2, 0.01), "fast": (0.02, 0.03)}, 500, Arms())["fast"]


def test_the_one_that_works_is_found_however_slow_it_is():
    """A fast refusal is worth less than a slow answer."""
    assert 0.9 < shares({"broken": (0.001, 1.0), "slow": (2.0, 0.0)}, 500, Arms())["slow"]


def test_a_change_is_noticed():
    """When the one that was better becomes the worse one, the other takes over."""
    arms = Arms()
    shares({"a": (0.02, 0.0), "b": (0.2, 0.0)}, 1_000, arms)

    assert 0.8 < shares({"a": (2.0, 0.0), "b": (0.2, 0.0)}, 1_000, arms, seed=2)["b"]


def test_an_arm_that_became_good_is_found_again():
    """One that was given up is tried now and then, and taken back when it has recovered."""
    arms = Arms()
    shares({"a": (0.02, 1.0), "b": (0.2, 0.0)}, 500, arms)

    assert 0.5 < shares({"a": (0.02, 0.0), "b": (0.2, 0.0)}, 3_000, arms, seed=2)["a"]


def test_nothing_is_drawn_where_there_is_nothing_to_choose():
    """One arm alone costs no dice."""
    arms = Arms()
    learn(arms, "only", 1.0, ok=True)

    assert ["only"] == order(arms, ["only"], lambda: 1 / 0)


def test_of_two_that_are_raced_the_slower_is_not_taken_for_as_fast():
    """Only the sooner of two answers is ever seen; what is learned of both comes near to what is so all the same."""
    dice, arms = random.Random(1), Arms()
    for _ in range(3_000):
        took = {"slow": 0.2 * dice.lognormvariate(0.0, 0.6), "fast": 0.1 * dice.lognormvariate(0.0, 0.6)}
        winner = min(took, key=took.__getitem__)
        learn(arms, winner, took[winner], ok=True)
        outlasted(arms, "slow" if winner == "fast" else "fast", took[winner])

    known = {name: arms.value(name)[0] for name in ("slow", "fast")}
    assert known["slow"] == pytest.approx(math.log(0.2), abs=0.3)
    assert known["fast"] == pytest.approx(math.log(0.1), abs=0.3)
    assert known["slow"] - known["fast"] > 0.4


def test_an_arm_of_which_only_an_age_is_known_takes_longer_than_that():
    """However long that was, it costs no more than a failure."""
    arms = Arms()
    outlasted(arms, "young", 0.1)
    outlasted(arms, "ancient", 1e9)

    assert arms.value("young")[0] > math.log(0.1)
    assert arms.value("ancient")[0] == pytest.approx(math.log(60.0))
