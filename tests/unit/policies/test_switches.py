"""What a user writes at the door is checked there: each wrong option names its path and what was expected."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.policies.check import switch

STRATEGIES = "optimistic, pessimistic, conservative, aggressive, balanced, adaptive, random"
LEARNED, NONE = "None (learned) or False (off)", "None or False (none)"
WRONG = [
    ("timeout", 2.0, f"search: timeout must be a Timeout such as ub.Timeout(2.0), {LEARNED}"),
    ("retry", 3, f"search: retry must be a Retry such as ub.Retry(3), {LEARNED}"),
    ("breaker", True, f"search: breaker must be a CircuitBreaker such as ub.CircuitBreaker(), {LEARNED}"),
    ("hedge", 0.1, f"search: hedge must be a Hedge such as ub.Hedge(0.1), {LEARNED}"),
    ("bulkhead", 64, f"search: bulkhead must be a Bulkhead such as ub.Bulkhead(10), {NONE}"),
    ("budget", 0.2, f"search: budget must be a RetryBudget such as ub.RetryBudget(), {LEARNED}"),
    ("effects", "harmless", "effects must be one of 'none', 'idempotent', 'unknown', 'once'"),
    ("deadline", 0, "search: deadline must be more than 0 seconds (or math.inf)"),
    ("deadline", "soon", "search: deadline must be"),
    ("validate", 7, "search: validate must be a function"),
    ("key", "tenant", "search: key must be a function"),
    ("schema", 7, "search: schema must be a class, a union of classes, or a function"),
    ("verify", 7, "verify must be a function"),
    ("fallback", [], "fallback must be a function that takes the failure"),
    ("strategy", "brave", f"search: strategy must be one of {STRATEGIES}, or a ub.Strategy"),
    ("limit", 5, f"search: limit must be an AdaptiveLimit such as ub.AdaptiveLimit(most=10), {NONE}"),
    ("throttle", 0.9, f"search: throttle must be a Throttle such as ub.Throttle(0.9), {NONE}"),
    ("remedies", [7], "search: remedies must be"),
    ("retrys", 3, "did you mean 'retry'?"),
]


@pytest.mark.parametrize(("option", "value", "message"), WRONG)
def test_a_wrong_option_is_refused_where_it_is_written(option, value, message):
    """Before the first call, with its path, what was expected and what was found."""
    with pytest.raises(ConfigurationError) as caught:
        ub.protect("search", **{option: value})(lambda: 1)

    assert message in str(caught.value)
    assert (option if option == "retrys" else repr(value)) in str(caught.value) or option == "remedies"


@pytest.mark.parametrize("number", [10**400, float("nan"), True, "2"])
def test_what_no_arithmetic_can_go_on_with_is_no_number_of_seconds(number):
    """A number beyond all floats included, which would raise an OverflowError in the middle of a call."""
    with pytest.raises(ConfigurationError, match=r"Timeout\.seconds must be more than 0 seconds \(or math\.inf\)"):
        ub.Timeout(number)


@pytest.mark.parametrize("value", [0, None, "yes"])
def test_a_switch_is_true_or_false(value):
    """Anything else is a mistake, also what Python would take for one of the two."""
    assert [True, False] == [switch("carry", True), switch("carry", False)]
    with pytest.raises(ConfigurationError, match="carry must be True or False, not "):
        switch("carry", value)


@pytest.mark.parametrize("name", ["", 7, b"search"])
def test_a_wrong_name_is_refused(name):
    """A name is a word."""
    with pytest.raises(ConfigurationError, match="name must be a word"):
        ub.protect(name)
    with pytest.raises(ConfigurationError, match="name must be a word"):
        ub.FractalNode(name)


@pytest.mark.parametrize("policy", ["retry", "breaker", "timeout", "hedge", "bulkhead", "budget", "limit", "throttle"])
def test_every_policy_can_be_switched_off(policy):
    """False is off, and the call works without it."""
    door = ub.protect("search", effects="none", **{policy: False})(lambda: 1)
    told = door.node.get_status().plan

    assert 1 == door()
    assert (1 if policy == "retry" else None) == told["attempts" if policy == "retry" else policy]


def test_an_option_counts_more_than_the_strategy():
    """A strategy pins what it sets; what is written beside it wins."""
    strategy = ub.Strategy("careful", retry=ub.Retry(5), timeout=ub.Timeout(9.0))

    plan = ub.protect("search", strategy=strategy, retry=ub.Retry(2))(lambda: 1).node.get_status().plan

    assert (2, 9.0) == (plan["attempts"], plan["timeout"])
