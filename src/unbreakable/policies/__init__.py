"""What a strategy can set: one policy a file."""

import typing

from unbreakable import lazily
from unbreakable.policies import check
from unbreakable.policies.backoff import Backoff
from unbreakable.policies.breaker import CircuitBreaker
from unbreakable.policies.budget import Budget, RetryBudget
from unbreakable.policies.bulkhead import Bulkhead
from unbreakable.policies.circuit import Circuit
from unbreakable.policies.fallback import Fallback
from unbreakable.policies.hedge import Hedge
from unbreakable.policies.plan import Plan
from unbreakable.policies.policy import Context, Inner, Policy, compose, current
from unbreakable.policies.priority import priority
from unbreakable.policies.retry import Retry
from unbreakable.policies.states import State
from unbreakable.policies.strategy import Strategy
from unbreakable.policies.terms import Slow
from unbreakable.policies.timeout import Timeout

if typing.TYPE_CHECKING:  # what most calls do not need is loaded when first asked for
    from unbreakable.policies.limit import AdaptiveLimit
    from unbreakable.policies.throttle import Throttle

__all__ = [
    "AdaptiveLimit",
    "Backoff",
    "Budget",
    "Bulkhead",
    "Circuit",
    "CircuitBreaker",
    "Context",
    "Fallback",
    "Hedge",
    "Inner",
    "Plan",
    "Policy",
    "Retry",
    "RetryBudget",
    "Slow",
    "State",
    "Strategy",
    "Throttle",
    "Timeout",
    "check",
    "compose",
    "current",
    "priority",
]

__getattr__ = lazily.load(
    __name__, {"AdaptiveLimit": "unbreakable.policies.limit", "Throttle": "unbreakable.policies.throttle"}
)
__dir__ = lazily.listing(__all__)
