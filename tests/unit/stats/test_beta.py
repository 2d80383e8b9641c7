"""How often something works."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.stats import Beta


def test_believes_its_prior_until_something_was_tried():
    """Without evidence the estimate is the prior."""

    assert 0.3 == Beta(prior=0.3, weight=5).value()


def test_moves_from_the_prior_to_the_evidence():
    """Ten trials weigh five times as much as a prior worth two."""
    beta = Beta(prior=0.5, weight=2)
    beta.update(True, times=10)

    assert 11 / 12 == beta.value()


def test_discounting_moves_it_back_to_the_prior():
    """Old evidence fades; what is left keeps its share."""
    beta = Beta(prior=0.0, weight=1)
    beta.update(True, times=8)
    beta.discount(0.5)

    assert (4.0, 4.0) == (beta.worked, beta.tried)
    assert 0.8 == beta.value()


@given(
    trials=st.lists(st.booleans()),
    factors=st.lists(st.floats(min_value=0.0, max_value=1.0)),
    prior=st.floats(min_value=0.0, max_value=1.0),
)
def test_stays_a_share_whatever_is_discounted(trials, factors, prior):
    """However evidence is rounded away, the estimate stays in 0..1."""
    beta = Beta(prior=prior)
    for trial in trials:
        beta.update(trial)
    for factor in factors:
        beta.discount(factor)

    assert 0.0 <= beta.value() <= 1.0
    assert 0.0 <= beta.worked <= beta.tried


@pytest.mark.parametrize(("prior", "weight"), [(1.5, 2), (-0.1, 2), (0.5, 0), (0.5, float("inf")), (float("nan"), 2)])
def test_refuses_a_prior_that_is_none(prior, weight):
    """A prior is a share with a finite weight."""

    with pytest.raises(ValueError, match="expected a prior"):
        Beta(prior, weight)


def test_refuses_to_merge_other_priors():
    """Evidence over different priors is a different estimate."""

    with pytest.raises(ValueError, match="cannot merge priors"):
        Beta(0.5).merge(Beta(0.9))


@pytest.mark.parametrize("act", [lambda beta: beta.update(True, times=-1), lambda beta: beta.discount(1.5)])
def test_refuses_nonsense(act):
    """Trials are not unmade, and a discount does not add evidence."""

    with pytest.raises(ValueError, match="expected"):
        act(Beta())
