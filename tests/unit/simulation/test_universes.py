"""The universes: evenly spread luck, whatever part of them one looks at."""

from __future__ import annotations

import numpy as np
import pytest

from unbreakable.simulation.universes import EVERY, UNIVERSES, universes


def test_luck_is_uniform_by_weight():
    """Each row of numbers has the mean of uniform ones, over all universes and over those that are played on."""
    met = universes()

    assert met.weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert met.weights_of_quarter.sum() == pytest.approx(1.0, abs=1e-5)
    assert UNIVERSES // EVERY == len(met.quarter)
    for rows in met.beside:
        assert np.allclose(rows @ met.weights, 0.5, atol=0.003)
    for luck in met.after:
        for rows in luck:
            assert np.allclose(rows @ met.weights_of_quarter, 0.5, atol=0.005)


def test_universes_that_begin_alike_meet_any_luck_later():
    """Of fifty neighbours as many meet the worst fifth as of all: a few universes that weigh much decide nothing."""
    for luck in universes().after:
        for begin in range(0, 240, 40):
            worst = (luck.place[0][begin : begin + 40] > 0.8).mean()

            assert 0.2 == pytest.approx(worst, abs=0.1)
