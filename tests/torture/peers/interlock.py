"""interlock-cb: its pipeline, with the retry of its tenacity extra."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import tenacity
from interlock import BulkheadFullError, CallTimeoutError, CircuitBreaker, CircuitOpenError, Config, Pipeline, Registry
from tests.torture.matrix.peer import Peer, asks

numbers = itertools.count()


class Judge:
    """Say which errors, and which results, are failures."""

    def __init__(self, on: Any, verify: Any) -> None:
        self.on, self.verify = on, verify

    def is_failure(self, *, result: object, exception: Exception | None) -> bool:
        """Return whether the call counts as failed."""
        if exception is not None:
            return isinstance(exception, self.on)
        return self.verify is not None and not self.verify(result)


def config(wish: Any) -> Any:
    """Return a configuration that opens once as many calls as wished for have failed, and lets one probe through."""
    return Config(
        minimum_number_of_calls=wish.failures,
        window_size=max(100, wish.failures),
        wait_duration_in_open=wish.rest,
        permitted_calls_in_half_open=wish.permits,
        max_concurrent_probes=wish.permits,
        slow_call_duration_threshold=wish.slow or 60.0,
        wait_duration_backoff_multiplier=1.0 if wish.most_rest is None else 2.0,
        wait_duration_in_open_max=wish.most_rest,
    )


class Interlock(Peer):
    """Breaker, retry, bulkhead, time limit, fallback."""

    name = "interlock-cb"
    refused = (CircuitOpenError, BulkheadFullError)
    cut = (CallTimeoutError,)
    order = ("timeout", "bulkhead", "breaker", "retry", "fallback")  # as in its README
    breaker_takes = ("verify",)

    def retry(self, work: Any, wish: Any) -> Any:
        pause: Any = tenacity.wait_fixed(wish.pause)
        if asks(wish.on):
            pause = tenacity.wait_exception(lambda error: error.retry_after)
        kinds = tenacity.retry_if_exception_type(wish.on)
        return Pipeline.builder().retry(attempts=wish.attempts, retry=kinds, wait=pause).build()(work)

    def breaker(self, work: Any, wish: Any, verify: Any = None) -> Any:
        name = f"breaker {next(numbers)}"
        self.last = CircuitBreaker(name=name, config=config(wish), classifier=Judge(wish.on, verify))
        return self.last(work)

    def timeout(self, work: Any, seconds: float) -> Any:
        return Pipeline.builder().timeout(seconds).build()(work)

    def bulkhead(self, work: Any, most: int) -> Any:
        return Pipeline.builder().bulkhead(most).build()(work)

    def fallback(self, work: Any, answer: Any) -> Any:
        return Pipeline.builder().fallback(answer).build()(work)

    def shared_bulkhead(self, most: int) -> Any:
        return Pipeline.builder().bulkhead(most).build()

    def defaults(self, work: Any) -> Any:
        return Pipeline.builder().retry().build()(work)

    def keyed(self, work: Any, breaker: Any) -> Any:
        registry = Registry(config=config(breaker), classifier=Judge(breaker.on, None))

        @functools.wraps(work)
        async def door(host: str) -> Any:
            return await registry.get(host).call(work, host)

        return door

    def force_open(self, door: Any) -> None:
        self.last.force_open()

    def counted(self, door: Any) -> tuple[int, int]:
        window = self.last.snapshot()
        return window.total_calls - window.failed_calls, window.failed_calls

    def settings(self) -> list[Any]:
        return [Config()]

    after = staticmethod(Peer.asking)

    def typed(self) -> dict[str, str]:
        return {
            "imports": "from interlock import CircuitBreaker, Pipeline\nbreaker = CircuitBreaker(name='b')\n"
            "pipeline = Pipeline.builder().fallback(lambda error: None).build()",
            "decorator": "@breaker",
            "async_decorator": "@breaker",
            "fallback_decorator": "@pipeline",
        }


PEER = Interlock
