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
    retry: Retry | Off | None
    breaker: CircuitBreaker | Off | None
    timeout: Timeout | Off | None
    hedge: Hedge | Off | None
    bulkhead: Bulkhead | Off | None
    budget: RetryBudget | Off | None
    limit: AdaptiveLimit | Off | None
    throttle: Throttle | Off | None
    memory: Memory | None
    system: Home | None


class Options(Common, total=False):
    """The same with a fallback, which may change the type of what comes back."""

    fallback: Callable[[Failure], Any] | None
