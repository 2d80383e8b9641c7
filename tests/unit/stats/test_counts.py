"""Totals of runs by how they ended."""

from __future__ import annotations

import pytest

from unbreakable.stats import Counts


def test_tells_the_share_of_runs_that_ended_well():
    """Healed runs count as successes, degraded ones do not."""
    counts = Counts()
    counts.update(ok=6, healed=2, degraded=1, failed=1)

    assert 0.8 == counts.value()
    assert 10 == counts.finished


def test_tells_the_share_healed_of_those_that_needed_it():
    """The heal rate leaves out the runs that went well at once."""
    counts = Counts()
    counts.update(ok=90, healed=3, failed=1)

    assert 0.75 == counts.heal_rate


def test_tells_no_rate_of_nothing():
    """Before a run has ended there is no rate to tell."""
    counts = Counts()

    assert (None, None) == (counts.value(), counts.heal_rate)


def test_refuses_to_uncount():
    """Counts only grow."""

    with pytest.raises(ValueError, match="expected counts ≥ 0"):
        Counts().update(ok=-1)
