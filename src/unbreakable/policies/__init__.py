"""What a strategy can set: one policy a file."""

from unbreakable.policies import check
from unbreakable.policies.backoff import Backoff
from unbreakable.policies.breaker import CircuitBreaker
from unbreakable.policies.budget import Budget, RetryBudget
from unbreakable.policies.bulkhead import Bulkhead
from unbreakable.policies.circuit import Circuit, State
from unbreakable.policies.fallback import Fallback
from unbreakable.policies.hedge import Hedge
from unbreakable.policies.plan import Plan
from unbreakable.policies.policy import Context, Inner, Policy, compose, current
from unbreakable.policies.retry import Retry
from unbreakable.policies.strategy import Strategy
from unbreakable.policies.terms import Slow
from unbreakable.policies.timeout import Timeout

__all__ = [
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
    "Timeout",
    "check",
    "compose",
    "current",
]
