"""What the built-in chooser makes of the latency of successes."""

from __future__ import annotations

import math
import random

import pytest

import unbreakable as ub
from unbreakable.fractal.tuner import Tuner
from unbreakable.stats import Traffic

USUAL = [0.1] * 90 + [0.4] * 6 + [1.0] * 4  # p50, p95 and p99 of about 0.1, 0.4 and 1 s


def tuned(successes, **options):
    """Return the plan before and after a target has answered in so many seconds each."""
    node = ub.FractalNode("n", **{"effects": "none", **options})
    seen = Traffic()
    seen.update(ok=successes)
    before = node.target.plan
    return before, Tuner(node.settings).plan("n", before, seen, random.Random(7).random)


def test_limit_delay_and_deadline_follow_from_the_latency_by_fixed_factors():
    """An attempt may take 3 times the 99th percentile, a call 20 times; the 95th is waited for before a copy."""
    _, plan = tuned(USUAL)

    assert (3.0, 0.4) == pytest.approx((plan.timeout.seconds, plan.hedge.after), rel=0.02)
    assert plan.timeout.learned
    assert 100 == plan.observations


@pytest.mark.parametrize(("seconds", "deadline"), [(0.01, 30.0), (0.1, 30.0), (6.0, 120.0)])
def test_a_slow_target_has_a_deadline_that_it_can_keep(seconds, deadline):
    """It grows with the target, and never falls below the one of a cold start."""
    assert deadline == pytest.approx(tuned([seconds] * 100)[1].deadline, rel=0.02)


def test_a_fast_target_is_not_cut_by_the_pauses_of_the_machine():
    """Half a second is the least limit."""
    assert 0.5 == tuned([0.001] * 100)[1].timeout.seconds


@pytest.mark.parametrize("successes", [[0.1] * 100, [0.001] * 90 + [0.0045] * 6 + [0.5] * 4])
def test_where_nothing_is_gained_there_is_no_copy(successes):
    """Neither where nearly all take as long, nor where the slow ones are fast, too."""
    assert tuned(successes)[1].hedge is None


def test_what_must_not_run_twice_at_once_gets_neither():
    """A limit that was learned would leave it behind, a copy would do it again."""
    _, plan = tuned(USUAL, effects="once")

    assert (None, None) == (plan.timeout, plan.hedge)


def test_what_is_pinned_stays():
    """Whatever the latency is."""
    before, plan = tuned(USUAL, timeout=ub.Timeout(9.0), hedge=False, deadline=math.inf)

    assert (before.timeout, before.hedge, before.deadline) == (plan.timeout, plan.hedge, plan.deadline)
    assert 9.0 == plan.timeout.seconds
