"""nopanic: policies as decorators, composed in the order that its README shows."""

from __future__ import annotations

from typing import Any

import nopanic
from nopanic import testing
from tests.torture.matrix.peer import NotOffered, Peer


def made_retry(wish: Any, *, verify: Any = None, budget: Any = None) -> Any:
    """Return the retry policy for what is wished for."""
    options: dict[str, Any] = {"on": wish.on, "backoff": nopanic.backoff.fixed(wish.pause)}
    if verify is not None:
        options["on_result"] = lambda result: not verify(result)
    if budget is not None:
        options["budget"] = budget if isinstance(budget, nopanic.RetryBudget) else made_budget(budget)
    return nopanic.retry(attempts=wish.attempts, **options)


def made_budget(budget: Any) -> Any:
    """Return a budget whose floor, over its window of 10 s, is what one begins with."""
    return nopanic.RetryBudget(ratio=budget.ratio or 0.01, min_retries_per_sec=budget.start / 10.0)


def made_breaker(wish: Any) -> Any:
    """Return a breaker that opens once as many calls as wished for have failed."""
    if wish.most_rest is not None:
        raise NotOffered
    return nopanic.circuit_breaker(
        min_calls=wish.failures,
        reset_timeout=wish.rest,
        on=wish.on,
        half_open_max_calls=wish.permits,
        slow_call_duration=wish.slow,
    )


class Nopanic(Peer):
    """Everything but learning."""

    name = "nopanic"
    refused = (nopanic.CircuitOpen, nopanic.BulkheadFull)
    cut = (TimeoutError,)
    retry_takes = ("verify", "budget")

    def retry(self, work: Any, wish: Any, **also: Any) -> Any:
        return made_retry(wish, **also)(work)

    def breaker(self, work: Any, wish: Any) -> Any:
        self.last = made_breaker(wish)
        return self.last(work)

    def timeout(self, work: Any, seconds: float) -> Any:
        return nopanic.timeout(seconds)(work)

    def hedge(self, work: Any, after: float) -> Any:
        self.check_async(work)
        return nopanic.hedge(delay=after)(work)

    def bulkhead(self, work: Any, most: int) -> Any:
        return nopanic.bulkhead(most, max_wait=0)(work)

    def fallback(self, work: Any, answer: Any) -> Any:
        return nopanic.fallback(answer)(work)

    def deadline(self, work: Any, seconds: float) -> Any:
        return nopanic.deadline(seconds)(work)

    def stream(self, work: Any, retry: Any) -> Any:
        return self.protect(work, retry=retry)

    def stream_breaker(self, work: Any, breaker: Any) -> Any:
        return self.protect(work, breaker=breaker)

    def defaults(self, work: Any) -> Any:
        return nopanic.retry()(work)

    def shared_budget(self, works: Any, retry: Any, budget: Any) -> Any:
        shared = made_budget(budget)
        return [made_retry(retry, budget=shared)(work) for work in works]

    def shared_bulkhead(self, most: int) -> Any:
        return nopanic.bulkhead(most, max_wait=0)

    def keyed(self, work: Any, breaker: Any) -> Any:
        return nopanic.keyed(lambda host: made_breaker(breaker), key=lambda host: host)(work)

    def force_open(self, door: Any) -> None:
        self.last.force_open()

    def counted(self, door: Any) -> tuple[int, int]:
        metrics = self.last.metrics
        return metrics.calls - metrics.failures, metrics.failures

    def testing(self) -> Any:
        return testing.instant()

    def cached(self, work: Any, answer: Any) -> Any:
        return nopanic.compose(nopanic.fallback(answer), nopanic.cache(ttl=60.0))(work)

    def settings(self) -> list[Any]:
        return [nopanic.retry()]  # the other policies are what they hold, too

    after = staticmethod(Peer.asking)

    def typed(self) -> dict[str, str]:
        decorator = "@nopanic.retry(attempts=3)"
        return {
            "imports": "import nopanic",
            "decorator": decorator,
            "async_decorator": decorator,
            "fallback_decorator": "@nopanic.fallback(lambda error: None)",
        }


PEER = Nopanic
