"""Requests of one call: who is beside whom, and how alike they are."""

from __future__ import annotations

import numpy as np
import pytest

from unbreakable.policies import Hedge, Plan, Retry, Timeout
from unbreakable.simulation.attempts import _of_a_sort, kinds_of
from unbreakable.simulation.manner import manners
from unbreakable.simulation.model import POINTS, Model
from unbreakable.stats import Traffic

PLACES = (np.arange(10_000) + 0.5) / 10_000
PLAN = Plan(effects="idempotent", retry=Retry(3))


@pytest.mark.parametrize("alike", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("slow", [False, True])
def test_requests_are_of_the_first_ones_sort_as_often_as_was_learned(alike, slow):
    """Beyond chance, so often; among those of a sort each is as likely, and none is out of range."""
    model = Model(Traffic())
    model.alike, model.slow_from = alike, 0.8
    first = np.full(len(PLACES), POINTS - 1 if slow else 0)
    found = _of_a_sort(model, PLACES, first)
    is_slow = found >= 0.8

    assert is_slow.mean() == pytest.approx(alike * slow + (1.0 - alike) * 0.2, abs=1e-3)
    assert (np.diff(found) >= 0.0).all()
    assert 0.0 <= found.min() <= found.max() <= 1.0
    for sort, low, high in ((is_slow, 0.8, 1.0), (~is_slow, 0.0, 0.8)):
        if sort.any():
            assert np.quantile(found[sort], [0.25, 0.75]) == pytest.approx(
                [low + (high - low) / 4, high - (high - low) / 4], abs=1e-3
            )


def test_plans_that_make_the_same_attempts_are_of_one_kind():
    """What is beside the first request comes in the order in which it begins, the fullest kind first."""
    copies = Plan(effects="idempotent", hedge=Hedge(0.1, most=2))
    both = Plan(effects="idempotent", retry=Retry(3), timeout=Timeout(0.15, learned=True), hedge=Hedge(0.1, most=2))
    patient = Plan(effects="idempotent", retry=Retry(8))
    hard = Plan(effects="unknown", timeout=Timeout(0.3), hedge=Hedge(0.1))
    plans = [PLAN, copies, both, patient, hard]
    ways = manners(plans, 10.0)
    kinds = kinds_of(ways, 10.0)

    assert [2, 1, 0, 2, 3] == kinds.of(ways).tolist()
    assert [2, 2, 1, 1] == kinds.having
    assert kinds.starts[:, 0, 0] == pytest.approx([0.1, 0.15, 0.2, 0.45])
    assert kinds.hard.ravel() == pytest.approx([10.0, 10.0, 10.0, 0.3])
    assert kinds.cut
    assert kinds.quiet == pytest.approx(0.1)


def test_what_would_begin_after_the_deadline_does_not():
    """Nothing happens to a request when copies and limits come later than the deadline."""
    plan = Plan(effects="none", timeout=Timeout(3.0, learned=True), hedge=Hedge(2.0))
    kinds = kinds_of(manners([plan], 1.0), 1.0)

    assert ([], False) == (kinds.having, kinds.cut)
    assert kinds.quiet == 1.0


@pytest.mark.parametrize(("attempts", "begin"), [(1, []), (2, [0.2]), (3, [0.2, 0.6]), (8, [0.2, 0.6])])
def test_as_many_attempts_begin_beside_a_late_one_as_there_are(attempts, begin):
    """When a learned limit has passed the next attempt begins, another one after twice as long, no more."""
    plan = Plan(effects="none", retry=Retry(attempts), timeout=Timeout(0.2, learned=True))

    assert begin == pytest.approx(np.ravel(kinds_of(manners([plan], 10.0), 10.0).starts).tolist())


def test_where_a_call_is_slow_all_of_its_copies_are():
    """Half of the first copies of slow attempts are as the call is; the next one, beside a slow copy, nearly always."""
    model = Model(Traffic())
    model.alike, model.slow_from = 0.5, 0.95
    first = np.array([POINTS - 1, 0]).repeat(len(PLACES))
    found = _of_a_sort(model, np.tile(PLACES, (2, 2)), first)
    slow, fast = found[:, : len(PLACES)] >= 0.95, found[:, len(PLACES) :] >= 0.95

    assert slow.mean(axis=1) == pytest.approx([0.525, 0.5 / 0.525 + 0.025 / 0.525 * 0.05], abs=2e-3)
    assert fast.mean(axis=1) == pytest.approx([0.025, 0.025], abs=2e-3)
