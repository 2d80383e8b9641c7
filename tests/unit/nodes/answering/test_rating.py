"""A rating starts from its prior and moves with judged responses alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.nodes.answering.rating import VERIFIED, rate


@pytest.mark.parametrize("score", [0, 1, 333.3, 850, 999, 1000])
def test_it_starts_exactly_at_its_prior(score):
    """Before anything is judged the score is the dna's, to the last digit, and not verified."""
    rating = rate(score, 0, 0)

    assert (score, 0, False) == (rating.score, rating.judged, rating.verified)


def test_it_is_verified_from_fifty_on():
    """Fifty judged responses make a rating more than its prior."""
    assert [False, True] == [rate(850, 40, judged).verified for judged in (VERIFIED - 1, VERIFIED)]


@given(st.floats(0, 1000), st.integers(0, 1000), st.floats(0, 1))
def test_the_interval_holds_the_score(score, judged, share):
    """Score and bounds are in order, between 0 and 1000."""
    rating = rate(score, share * judged, judged)

    assert 0 <= rating.low <= rating.score <= rating.high <= 1000


@given(st.floats(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_good_verdict_never_lowers_it_and_a_bad_one_never_raises_it(score, good, bad):
    """The score is monotone in what was judged."""
    now = rate(score, good, good + bad).score

    assert rate(score, good + 1, good + bad + 1).score >= now - 1e-9
    assert rate(score, good, good + bad + 1).score <= now + 1e-9


def test_evidence_narrows_the_interval():
    """The more was judged, the less is left to doubt."""
    widths = [rating.high - rating.low for rating in (rate(850, 0.85 * n, n) for n in (0, 10, 100, 1000))]

    assert sorted(widths, reverse=True) == widths
    assert {"score", "low", "high", "judged", "verified"} == set(rate(850, 0, 0).to_dict())
