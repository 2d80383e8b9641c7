"""Sliding windows of successes and failures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dense import most

from unbreakable.stats import Window


def test_counts_what_happened_lately():
    """Calls within the window are told apart by how they went."""
    window = Window(30.0)
    window.update(True, now=1.0)
    window.update(False, now=2.0)
    window.update(False, now=29.0)

    assert (1, 2) == window.value(now=29.9)


def test_forgets_bucket_by_bucket():
    """After the window has passed, a call counts no more."""
    window = Window(30.0, buckets=10)
    window.update(False, now=1.0)
    window.update(False, now=4.0)

    assert [2, 2, 1, 0] == [window.value(now=at)[1] for at in (4.0, 29.0, 31.0, 34.0)]


@given(calls=st.lists(st.tuples(st.booleans(), st.floats(min_value=0.0, max_value=200.0))), buckets=st.integers(1, 20))
def test_agrees_with_a_plain_list(calls, buckets):
    """In any order of arrival, the ring counts what a list of all calls would."""
    window = Window(30.0, buckets)
    for ok, now in calls:
        window.update(ok, now)
    latest = max((now for _, now in calls), default=0.0)
    horizon = math.floor(latest * buckets / 30.0) - buckets
    recent = [ok for ok, now in calls if math.floor(now * buckets / 30.0) > horizon]

    assert (sum(recent), len(recent) - sum(recent)) == window.value(latest)


def test_is_empty_long_after():
    """A window far in the future holds nothing, and asking costs no more."""
    window = Window(1.0)
    window.update(True, now=0.0)

    assert (0, 0) == window.value(now=1e12)


def test_starts_empty():
    """Nothing happened before the first call."""

    assert (0, 0) == Window(1.0).value(now=0.0)


def test_stays_small_over_very_many_updates():
    """The ring has as many buckets as it was made with."""
    window, count = Window(30.0, buckets=10), most(1_000_000, 100_000)
    for tick in range(count):
        window.update(tick % 2 == 0, now=tick * 0.001)

    assert len(window.to_dict()["slots"]) == 10
    assert 27_000 <= sum(window.value(now=count / 1_000 - 0.001)) <= 30_000


@pytest.mark.parametrize(
    ("seconds", "buckets"), [(0.0, 10), (-1.0, 10), (math.inf, 10), (math.nan, 10), (1.0, 0), (1.0, 1001)]
)
def test_refuses_a_window_that_is_none(seconds, buckets):
    """A window has a length and a bounded number of buckets."""

    with pytest.raises(ValueError, match="expected seconds > 0"):
        Window(seconds, buckets)


def test_refuses_to_merge_a_window_of_another_size():
    """Buckets of different widths do not add up."""

    with pytest.raises(ValueError, match="cannot merge windows"):
        Window(30.0).merge(Window(60.0))
