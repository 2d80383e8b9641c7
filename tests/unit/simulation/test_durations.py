"""Durations of calls that end well, counted in buckets."""

from __future__ import annotations

import warnings

import numpy as np

from unbreakable.simulation.durations import Durations


def test_what_rounding_leaves_of_no_success_at_all_is_no_trouble():
    """It may be less than nothing; what is told of durations means nothing then, and is told without a warning."""
    durations = Durations(0.001, 30.0, 1)
    rows = np.zeros((2, durations.size))
    rows[0, 3], rows[0, 7], rows[1, 5] = 1e-16, -3e-16, 0.9

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        success, found = durations.summary(rows)

    assert abs(success[0]) < 1e-15
    assert 0.9 == success[1]
    assert np.isfinite(found).all()
    assert 0.001 < found[1, 0] < 0.0013
