"""The settings that a trace tells of become those that are in force."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unbreakable.errors import AttemptTimeout, StateBroken
from unbreakable.policies import (
    AdaptiveLimit,
    Backoff,
    Bulkhead,
    CircuitBreaker,
    Hedge,
    Plan,
    Retry,
    RetryBudget,
    Throttle,
    Timeout,
)
from unbreakable.policies.effects import checked
from unbreakable.policies.terms import Slow
from unbreakable.record import Preset
from unbreakable.replay.failures import Covered

KINDS: dict[str, type[Preset]] = {
    "retry": Retry,
    "breaker": CircuitBreaker,
    "timeout": Timeout,
    "hedge": Hedge,
    "bulkhead": Bulkhead,
    "limit": AdaptiveLimit,
    "throttle": Throttle,
    "budget": RetryBudget,
}
PARTS: dict[tuple[str, str], type[Preset]] = {
    ("retry", "backoff"): Backoff,
    ("retry", "throttled"): Backoff,
    ("breaker", "slow"): Slow,
}
IN_A_PLAN = {"limit": "concurrency"}
ON: dict[str, Any] = {"all": Exception, "cut, too": (Covered, AttemptTimeout), "some": Covered}


def plan_of(told: Mapping[str, Any]) -> Plan:
    """Return the settings that were *told*, as a plan; raise StateBroken when that is none.

    In plain code nobody cuts an attempt for a learned time limit, or sends a copy after a learned delay: there these
    are none.
    """
    try:
        policies = {name: _policy(name, told[IN_A_PLAN.get(name, name)]) for name in KINDS}
        policies["concurrency"] = policies.pop("limit")
        timeout, hedge = policies["timeout"], policies["hedge"]
        if not told["preemptive"]:
            policies["timeout"] = None if timeout is not None and timeout.learned else timeout
            policies["hedge"] = None if hedge is not None and not hedge.threads else hedge
        return Plan(
            **policies,
            deadline=float(told["deadline"]),
            effects=checked(told["effects"]),
            strategy=str(told["strategy"]),
            observations=int(told["observations"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateBroken(f"the trace tells of settings that there are none of: {error}") from error


def _policy(name: str, told: Mapping[str, Any] | None) -> Any:
    if told is None:
        return None
    kind = KINDS[name]
    return kind(**{field: _setting(name, field, value) for field, value in told.items() if field in kind.fields})


def _setting(policy: str, field: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return PARTS[policy, field](**value)
    if field == "on":
        return ON[value]
    return math.inf if value == "inf" else value
