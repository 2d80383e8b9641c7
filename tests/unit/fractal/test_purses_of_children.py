"""A child's successes fill the purse that its repeats are paid from, and no other."""

from __future__ import annotations

import pytest

import unbreakable as ub

EMPTY = ub.RetryBudget(start=0.0, floor=0.0)
AGAIN = ub.Retry(2, backoff=ub.Backoff(0.0))


def calls(node, count):
    """Make so many calls that succeed."""
    for _ in range(count):
        node.execute_sync(lambda: 1)


def level(node):
    """Return the tokens that a node's repeats can be paid from."""
    return node.get_status().budget


def test_a_child_with_a_budget_of_its_own_fills_no_other():
    """Neither while it is in use nor when it is closed, and back."""
    parent = ub.FractalNode("parent", budget=EMPTY)
    own, sharing = parent.create_child("own", budget=EMPTY), parent.create_child("sharing")
    below = own.create_child("below")

    calls(own, 100)
    calls(below, 50)
    own.aclose_sync()
    calls(own, 50)

    assert (0.0, 40.0, 40.0) == (level(parent), level(own), level(below))
    calls(sharing, 10)
    calls(parent, 10)
    assert (4.0, 4.0, 40.0) == pytest.approx((level(parent), level(sharing), level(own)))
    assert 220 == parent.get_status().success_count


def test_what_a_child_has_earned_counts_once_whether_it_is_closed_or_in_use():
    """It leaves with what it earned, and is back with it."""
    parent = ub.FractalNode("parent", budget=EMPTY)
    child = parent.create_child("child")
    for _ in range(3):
        calls(child, 10)
        child.aclose_sync()
        calls(parent, 10)

    assert 12.0 == pytest.approx(level(parent))


def test_a_child_that_was_dropped_pays_by_itself_and_so_do_its_own():
    """What it earned before is its parent's; from then on it is no part of it, nor are those below, closed or not."""
    parent = ub.FractalNode("parent", budget=EMPTY)
    child = parent.create_child("child")
    below, closed = child.create_child("below"), child.create_child("closed")
    calls(below, 50)
    calls(closed, 50)
    closed.aclose_sync()
    parent.drop_child(child)

    assert (20.0, 10.0, 10.0) == pytest.approx((level(parent), level(child), level(below)))
    calls(closed, 10)
    calls(below, 10)
    assert (20.0, 14.0, 14.0, 14.0) == pytest.approx(tuple(map(level, (parent, child, below, closed))))


def test_a_node_that_drops_no_child_of_its_own_changes_nothing():
    """It goes on to be its parent's."""
    parent, other = ub.FractalNode("parent", budget=EMPTY), ub.FractalNode("other")
    child = parent.create_child("child")
    other.drop_child(child)
    calls(child, 10)

    assert 2.0 == level(child) == level(parent)
