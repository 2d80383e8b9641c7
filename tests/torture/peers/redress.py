"""redress: ``Policy`` and ``AsyncPolicy`` around calls, and the decorator where there is nothing but a retry."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any

import redress
from redress import AsyncPolicy, AsyncRetry, Budget, CircuitBreaker, Classification, ErrorClass, Policy, Retry
from tests.torture.matrix.peer import Peer, asks
from tests.torture.matrix.peer import Retry as Wish

ONCE = Wish(1, 0.0, Exception)


def options(wish: Any, wishes: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a retry."""

    def classify(error: BaseException) -> Any:
        if not isinstance(error, (wish.on, TimeoutError) if wish.on is Exception else wish.on):
            return ErrorClass.PERMANENT
        if asks(type(error)):
            return Classification(klass=ErrorClass.RATE_LIMIT, retry_after_s=error.retry_after)
        return ErrorClass.TRANSIENT

    strategy: Any = lambda ctx: wish.pause
    found = {"classifier": classify, "max_attempts": wish.attempts, "deadline_s": wishes.get("deadline", 1e6)}
    found["strategy"] = redress.retry_after_or(strategy) if asks(wish.on) else strategy
    if "timeout" in wishes:
        found["attempt_timeout_s"] = wishes["timeout"]
    if verify := wishes.get("verify"):
        found["result_classifier"] = lambda result: None if verify(result) else ErrorClass.TRANSIENT
    if budget := wishes.get("budget"):
        found["budget"] = budget if isinstance(budget, Budget) else Budget(max_retries=2 * budget.start, window_s=60.0)
    return found


class Redress(Peer):
    """Retry, budget, time limits, breaker."""

    name = "redress"
    refused = (redress.CircuitOpenError,)
    cut = (TimeoutError,)

    def protect(self, work: Any, **wishes: Any) -> Any:
        if {"hedge", "bulkhead", "fallback"} & set(wishes) or ("deadline" in wishes and "retry" not in wishes):
            self.offers_not()
        breaker, wish = wishes.get("breaker"), wishes.get("retry", ONCE)
        retry = options(wish, wishes) if wishes.keys() - {"breaker"} else None
        if breaker is None:
            return redress.retry(**retry)(work)
        self.check_plain(breaker)
        self.policy = made_policy(work, breaker, wish, retry)
        return called(self.policy, work)

    def defaults(self, work: Any) -> Any:
        return redress.retry(work)

    def shared_budget(self, works: Any, retry: Any, budget: Any) -> Any:
        shared = Budget(max_retries=budget.start, window_s=60.0)
        return [redress.retry(**options(retry, {"budget": shared}))(work) for work in works]

    async def told(self, door: Any, calls: Any) -> list[int]:
        policy = AsyncPolicy(retry=AsyncRetry(**options(Wish(3, 0.01), {})))
        outcomes = [policy.execute(functools.partial(door.__wrapped__, *args)) for args in calls]
        return [outcome.attempts for outcome in await asyncio.gather(*outcomes)]

    after = staticmethod(Peer.asking)

    def typed(self) -> dict[str, str]:
        return {"imports": "from redress import retry", "decorator": "@retry", "async_decorator": "@retry"}


def made_policy(work: Any, breaker: Any, wish: Any, retry: Any) -> Any:
    """Return a policy of the colour of *work*."""
    circuit = CircuitBreaker(
        failure_threshold=breaker.failures,
        window_s=60.0,
        recovery_timeout_s=breaker.rest,
        trip_on={ErrorClass.TRANSIENT},
    )
    found = retry or options(wish._replace(on=breaker.on), {})
    if inspect.iscoroutinefunction(work):
        return AsyncPolicy(retry=AsyncRetry(**found), circuit_breaker=circuit)
    return Policy(retry=Retry(**found), circuit_breaker=circuit)


def called(policy: Any, work: Any) -> Any:
    """Return a function that calls *work* through *policy*."""
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def door(*args: Any, **kwargs: Any) -> Any:
            return await policy.call(lambda: work(*args, **kwargs))

        return door

    @functools.wraps(work)
    def plain_door(*args: Any, **kwargs: Any) -> Any:
        return policy.call(lambda: work(*args, **kwargs))

    return plain_door


PEER = Redress
