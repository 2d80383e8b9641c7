"""The settings in force, as another process is told them."""

from __future__ import annotations

import json
import math

import pytest

import unbreakable as ub
from unbreakable.policies import Backoff, Hedge, Plan, Retry
from unbreakable.policies.timeout import learned_limit

LEARNED = Plan(
    retry=Retry(5, backoff=Backoff(0.2, factor=3.0, most=9.0, jitter=False)),
    timeout=learned_limit(1.5, 30.0),
    hedge=Hedge(0.25, most=2, threads=False),
    deadline=45.0,
    effects="idempotent",
    strategy="careful",
    observations=77,
)
BARE = Plan(retry=None, deadline=math.inf, observations=3)


@pytest.mark.parametrize("plan", [LEARNED, BARE], ids=["all", "nothing"])
def test_what_was_learned_is_read_back(plan):
    """From text, and to the last of its settings."""
    assert plan == Plan.from_record(json.loads(json.dumps(plan.to_record())))


@pytest.mark.parametrize(
    "damage",
    [
        {"retry": 7},
        {"retry": {"attempts": 2, "first": 0.1, "other": 1}},
        {"retry": {"attempts": 0}},
        {"timeout": "long"},
        {"timeout": -1.0},
        {"hedge": []},
        {"hedge": 0.5},
        {"deadline": "late"},
        {"deadline": {}},
        {"effects": "harmless"},
        {"observations": None},
    ],
    ids=repr,
)
def test_what_is_no_record_of_a_plan_is_refused(damage):
    """Damage in what others wrote is one sort of error, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"not the record of a plan|must be|could not convert"):
        Plan.from_record({**LEARNED.to_record(), **damage})


@pytest.mark.parametrize("missing", sorted(LEARNED.to_record()))
def test_a_record_with_a_part_missing_is_refused(missing):
    """Nothing is guessed in its place."""
    with pytest.raises(ValueError, match="not the record of a plan: "):
        Plan.from_record({name: value for name, value in LEARNED.to_record().items() if name != missing})


def test_a_call_knows_which_strategy_it_follows():
    """By the name that it was given."""
    careful = ub.Strategy("careful", retry=ub.Retry(2))
    told = [
        ub.protect("search", strategy=strategy)(lambda: ub.current().strategy)() for strategy in (careful, "balanced")
    ]

    assert ["careful", "balanced"] == told
