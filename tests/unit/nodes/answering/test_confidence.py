"""Confidence is what happened to responses of the same quality."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.nodes.answering.confidence import BINS, bin_of, curve, prior

SHARE = st.floats(0, 1)


@given(st.lists(st.tuples(SHARE, SHARE), max_size=200), SHARE)
def test_more_quality_never_means_less_confidence(judged, share):
    """Whatever was judged, the curve rises, within 0..1."""
    found = curve(judged, share)

    assert BINS == len(found)
    assert list(found) == sorted(found)
    assert 0 <= found[0] <= found[-1] <= 1


def test_without_judgements_it_is_the_prior():
    """Nothing judged, nothing learned."""
    assert pytest.approx([prior((number + 0.5) / BINS, 0.85) for number in range(BINS)]) == list(curve([], 0.85))


def test_confidence_becomes_calibrated():
    """After 500 judged responses the expected calibration error is below 0.06, where the prior's is above 0.15."""
    dice = random.Random(11)

    def verdicts(number):
        qualities = [dice.random() for _ in range(number)]
        return [(quality, float(dice.random() < 0.3 + 0.3 * quality)) for quality in qualities]

    def error(found):
        bins = [[] for _ in range(BINS)]
        for quality, good in fresh:
            bins[bin_of(quality)].append((found[bin_of(quality)], good))
        gaps = [abs(sum(sure - good for sure, good in each)) for each in bins]
        return sum(gaps) / len(fresh)

    judged, fresh = verdicts(500), verdicts(5_000)

    assert error(curve(judged, 0.85)) < 0.06
    assert error(curve([], 0.85)) > 0.15
