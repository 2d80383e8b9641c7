"""The keywords of ``protect`` and of every kind of node, as type checkers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias, TypedDict

from unbreakable.fractal.judging import Check, Shape, Verify
from unbreakable.fractal.ports import Home, Memory
from unbreakable.outcome import Failure
from unbreakable.policies import (
    AdaptiveLimit,
    Bulkhead,
    CircuitBreaker,
    Hedge,
    Retry,
    RetryBudget,
    Strategy,
    Throttle,
    Timeout,
)
from unbreakable.policies.effects import Effects
from unbreakable.policies.shadow import Shadow

Off: TypeAlias = Literal[False]


class Common(TypedDict, total=False):
    """The keywords of ``protect``, ``attempts``, ``FractalNode`` and every kind of node."""

    effects: Effects
    validate: Callable[..., object] | None
    schema: Shape | None
    verify: Check | Verify | None
    remedies: Iterable[Any]
    deadline: float | None
    key: Callable[..., Any] | None
    strategy: str | Strategy
    retry: Retry | Shadow[Retry] | Off | None
    breaker: CircuitBreaker | Shadow[CircuitBreaker] | Off | None
    timeout: Timeout | Shadow[Timeout] | Off | None
    hedge: Hedge | Shadow[Hedge] | Off | None
    bulkhead: Bulkhead | Shadow[Bulkhead] | Off | None
    budget: RetryBudget | Shadow[RetryBudget] | Off | None
    limit: AdaptiveLimit | Shadow[AdaptiveLimit] | Off | None
    throttle: Throttle | Shadow[Throttle] | Off | None
    memory: Memory | None
    system: Home | None


class Options(Common, total=False):
    """The same with a fallback, which may change the type of what comes back."""

    fallback: Callable[[Failure], Any] | None
