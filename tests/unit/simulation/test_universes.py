"""The universes: evenly spread luck, whatever part of them one looks at."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from unbreakable.simulation.model import POINTS
from unbreakable.simulation.universes import BESIDE, CUT, FAILED, MOST_ATTEMPTS, UNIVERSES, universes


def parts(met):
    """Return the luck of the columns of good first attempts, of failed ones, and of each later attempt."""
    each = met.pauses.shape[1]
    begins = [0, UNIVERSES, UNIVERSES + met.failed]
    begins += [begins[-1] + each * number for number in range(1, MOST_ATTEMPTS)]
    assert begins[-1] == met.luck.shape[1] == len(met.first)
    return [met.luck[:, begin:end] for begin, end in itertools.pairwise(begins)]


@pytest.mark.parametrize("cuts", [False, True])
def test_luck_is_uniform_by_weight(cuts):
    """Each row of numbers has the mean of uniform ones, over all universes and over those that are played on."""
    met = universes(cuts=cuts)
    good, failed, *later = parts(met)

    assert met.weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert (UNIVERSES // FAILED, UNIVERSES // CUT if cuts else 0) == (met.failed, len(met.cut))
    assert np.allclose(good[1:] @ met.weights, 0.5, atol=0.004)
    assert np.allclose(failed.mean(axis=1), 0.5, atol=0.01)
    for rows in (*(each[1:] for each in later), met.pauses, met.faults / POINTS):
        assert np.allclose(rows[:, : met.failed].mean(axis=1), 0.5, atol=0.005)
        if cuts:
            assert met.weights_of_cut.sum() == pytest.approx(1.0, abs=1e-5)
            assert np.allclose(rows[:, met.failed :] @ met.weights_of_cut, 0.5, atol=0.03)
    for rows, weights in zip(later, met.weights_later, strict=True):
        assert rows[0, : met.failed] @ weights[: met.failed] / met.failed == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("beyond", [0.5, 0.9, 0.99])
def test_the_slow_end_is_seen_from_close_by(beyond):
    """Of the slowest tenth or hundredth of the first attempts there are many more universes, which weigh less."""
    met = universes()
    slow = met.first[:UNIVERSES] >= beyond * POINTS

    assert slow.mean() > 1.5 * (1.0 - beyond)
    assert met.weights[slow].sum() == pytest.approx(1.0 - beyond, abs=0.002)


def test_universes_that_begin_alike_meet_any_luck_later():
    """Of forty neighbours as many meet the worst fifth as of all: a few universes that weigh much decide nothing."""
    good, failed, *later = parts(universes(cuts=True))
    for rows, first in [(good, 1), (failed, 1), *((each, 1) for each in later)]:
        for begin in range(0, 200, 40):
            worst = (rows[first:, begin : begin + 40] > 0.8).mean(axis=1)

            assert np.allclose(worst, 0.2, atol=0.11)


def test_two_copies_meet_any_luck_together():
    """However bad the luck of a request, that of another beside it is not tied to it."""
    good, *_ = parts(universes())
    for one in range(1, 1 + BESIDE):
        for other in range(1, one):
            both = ((good[one] > 0.8) & (good[other] > 0.8)).mean()

            assert both == pytest.approx(0.04, abs=0.012)


def test_universes_are_made_once():
    """What is made ready in the background is what a plan asks for."""
    assert universes() is universes(UNIVERSES, cuts=False)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_happens_to_a_repeat_is_even_in_pairs(seed):
    """Of 250 columns each sixteenth of slow answers, pauses or times to fail, any two of them, has 15 or so."""
    met = universes(seed=seed)
    ranks = met.luck[0, 1_000 + met.failed :].reshape(7, -1)[:3]
    rows = [*ranks, *met.pauses[1:4], *met.faults[1:4]]
    places = [np.argsort(np.argsort(row)) * 4 // met.failed for row in rows]

    for one, other in itertools.combinations(places, 2):
        counts = np.bincount(4 * one + other, minlength=16)
        assert 9 <= counts.min() <= counts.max() <= 22
