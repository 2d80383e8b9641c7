"""The budget that all loops of a process share for what they make anew."""

from __future__ import annotations

import os

import pytest

from unbreakable.errors import Rejected
from unbreakable.loops.restarts import Restarts, denied, is_denied
from unbreakable.testing import virtual_time


def test_what_is_spent_comes_back_with_time():
    """Up to the most, and no more."""
    with virtual_time() as clock:
        restarts = Restarts(rate=1.0, most=2.0)
        taken = [restarts.take(1.0) for _ in range(3)]
        clock.advance(1.5)
        taken += [restarts.has(1.0), restarts.take(1.0), restarts.take(1.0)]
        clock.advance(100.0)
        status = restarts.get_status()

    assert [True, True, False, True, True, False] == taken
    assert (2.0, 2) == (status.tokens, status.denied)
    assert {"tokens": 2.0, "most": 2.0, "rate": 1.0, "denied": 2} == status.to_dict()


def test_what_is_given_back_can_be_spent_again():
    """But no more than there is room for."""
    with virtual_time():
        restarts = Restarts(rate=0.0, most=1.0)
        taken = [restarts.take(1.0)]
        restarts.give_back(1.0)
        restarts.give_back(5.0)
        taken += [restarts.take(1.0), restarts.take(1.0)]

    assert [True, True, False] == taken


@pytest.mark.parametrize(("price", "was_well"), [(0.1, None), (1.0, False), (1.0, None)])
def test_a_worker_that_was_well_is_replaced_whoever_else_asks(price, was_well):
    """A thousand that ask in vain take whatever comes, whether each takes little or much."""
    with virtual_time() as clock:
        restarts, got = Restarts(), []
        for _ in range(30):
            for _ in range(1_000):
                clock.advance(0.001)
                restarts.take(price, was_well=was_well)
            got.append(restarts.take(1.0, was_well=True))

    assert [True] * 30 == got


def test_who_takes_much_has_its_turn_among_those_that_take_little():
    """Else a worker would wait as long as there are enough probes; it owes what is missing."""
    with virtual_time() as clock:
        restarts, got = Restarts(rate=10.0, most=1.0), 0
        for number in range(6_000):
            clock.advance(0.005)
            got += restarts.take(1.0, was_well=False) if number % 7 == 0 else restarts.take(0.1) * 0

    assert 50 <= got <= 300
    assert restarts.get_status().tokens >= 0.0


def test_that_it_is_spent_is_logged_once(caplog):
    """Again only when it was half full in between."""
    with virtual_time() as clock:
        restarts = Restarts(rate=1.0, most=4.0)
        for _ in range(20):
            restarts.take(1.0)
        once = caplog.text.count("the budget for restarts of all loops is spent")
        clock.advance(60.0)
        for _ in range(20):
            restarts.take(1.0)

    assert (1, 2) == (once, caplog.text.count("the budget for restarts of all loops is spent"))


def test_another_time_has_a_budget_of_its_own():
    """A test that has spent it takes nothing from the next one."""
    restarts = Restarts(rate=0.0, most=1.0)
    taken = []
    for _ in range(2):
        with virtual_time():
            taken += [restarts.take(1.0), restarts.take(1.0)]

    assert [True, False] * 2 == taken


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_begins_with_all_of_it():
    """What the parent has spent was spent on processes of its own."""
    with virtual_time():
        restarts = Restarts(rate=0.0, most=1.0)
        restarts.take(1.0)
        restarts.forget()

        assert restarts.take(1.0)


def test_the_refusal_says_nothing_of_the_operation():
    """It is known among others of its kind."""
    assert is_denied(denied())
    assert not is_denied(Rejected("the loop was stopped"))
