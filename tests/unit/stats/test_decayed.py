"""Means that forget."""

from __future__ import annotations

import math

import pytest
from tests.dense import most

from unbreakable.stats import Decayed


def test_weighs_an_observation_half_after_each_half_life():
    """The older of two observations one half-life apart counts half."""
    decayed = Decayed(half_life=60.0)
    decayed.update(0.0, now=0.0)
    decayed.update(3.0, now=60.0)

    assert 2.0 == decayed.value()


def test_knows_nothing_when_empty():
    """No observation has no mean."""
    decayed = Decayed(half_life=1.0)

    assert None is decayed.value()


@pytest.mark.parametrize("nonsense", [(math.nan, 0.0), (math.inf, 0.0), (1.0, math.nan), (1.0, -math.inf)])
def test_refuses_what_is_no_number(nonsense):
    """One NaN would spoil the mean for ever."""

    with pytest.raises(ValueError, match="finite"):
        Decayed(half_life=1.0).update(*nonsense)


def test_a_late_observation_older_than_ten_half_lives_is_dropped():
    """What weighs less than a thousandth is not kept."""
    decayed = Decayed(half_life=1.0)
    decayed.update(1.0, now=100.0)
    decayed.update(9.0, now=80.0)

    assert 1.0 == decayed.value()


def test_stays_small_over_very_many_updates():
    """No more than forty slots are kept."""
    decayed = Decayed(half_life=1.0)
    for tick in range(most(1_000_000, 100_000)):
        decayed.update(1.0, now=tick * 0.01)

    assert len(decayed.to_dict()["slots"]) <= 40


@pytest.mark.parametrize("half_life", [0.0, -1.0, math.inf, math.nan])
def test_refuses_a_half_life_that_is_none(half_life):
    """A memory that never or always forgets is no mean of this kind."""

    with pytest.raises(ValueError, match="half_life"):
        Decayed(half_life)


def test_refuses_to_merge_other_half_lives():
    """Slots of different widths do not add up."""

    with pytest.raises(ValueError, match="cannot merge half-lives"):
        Decayed(1.0).merge(Decayed(2.0))
