"""The budget of repeats: a share of the successes, credited when it is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.policies import Budget, RetryBudget
from unbreakable.policies.budget import small

growths = st.lists(
    st.tuples(st.integers(0, 1_000), st.integers(0, 20), st.floats(0.0, 100.0)), min_size=1, max_size=30
)  # how many calls succeeded, how many failed, and after how many seconds
settings_of = st.builds(
    RetryBudget,
    ratio=st.floats(0.0, 1.0),
    floor=st.floats(0.0, 5.0),
    start=st.floats(0.0, 10.0),  # more than the most is refused from the default on
    most=st.floats(1.0, 200.0),
)


def spent(budget, successes=0, now=0.0, tries=1_000):
    """Return how many tokens can be taken at once."""
    return sum(budget.spend(successes, now) for _ in range(tries))


@given(settings_of, growths)
def test_credit_asked_for_late_is_what_deposits_at_once_would_have_been(settings, steps):
    """Asking after each call, or once for all of them, gives the same level, the cap included."""
    often, seldom = Budget(settings, 0.0), Budget(settings, 0.0)
    successes, now = 0, 0.0
    for growth, failures, seconds in steps:
        successes, now = successes + growth, now + seconds
        for budget in (often, seldom):
            for _ in range(failures):
                budget.bear(now)
        often.level(successes, now)

    late = seldom.level(successes, now)
    assert often.level(successes, now) == pytest.approx(late) or late == settings.most


@given(settings_of, growths)
def test_repeats_are_never_more_than_a_share_of_the_calls(settings, steps):
    """Over any course of events: the start, a share of all calls, and not a token more, whatever the floor is."""
    budget, taken, calls, successes, now = Budget(settings, 0.0), 0, 0, 0, 0.0
    for growth, failures, seconds in steps:
        successes, calls, now = successes + growth, calls + growth + failures, now + seconds
        for _ in range(failures):
            budget.bear(now)
        taken += spent(budget, successes, now, tries=5)

    assert taken <= min(settings.start, settings.most) + settings.ratio * calls + 1e-6


@given(settings_of, growths)
def test_what_fails_is_repeated_no_oftener_than_the_floor_allows(settings, steps):
    """Without any success there are, after the start, no more repeats than the floor's seconds allow."""
    budget, taken, now = Budget(settings, 0.0), 0, 0.0
    for _, failures, seconds in steps:
        now += seconds
        for _ in range(failures):
            budget.bear(now)
        taken += spent(budget, 0, now, tries=5)

    assert taken <= min(settings.start, settings.most) + settings.floor * now + 1e-6


def test_the_first_failures_can_be_repeated_at_once():
    """A new budget holds its start, and then only what successes bring."""
    budget = Budget(RetryBudget(ratio=0.2, floor=0.0), now=0.0)

    assert (10, 0, 4, 0) == (spent(budget), spent(budget), spent(budget, 20), spent(budget, 20))


def test_a_quiet_target_can_be_repeated_all_the_same():
    """One call in ten seconds that always fails is repeated every fifth time, though none ever succeeds."""
    budget, repeated = Budget(RetryBudget(ratio=0.2, floor=0.1, start=0.0), now=0.0), []
    for number in range(21):
        repeated.append(budget.spend(0, 10.0 * number))
        budget.bear(10.0 * number)

    assert [5, 10, 15, 20] == [number for number, was in enumerate(repeated) if was]


def test_a_busy_target_that_is_down_earns_no_more_than_the_floor():
    """Of a hundred calls a second that all fail, one in ten seconds is repeated."""
    budget, repeated = Budget(RetryBudget(ratio=0.2, floor=0.1, start=0.0), now=0.0), 0
    for number in range(6_000):
        repeated += budget.spend(0, number / 100)
        budget.bear(number / 100)

    assert 5 == repeated


def test_time_before_a_call_failed_lets_nothing_through():
    """After a quiet hour the first call that fails earns its share from then on, and not at once."""
    budget = Budget(RetryBudget(ratio=1.0, floor=0.1, start=0.0), now=0.0)
    budget.bear(3_600.0)

    assert [0.0, 0.5, 1.0, 1.0] == [pytest.approx(budget.level(0, 3_600.0 + wait)) for wait in (0.0, 5.0, 10.0, 99.0)]


def test_what_failed_calls_have_earned_is_kept_within_bounds():
    """A long outage leaves no more behind than is ever kept."""
    budget = Budget(RetryBudget(ratio=0.2, floor=1.0, start=0.0, most=3.0), now=0.0)
    for _ in range(1_000):
        budget.bear(0.0)

    assert (1, 2, 0) == (spent(budget, now=1.0), spent(budget, now=100.0), spent(budget, now=1_000.0))


@pytest.mark.parametrize(("tokens", "paid"), [(1.0, False), (1.9, False), (2.0, True)])
def test_a_repeat_inside_a_repeat_costs_two(tokens, paid):
    """The price is taken whole or not at all."""
    budget = Budget(RetryBudget(ratio=0.0, floor=0.0, start=tokens), now=0.0)

    assert (paid, tokens - 2.0 * paid) == (budget.spend(0, 0.0, price=2.0), budget.level(0, 0.0))


def test_five_fifths_are_one():
    """What is owed is not lost to how computers add."""
    budget = Budget(RetryBudget(ratio=0.1, floor=0.0, start=0.0), now=0.0)
    for successes in range(11):
        budget.level(successes, 0.0)

    assert budget.spend(10, 0.0)


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


@pytest.mark.parametrize(("start", "most", "kept"), [(2.0, 100.0, 2.0), (0.5, 100.0, 1.0), (10.0, 5.0, 5.0)])
def test_a_small_budget_holds_no_more_than_it_began_with(start, most, kept):
    """Or than one repeat costs, within what it may hold at all."""
    budget = RetryBudget(start=start, most=most)

    assert RetryBudget(start=start, most=kept) == small(budget)


@pytest.mark.parametrize(("taken", "kept"), [(0, 5.0), (1, 5.0), (3, 4.0)])
def test_what_is_given_back_fills_the_purse_and_no_more(taken, kept):
    """What was earned meanwhile may have taken its place."""
    budget = Budget(RetryBudget(ratio=0.0, floor=0.0, start=5.0, most=5.0), now=0.0)
    spent(budget, tries=taken)
    budget.give_back(2.0)

    assert kept == budget.level(0, 0.0)


def test_what_failed_calls_have_earned_fills_the_purse_and_no_more():
    """Also where nothing was taken from it meanwhile."""
    budget = Budget(RetryBudget(ratio=1.0, floor=1.0, start=5.0, most=5.0), now=0.0)
    for _ in range(3):
        budget.bear(0.0)

    assert [5.0, 5.0] == [budget.level(0, now) for now in (1.0, 9.0)]
    assert (5, 0) == (spent(budget, now=9.0), spent(budget, now=99.0))


def test_no_dataclass_is_made_for_a_purse(monkeypatch):
    """It would take 2 ms of the start of each program, and of what follows the death of one under `unbreakable run`."""

    class Own(RetryBudget):
        """Not seen before."""

    monkeypatch.setattr("dataclasses.make_dataclass", None)

    own = small(Own(0.5, start=4.0))

    assert (Own, 0.5, 4.0, 4.0) == (type(own), own.ratio, own.start, own.most)
