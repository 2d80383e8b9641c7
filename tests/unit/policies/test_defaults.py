"""What a policy does of which nothing more was said than that there is one."""

from __future__ import annotations

import pytest

from unbreakable.policies import AdaptiveLimit, Backoff, Bulkhead, Hedge, Retry, Strategy, Throttle

BACKOFF = {"first": 0.1, "factor": 2.0, "most": 30.0, "jitter": True}
LEARNED = ("retry", "breaker", "timeout", "hedge", "bulkhead", "limit", "throttle", "budget")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Retry(), {"attempts": 3, "on": Exception, "backoff": Backoff(), "throttled": Backoff(1.0)}),
        (Backoff(), BACKOFF),
        (Backoff(1.0), {**BACKOFF, "first": 1.0}),
        (Hedge(), {"after": 0.05, "most": 1, "threads": True}),
        (Bulkhead(), {"most": 64, "wait": 0.0}),
        (AdaptiveLimit(), {"least": 1, "most": 1000, "first": 20, "wait": 1.0}),
        (Throttle(), {"accept": 0.9}),
        (Strategy("careful"), {"name": "careful", **dict.fromkeys(LEARNED)}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_said_is_as_the_pages_promise(policy, told):
    """As its docstring and the pages have it."""
    assert told == {name: getattr(policy, name) for name in type(policy).fields}
