"""A roll of the dice depends on its labels alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.demo.dice import exponential, lognormal, pareto, uniforms

inside = st.floats(min_value=0.0, max_value=1.0, exclude_min=True, exclude_max=True)


@given(st.lists(st.text() | st.integers()))
def test_numbers_lie_strictly_between_zero_and_one(labels):
    """No draw can fall on an end, where logarithms are infinite."""
    assert all(0.0 < u < 1.0 for u in uniforms(*labels))


def test_labels_do_not_run_into_each_other():
    """Labels are separated: ("ab", "c") is not ("a", "bc")."""
    assert list(uniforms("ab", "c")) != list(uniforms("a", "bc"))


def test_the_middle_of_each_draw_is_its_median():
    """One half maps to the median of each distribution."""
    assert 5.0 * math.log(2.0) == pytest.approx(exponential(0.5, 5.0))
    assert 0.2 == pytest.approx(lognormal(0.5, 0.2, 0.4))
    assert 2.0 == pytest.approx(pareto(0.5, 1.0, 1.0))


@given(inside, inside)
def test_a_larger_number_is_a_larger_draw(u, v):
    """Each draw grows with its uniform number and is finite."""
    low, high = sorted((u, v))

    for draw in (lambda x: exponential(x, 1.0), lambda x: lognormal(x, 1.0, 0.5), lambda x: pareto(x, 1.0, 1.2)):
        assert 0.0 <= draw(low) <= draw(high) < math.inf
