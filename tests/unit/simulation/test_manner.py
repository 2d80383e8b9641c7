"""How calls under a plan are made, as numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from unbreakable.policies import Backoff, CircuitBreaker, Hedge, Plan, Retry, RetryBudget, Timeout
from unbreakable.simulation.manner import manners
from unbreakable.simulation.universes import MOST_ATTEMPTS

PLAN = Plan(
    effects="idempotent", retry=Retry(3, backoff=Backoff(0.1)), timeout=Timeout(0.5, learned=True), hedge=Hedge(0.2)
)


def test_plans_that_differ_in_what_calls_never_meet_make_the_same_calls():
    """Other objects, names and circuits are no other numbers; other pauses, limits, copies and budgets are."""
    same = replace(PLAN, retry=Retry(3, on=OSError, backoff=Backoff(0.1)), breaker=CircuitBreaker(9), strategy="mine")
    others = [
        replace(PLAN, retry=Retry(3, backoff=Backoff(0.2))),
        replace(PLAN, retry=Retry(2, backoff=Backoff(0.1))),
        replace(PLAN, timeout=Timeout(0.6, learned=True)),
        replace(PLAN, timeout=Timeout(0.5)),
        replace(PLAN, hedge=Hedge(0.2, most=2)),
        replace(PLAN, budget=RetryBudget(0.1)),
    ]
    first, *rest = manners([PLAN, same, *others], 30.0)

    assert first == rest[0]
    assert len(others) + 1 == len({first, *rest})


@pytest.mark.parametrize(
    ("effects", "copied", "followed", "hard", "attempts"),
    [("none", 0.2, 0.5, 30.0, 3), ("unknown", math.inf, math.inf, 0.5, 3), ("once", math.inf, math.inf, 0.5, 1)],
)
def test_what_effects_forbid_is_not_done(effects, copied, followed, hard, attempts):
    """Only what may run twice at once is copied and followed, else a limit cuts; what may run once is not repeated."""
    (found,) = manners([replace(PLAN, effects=effects)], 30.0)

    assert (copied, followed) == (found.copied[0], found.followed[0])
    assert (hard, attempts) == (found.hard, found.attempts)


def test_without_copies_and_repeats_nothing_is_beside_a_request():
    """A learned limit sends nothing where no attempt is left, and no more attempts are known than are played."""
    many, single = manners([replace(PLAN, retry=Retry(99)), replace(PLAN, retry=None, hedge=None)], 30.0)

    assert MOST_ATTEMPTS == many.attempts
    assert single == many.once()
    assert (math.inf, 0.5) == (many.plain().copied[0], many.plain().followed[0])
