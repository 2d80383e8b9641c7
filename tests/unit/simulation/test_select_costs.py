"""What the choice among ways compares, and how soon it notices that one is no longer what it was."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from tests.dense import most

from unbreakable.simulation import select
from unbreakable.simulation.jobs import STRETCH, Job
from unbreakable.simulation.ledger import Ledger
from unbreakable.simulation.pairs import MOST_KEPT
from unbreakable.simulation.select import is_far_sooner, learn, order, would_have_answered
from unbreakable.stats import Arms

Law = Callable[[random.Random], float]


def plain(seconds: float) -> Law:
    return lambda dice: seconds * dice.lognormvariate(0.0, 0.3)


def straggling(seconds: float) -> Law:
    return lambda dice: seconds * dice.lognormvariate(0.0, 0.3) * (20.0 if dice.random() < 0.05 else 1.0)


def uses(arms: Arms, ways: dict[str, tuple[Law, float]], calls: int, seed: int) -> Iterator[str]:
    """Yield which way each of so many calls goes, where each has its law and share of failures."""
    dice = random.Random(seed)
    for _ in range(calls):
        best, *others = order(arms, list(ways), dice.random)
        name = select.doubted(arms, others, dice.random()) or best
        law, failing = ways[name]
        learn(arms, name, law(dice), ok=dice.random() >= failing)
        yield name


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((plain(0.022), 0.0), (straggling(0.02), 0.0)),  # a little slower, without the tail
        ((plain(0.03), 0.0), (plain(0.02), 0.3)),  # half as slow again, without the failures
        ((plain(0.02), 0.03), (plain(0.075), 0.01)),  # a few failures that are repeated are worth the time
        ((plain(0.28), 0.0), (plain(0.012), 0.2)),  # not so many that the budget cannot pay for all of them
    ],
)
def test_the_way_is_chosen_that_has_the_better_score(better, worse):
    """Tails and failures count, each for as much as the score says, and not the median alone."""
    used = list(uses(Arms(), {"worse": worse, "better": better}, 2_000, seed=1))[500:]

    assert 0.9 < used.count("better") / len(used)


def test_a_failure_that_is_the_call_s_weighs_more_than_one_that_is_repeated():
    """A way that is three times as fast and fails in 3 of 100 uses is the better one only where there are repeats."""
    arms = Arms()
    for number in range(600):
        learn(arms, "fast", 0.02, ok=number % 33 > 0)
        learn(arms, "sure", 0.06, ok=True)

    assert "fast" == order(arms, ["sure", "fast"], lambda: 0.25)[0]
    assert "sure" == order(arms, ["fast", "sure"], lambda: 0.25, repeated=False)[0]


@pytest.mark.parametrize("seed", range(most(3, 1)))
@pytest.mark.parametrize("after", [(plain(0.4), 0.0), (plain(0.02), 0.5), (straggling(0.3), 0.02)])
def test_a_way_that_became_worse_is_left_within_500_calls(seed, after):
    """Be it slower, or failing more often; most of the 500 are spent elsewhere already."""
    arms, other = Arms(), (plain(0.06), 0.0)
    list(uses(arms, {"a": (plain(0.02), 0.01), "b": other}, 3_000, seed))
    used = list(uses(arms, {"a": after, "b": other}, 500, seed + 10))

    assert 0.9 < used[-100:].count("b") / 100


@pytest.mark.parametrize("seed", range(most(3, 1)))
@pytest.mark.parametrize("before", [(plain(0.4), 0.0), (plain(0.02), 0.9)])
def test_a_way_that_recovered_is_found_again(seed, before):
    """It is looked at seldom, so it takes some hundreds of calls, or thousands."""
    arms, other = Arms(), (plain(0.06), 0.0)
    list(uses(arms, {"a": before, "b": other}, 1_000, seed))
    used = list(uses(arms, {"a": (plain(0.02), 0.0), "b": other}, 5_000, seed + 10))

    assert 0.9 < used[-500:].count("a") / 500


def test_looking_at_a_way_that_is_known_costs_next_to_nothing():
    """Where it is four times as slow, one call in 300 goes there."""
    arms, ways = Arms(), {"slow": (plain(0.08), 0.0), "fast": (plain(0.02), 0.0)}
    list(uses(arms, ways, 3_000, seed=1))

    assert 0.0035 > list(uses(arms, ways, 10_000, seed=2)).count("slow") / 10_000


def test_a_way_that_failed_is_asked_again_only_where_it_is_known_and_far_sooner():
    """Repeated there it may fail again: half of the time is what it has to be worth."""
    arms = Arms()
    for _ in range(40):
        learn(arms, "near", 0.02, ok=True)
        learn(arms, "far", 0.1, ok=True)
    known = is_far_sooner(arms, "near", ["near", "far"])
    for _ in range(400):
        learn(arms, "far", 0.03, ok=True)

    assert (True, False) == (known, is_far_sooner(arms, "near", ["near", "far"]))
    assert not is_far_sooner(arms, "new", ["new", "near"])


def test_when_a_way_would_have_answered_is_told_from_a_few_answers_on():
    """It is the ninth of ten answers."""
    arms, dice = Arms(), random.Random(2)
    learn(arms, "way", 0.1, ok=True)
    assert would_have_answered(arms, "way") is None

    for _ in range(2_000):
        learn(arms, "way", 0.1 * dice.lognormvariate(0.0, 0.5), ok=True)
    assert would_have_answered(arms, "way") == pytest.approx(0.1 * math.exp(0.5 * 1.2816), rel=0.1)


def test_a_baseline_is_measured_in_a_fixed_part_of_the_calls_at_places_that_chance_decides():
    """Any 5,000 calls in a row have the ten that a median takes, and no place is favoured."""
    dice, job = random.Random(3), Job(Ledger())
    job.pairs.controls = 12
    places = [number for number in range(40_000) if job._is_control(dice.random())]
    gaps = {later - earlier for earlier, later in pairwise(places)}

    assert all(10 <= sum(begin <= place < begin + MOST_KEPT for place in places) for begin in range(0, 35_000, 97))
    assert max(gaps) < 2 * STRETCH
    assert len(gaps) > 50
