"""The budget of repeats: a share of the successes, credited when it is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.policies import Budget, RetryBudget
from unbreakable.policies.budget import small

growths = st.lists(st.tuples(st.integers(0, 1_000), st.floats(0.0, 100.0)), min_size=1, max_size=30)
settings_of = st.builds(
    RetryBudget,
    ratio=st.floats(0.0, 2.0),
    floor=st.floats(0.0, 5.0),
    start=st.floats(0.0, 50.0),
    most=st.floats(1.0, 200.0),
)


def spent(budget, successes=0, now=0.0, tries=1_000):
    """Return how many tokens can be taken at once."""
    return sum(budget.spend(successes, now) for _ in range(tries))


@given(settings_of, growths)
def test_credit_asked_for_late_is_what_deposits_at_once_would_have_been(settings, steps):
    """Asking after each success, or once for all of them, gives the same level, the cap included."""
    often, seldom = Budget(settings, 0.0), Budget(settings, 0.0)
    successes, now = 0, 0.0
    for growth, seconds in steps:
        successes, now = successes + growth, now + seconds
        often.level(successes, now)

    assert often.level(successes, now) == pytest.approx(seldom.level(successes, now))


@given(settings_of, growths)
def test_no_more_is_spent_than_was_ever_deposited(settings, steps):
    """Over any course of events: the start, a share of the successes, the floor's seconds, and not a token more."""
    budget, taken, successes, now = Budget(settings, 0.0), 0, 0, 0.0
    for growth, seconds in steps:
        successes, now = successes + growth, now + seconds
        taken += spent(budget, successes, now, tries=5)

    assert taken <= min(settings.start, settings.most) + settings.ratio * successes + settings.floor * now + 1e-6


def test_the_first_failures_can_be_repeated_at_once():
    """A new budget holds its start, and then only what successes bring."""
    budget = Budget(RetryBudget(ratio=0.2, floor=0.0), now=0.0)

    assert (10, 0, 4, 0) == (spent(budget), spent(budget), spent(budget, 20), spent(budget, 20))


def test_a_quiet_target_can_be_repeated_all_the_same():
    """The floor gives a token from time to time, without any success."""
    budget = Budget(RetryBudget(ratio=0.2, floor=0.1, start=0.0), now=0.0)

    assert (0, 1, 0, 2) == (spent(budget), spent(budget, now=10.0), spent(budget, now=19.0), spent(budget, now=39.9))


def test_no_more_is_kept_than_allowed():
    """A million successes do not pay for a storm."""
    budget = Budget(RetryBudget(most=100.0), now=0.0)

    assert 100 == spent(budget, successes=10**6, now=10**6)


def test_copies_leave_a_reserve_to_repeats():
    """Who keeps a reserve is refused as soon as it is touched; who does not may use it up."""
    budget = Budget(RetryBudget(ratio=0.0, floor=0.0, start=10.0), now=0.0)

    assert (5, 5) == (sum(budget.spend(0, 0.0, keep=5.0) for _ in range(20)), spent(budget))


@pytest.mark.parametrize(("start", "copies"), [(0.0, 1), (0.5, 1), (4.0, 4)])
def test_a_budget_that_begins_empty_pays_for_copies_all_the_same(start, copies):
    """The purse of the copies has no savings, but room for one copy at least."""
    budget = Budget(small(RetryBudget(ratio=0.5, floor=0.0, start=start)), now=0.0)
    spent(budget)

    assert copies == spent(budget, successes=1_000)


def test_a_clock_or_a_count_that_steps_back_takes_nothing_and_gives_nothing():
    """After a fork, or when a child is dropped, the sum may shrink for a moment."""
    budget = Budget(RetryBudget(ratio=1.0, floor=1.0, start=5.0), now=100.0)
    budget.level(50, 110.0)

    assert budget.level(50, 110.0) == budget.level(10, 50.0) == budget.level(50, 110.0)


def test_threads_never_spend_a_token_twice():
    """Eight threads that spend as fast as they can get exactly what is there."""
    budget = Budget(RetryBudget(ratio=0.0, floor=0.0, start=500.0, most=500.0), now=0.0)

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: spent(budget, tries=200), range(8)))

    assert (500, 0.0) == (taken, budget.level(0, 0.0))
