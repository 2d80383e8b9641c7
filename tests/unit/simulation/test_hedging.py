"""When copies are sent: how many calls are under way, in closed form, and the delay that is worth its load."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unbreakable.simulation import hedging
from unbreakable.simulation.hedging import MOMENTS, TAILS, WORTH, Waiting, _most, _reached, _worth, best_delay
from unbreakable.simulation.model import POINTS, Model, _table
from unbreakable.simulation.score import ScoreWeights
from unbreakable.simulation.slowness import Slowness
from unbreakable.stats import Traffic
from unbreakable.stats.quantile import edges

PLACES = (np.arange(POINTS) + 0.5) / POINTS


def model(answers, slow: float = 0.0) -> Model:
    found = Model(Traffic())
    found._mass = np.append(np.histogram(answers, edges())[0] / len(answers), 0.0)
    found.answers = _table(found._mass)
    found.take(Slowness(slow, 10.0))
    return found


EXPONENTIAL = -0.01 * np.log(1.0 - PLACES)
STRAGGLERS = np.where(PLACES < 0.95, 0.005 * (1.0 + 0.2 * PLACES), 0.05 * (1.0 + 0.2 * PLACES))


@pytest.mark.parametrize("answers", [EXPONENTIAL, STRAGGLERS, np.full(POINTS, 1.2e-6), 1e5 * EXPONENTIAL])
def test_counting_by_buckets_finds_what_a_search_among_all_answers_finds(answers):
    """But for rounding, at one answer in thousands; nothing is over before it has begun."""
    waiting, ages = Waiting(model(answers)), np.random.default_rng(1).choice(answers, 4_000)
    ages = np.concatenate([ages * np.linspace(0.3, 1.7, 4_000), [-1.0, -math.inf, 0.0, 1e-9, 2.0**18]])
    off = np.abs(waiting.about_late(ages.astype(np.float32)) - waiting.late(ages.astype(np.float32)))

    assert off.max() <= 1.001 / POINTS
    assert np.count_nonzero(off) < 0.01 * len(ages)
    assert 1.0 == waiting.about_late(np.array([0.0, -math.inf], np.float32)).min()


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_a_call_is_under_way_while_all_its_requests_are(copies):
    """Of independent ones that is the product S(t) S(t - d) S(t - 2 d)."""
    waiting, begun = Waiting(model(EXPONENTIAL)), 0.02 * np.arange(1 + copies)
    for t in (0.01, 0.03, 0.05):
        true = math.prod(math.exp(-max(0.0, t - number * 0.02) / 0.01) for number in range(1 + copies))

        assert true == pytest.approx(float(waiting.together(waiting.late(t - begun))), rel=0.01, abs=1e-3)


def test_copies_of_what_is_slow_by_its_nature_are_slow():
    """Where it is calls that are slow, they are as many as without copies, and the rest gains."""
    alone, alike = (Waiting(model(STRAGGLERS, share)) for share in (0.0, 0.05))
    ages = np.array([0.03, 0.022])

    assert 0.05**2 == pytest.approx(float(alone.together(alone.late(ages))), rel=0.02)
    assert 0.05 == pytest.approx(float(alike.together(alike.late(ages))), rel=0.02)


def test_the_moments_are_found_that_looking_at_all_of_them_finds():
    """First the stretch, then the moment in it that is the first late enough; the last one where none is."""
    moments = np.geomspace(0.001, 0.2, 256, dtype=np.float32)
    for scale in (0.2, 1.0, 100.0):
        waiting = Waiting(model(scale * EXPONENTIAL))
        found = _reached(waiting, np.zeros((1, 1), np.float32), moments)[0]
        for tail, each in zip(TAILS, found, strict=True):
            late = np.flatnonzero(waiting.late(moments)[0] ** 2 <= np.float32(tail))
            assert each == moments[late[0] if late.size else -1]


@pytest.mark.parametrize("alike", [0.0, 0.5])
@pytest.mark.parametrize(
    ("answers", "has_tail"),
    [(EXPONENTIAL, True), (STRAGGLERS, True), (0.05 / (1.01 - PLACES), True), (0.05 + 0.01 * PLACES, False)],
)
def test_copies_are_never_worth_more_than_if_all_were_as_quick_as_the_quickest(answers, has_tail, alike):
    """So no delay is overlooked where even that would not be worth it, as it is not of a target without a tail."""
    found, weights = model(answers, alike), ScoreWeights()
    delays = found.answers[(hedging.PLACES * POINTS).astype(int)]
    moments = np.geomspace(delays[0], found.answers[-1], MOMENTS, dtype=np.float32)
    most, (worth, _, _) = (
        _most(found.answers, weights, delays, moments),
        _worth(Waiting(found), weights, delays, moments),
    )

    assert (most >= worth - 1e-3).all()
    assert has_tail == (most.max() > WORTH)


def test_copies_are_sent_just_beyond_the_fast_answers():
    """Stragglers are worth copies, sent when fast answers are back; none are where no copy would be any faster."""
    found = best_delay(model(STRAGGLERS), ScoreWeights())

    assert 0.005 < found.after < 0.01
    assert 0.05 == pytest.approx(found.load, abs=0.01)
    assert best_delay(model(STRAGGLERS, 0.05), ScoreWeights()) is None
    assert best_delay(model(np.full(POINTS, 0.01)), ScoreWeights()) is None
    assert best_delay(model(np.full(POINTS, np.inf)), ScoreWeights()) is None


def test_who_cares_more_for_load_sends_fewer_copies():
    """The delay follows the weights of the score: of little time, fewer copies go; of safety alone, none go."""
    heavy = ScoreWeights(time=0.05)
    rare, usual = (best_delay(model(STRAGGLERS), weights) for weights in (heavy, ScoreWeights()))

    assert rare is None or rare.load < usual.load
    assert best_delay(model(STRAGGLERS), ScoreWeights(time=0.0, quality=0.0)) is None


def test_a_second_copy_is_sent_where_it_is_rare_and_costs_load_too():
    """A first copy is sent with chance S(d), a second one with S(2 d) S(d), where that is next to nothing."""
    delays = np.array([0.01, 0.0173], np.float32)
    _, load, copies = _worth(
        Waiting(model(EXPONENTIAL)), ScoreWeights(), delays, 0.2 * np.geomspace(0.01, 1.0, MOMENTS)
    )

    assert [1, 2] == copies.tolist()
    assert load == pytest.approx([math.exp(-1.0), math.exp(-1.73) + math.exp(-3.0 * 1.73)], rel=0.005)
