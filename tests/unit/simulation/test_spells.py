"""Spells of trouble, as two states that follow one another: what comes after a failure, by hand."""

from __future__ import annotations

import contextlib
import math
import random

import pytest

import unbreakable as ub
from unbreakable.simulation.spells import spells
from unbreakable.stats import Lags
from unbreakable.testing import virtual_time

SHARE, WELL, ILL, MEMORY = 0.02, 0.002, 0.8, 0.5
FAILS = WELL + (ILL - WELL) * SHARE


def curve(count: float = 1_000.0, dent: float = 0.0, *, quiet: bool = True) -> Lags:
    """Return what is seen after failures by Bayes's rule: trouble then, which has mostly passed *lag* later."""
    lags = Lags()
    bad = SHARE * ILL / FAILS  # how likely a target is in trouble whose attempt has just failed
    for lag, _, _ in lags.value():
        begin = lag / math.sqrt(2.0)  # of a bin that ends at twice that, and is told by its middle
        left = (math.exp(-begin / MEMORY) - math.exp(-2.0 * begin / MEMORY)) * MEMORY / begin
        later = SHARE + (bad - SHARE) * left
        chance = max(0.0, WELL + (ILL - WELL) * later - (dent if 0.6 < lag < 4.0 else 0.0))
        seen = count * (50.0 if lag > 0.6 else 1.0)  # most pairs are far apart
        lags.update(lag, times=seen * chance, failed=True)
        lags.update(lag, times=seen * (1.0 - chance))
    if quiet:
        lags.update(times=100_000.0 * 2.0 * WELL, failed=True)  # half of these are the first of a spell
        lags.update(times=100_000.0 * (1.0 - 2.0 * WELL))
    else:
        lags.update(failed=True)  # the very first one
    return lags


def test_the_two_states_are_found_again():
    """From the curve of what follows failures come the share of trouble, both chances to fail, and the memory."""
    found = spells(curve(), FAILS)

    assert found.share == pytest.approx(SHARE, rel=0.1)
    assert found.fails_well == pytest.approx(WELL, rel=0.02)
    assert found.fails_in_trouble == pytest.approx(ILL, rel=0.05)
    assert found.memory == pytest.approx(MEMORY, rel=0.2)


def test_many_pairs_that_are_far_apart_do_not_outweigh_the_shape():
    """A run of few spells fails less long after failures than on average; how long trouble lasts is told earlier."""
    found = spells(curve(dent=0.04), FAILS)

    assert found.memory == pytest.approx(MEMORY, rel=0.2)


def test_a_target_that_fails_at_any_time_has_no_spells():
    """Nor has one that never fails, nor one of which little is known."""
    even = Lags()
    for lag, _, _ in even.value():
        even.update(lag, times=50.0, failed=True)
        even.update(lag, times=950.0)

    assert spells(even, 0.05) is None
    assert spells(curve(), 0.0) is None
    assert spells(curve(count=0.05), FAILS) is None


def test_trouble_is_not_told_too_bad_where_it_is_never_quiet():
    """Where failures always come within two seconds of others, no attempt tells how often they come without trouble."""
    found = spells(curve(quiet=False), FAILS)

    assert found.fails_in_trouble == pytest.approx(ILL, rel=0.1)
    assert found.share == pytest.approx(SHARE, rel=0.3)


def test_repeats_that_help_do_not_make_failures_look_like_spells():
    """Where three in ten attempts fail at any time, so do three in ten after failures, the repeats among them."""
    dice = random.Random(5)
    with virtual_time(seed=5) as clock:

        @ub.protect("partner", effects="idempotent", breaker=False)
        def ask() -> None:
            clock.advance(dice.expovariate(20.0))
            if dice.random() < 0.3:
                raise ConnectionError

        for _ in range(1_500):
            with contextlib.suppress(ConnectionError):
                ask()
        seen = ask.node.target.traffic

    _, after, failed = (sum(column) for column in zip(*seen.lags.value(), strict=True))
    assert failed / after == pytest.approx(seen.failed.count / seen.count, abs=0.015)
    assert spells(seen.lags, 0.3) is None
