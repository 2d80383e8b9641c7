"""A named set of policies."""

from __future__ import annotations

import importlib
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Literal

from unbreakable.policies.breaker import CircuitBreaker
from unbreakable.policies.budget import RetryBudget
from unbreakable.policies.bulkhead import Bulkhead
from unbreakable.policies.check import refuse
from unbreakable.policies.hedge import Hedge
from unbreakable.policies.retry import Retry
from unbreakable.policies.timeout import Timeout
from unbreakable.record import Preset

if TYPE_CHECKING:
    from unbreakable.policies.limit import AdaptiveLimit
    from unbreakable.policies.throttle import Throttle

NAMES = ("optimistic", "pessimistic", "conservative", "aggressive", "balanced", "adaptive", "random")


class Strategy(Preset):
    """Name a set of policies; one left at None is learned, False switches it off."""

    name: str = field(kw_only=False)
    retry: Retry | Literal[False] | None = None
    breaker: CircuitBreaker | Literal[False] | None = None
    timeout: Timeout | Literal[False] | None = None
    hedge: Hedge | Literal[False] | None = None
    bulkhead: Bulkhead | Literal[False] | None = None
    limit: AdaptiveLimit | Literal[False] | None = None
    throttle: Throttle | Literal[False] | None = None
    budget: RetryBudget | Literal[False] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise refuse("Strategy.name", "a word", self.name)
        for policy in fields(self)[1:]:
            fits(f"Strategy.{policy.name}", policy.name, getattr(self, policy.name))

    def pinned(self) -> dict[str, Any]:
        """Return the policies that are not left to be learned."""
        values = {policy.name: getattr(self, policy.name) for policy in fields(self)[1:]}
        return {name: value for name, value in values.items() if value is not None}


POLICIES: dict[str, type | str] = {
    "retry": Retry,
    "breaker": CircuitBreaker,
    "timeout": Timeout,
    "hedge": Hedge,
    "bulkhead": Bulkhead,
    "limit": "AdaptiveLimit",  # loaded when first used
    "throttle": "Throttle",
    "budget": RetryBudget,
}

EXAMPLES = {
    "timeout": "Timeout(2.0)",
    "retry": "Retry(3)",
    "hedge": "Hedge(0.1)",
    "bulkhead": "Bulkhead(10)",
    "limit": "AdaptiveLimit(most=10)",
    "throttle": "Throttle(0.9)",
}
NOT_LEARNED = frozenset({"bulkhead", "limit", "throttle"})  # there is none until somebody asks for it


def fits(path: str, name: str, value: object) -> None:
    """Refuse what is neither None (learned, or none), False (off) nor a policy of the kind that *name* says."""
    if value is None or value is False:
        return
    kind = POLICIES[name]
    if isinstance(kind, str):
        kind = getattr(importlib.import_module("unbreakable.policies"), kind)
    if not isinstance(value, kind):
        article = "an" if name == "limit" else "a"
        example = EXAMPLES.get(name, f"{kind.__name__}()")
        otherwise = "None or False (none)" if name in NOT_LEARNED else "None (learned) or False (off)"
        raise refuse(path, f"{article} {kind.__name__} such as ub.{example}, {otherwise}", value)
