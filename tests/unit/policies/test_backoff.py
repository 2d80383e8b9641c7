"""Pauses grow, are bounded, and are spread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.policies import Backoff

lengths = st.floats(min_value=0.0, max_value=1e6)
factors = st.floats(min_value=1.0, max_value=1e6)
numbers = st.integers(min_value=1, max_value=10**9)
shares = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)


@st.composite
def backoffs(draw, jitter=None):
    first, jitter = draw(lengths), draw(st.booleans()) if jitter is None else jitter
    return Backoff(first, factor=draw(factors), most=first + draw(lengths), jitter=jitter)


def test_without_jitter_each_pause_is_the_factor_times_the_one_before():
    """Doubling from the first pause, up to the longest one."""
    backoff = Backoff(0.5, factor=2.0, most=3.0, jitter=False)

    assert [0.5, 1.0, 2.0, 3.0, 3.0] == [backoff.pause(number, u=0.9) for number in range(1, 6)]


@pytest.mark.parametrize("number", [1, 100, 1024, 1025, 5000])
def test_no_pause_stays_none(number):
    """Nothing doubled is nothing, also where the factor alone is more than a float can hold, or endless."""
    assert [0.0, 0.0] == [Backoff(0.0, factor=factor).pause(number, u=0.9) for factor in (2.0, float("inf"))]


@given(backoffs(), numbers, shares)
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(backoff, number, u):
    """Whatever the settings, and however often it is asked."""
    assert 0.0 <= backoff.pause(number, u) <= backoff.most


@given(backoffs(jitter=False), numbers, shares)
def test_without_jitter_pauses_do_not_shrink(backoff, number, u):
    """A later pause is at least as long as an earlier one, whatever the dice show."""
    assert backoff.pause(number, u) <= backoff.pause(number + 1, 1.0 - u)


@given(backoffs(jitter=True), numbers, shares)
def test_with_jitter_a_pause_is_a_share_of_the_longest_possible(backoff, number, u):
    """Full jitter: uniform between nothing and what it would be without."""
    longest = Backoff(backoff.first, factor=backoff.factor, most=backoff.most, jitter=False).pause(number, u)

    assert longest * u == pytest.approx(backoff.pause(number, u))
