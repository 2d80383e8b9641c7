"""pyresilience: one decorator with a configuration object for each pattern."""

from __future__ import annotations

from typing import Any

import pyresilience
from pyresilience import (
    BulkheadConfig,
    CacheConfig,
    CircuitBreakerConfig,
    FallbackConfig,
    MetricsCollector,
    RetryBudget,
    RetryBudgetConfig,
    RetryConfig,
    TimeoutConfig,
    resilient,
)
from tests.torture.matrix.peer import NotOffered, Peer, asks


def made_retry(wish: Any, verify: Any = None, **also: Any) -> Any:
    """Return the configuration of a retry for what is wished for."""
    options: dict[str, Any] = {"max_attempts": wish.attempts, "delay": wish.pause, "backoff_factor": 1.0}
    if verify is not None:
        options["retry_on_result"] = lambda result: not verify(result)
    if asks(wish.on):
        options["delay_func"] = lambda attempt, trigger: trigger.retry_after
    return RetryConfig(jitter=False, retry_on=(wish.on,), **options, **also)


def made_breaker(wish: Any) -> Any:
    """Return the configuration of a breaker for what is wished for."""
    if wish.permits > 1 or wish.most_rest is not None:
        raise NotOffered
    options: dict[str, Any] = {"success_threshold": 1, "error_types": (wish.on,)}
    if wish.slow is not None:
        options |= {"sliding_window_size": 10, "minimum_calls": wish.failures, "slow_call_duration": wish.slow}
    return CircuitBreakerConfig(wish.failures, wish.rest, **options)


def made_budget(budget: Any) -> Any:
    """Return the configuration of a budget that fills up slowly."""
    return RetryBudgetConfig(max_retries=budget.start, refill_rate=1.0)


CONFIGURATIONS: dict[str, tuple[str, Any]] = {
    "retry": ("retry", lambda wishes: made_retry(wishes["retry"], wishes.get("verify"))),
    "breaker": ("circuit_breaker", lambda wishes: made_breaker(wishes["breaker"])),
    "timeout": ("timeout", lambda wishes: TimeoutConfig(seconds=wishes["timeout"])),
    "deadline": ("timeout", lambda wishes: TimeoutConfig(seconds=wishes["deadline"], per_attempt=False)),
    "bulkhead": ("bulkhead", lambda wishes: BulkheadConfig(wishes["bulkhead"])),
    "fallback": ("fallback", lambda wishes: FallbackConfig(handler=wishes["fallback"])),
    "budget": ("retry_budget", lambda wishes: made_budget(wishes["budget"])),
}


class Pyresilience(Peer):
    """One decorator."""

    name = "pyresilience"
    refused = (pyresilience.CircuitOpenError, pyresilience.BulkheadFullError)
    cut = (pyresilience.ResilienceTimeoutError,)

    def protect(self, work: Any, **wishes: Any) -> Any:
        if "hedge" in wishes or {"timeout", "deadline"} <= set(wishes) or {"verify", "breaker"} <= set(wishes):
            raise NotOffered
        self.metrics = MetricsCollector()
        made = {CONFIGURATIONS[wish][0]: CONFIGURATIONS[wish][1](wishes) for wish in wishes if wish != "verify"}
        return resilient(**made, listeners=[self.metrics])(work)

    def defaults(self, work: Any) -> Any:
        return resilient(retry=RetryConfig())(work)

    def shared_budget(self, works: Any, retry: Any, budget: Any) -> Any:
        shared = RetryBudget(made_budget(budget))
        return [resilient(retry=made_retry(retry, retry_budget=shared))(work) for work in works]

    def counted(self, door: Any) -> tuple[int, int]:
        (counts,) = self.metrics.get_counts().values()
        return counts.get("success", 0), counts.get("failure", 0)

    def cached(self, work: Any, answer: Any) -> Any:
        return resilient(cache=CacheConfig(ttl=60.0), fallback=FallbackConfig(handler=answer))(work)

    def settings(self) -> list[Any]:
        return [RetryConfig(), CircuitBreakerConfig(), TimeoutConfig(), BulkheadConfig()]

    after = staticmethod(Peer.asking)

    def typed(self) -> dict[str, str]:
        decorator = "@resilient(retry=RetryConfig(max_attempts=3))"
        return {
            "imports": "from pyresilience import FallbackConfig, RetryConfig, resilient",
            "decorator": decorator,
            "async_decorator": decorator,
            "fallback_decorator": "@resilient(fallback=FallbackConfig(handler=lambda error: None))",
        }


PEER = Pyresilience
