"""hyx: decorators for async functions."""

from __future__ import annotations

from typing import Any

from hyx.bulkhead import bulkhead
from hyx.bulkhead.exceptions import BulkheadFull
from hyx.circuitbreaker import consecutive_breaker
from hyx.circuitbreaker.exceptions import BreakerFailing
from hyx.fallback import fallback
from hyx.retry import retry
from hyx.timeout import timeout
from hyx.timeout.exceptions import MaxDurationExceeded
from tests.torture.matrix.peer import Peer


class Hyx(Peer):
    """Async only."""

    name = "hyx"
    refused = (BreakerFailing, BulkheadFull)
    cut = (MaxDurationExceeded,)
    colours = ("async",)

    def retry(self, work: Any, wish: Any) -> Any:
        return retry(on=wish.on, attempts=wish.attempts, backoff=wish.pause)(work)

    def breaker(self, work: Any, wish: Any) -> Any:
        self.check_plain(wish)
        return consecutive_breaker(
            exceptions=wish.on,
            failure_threshold=wish.failures,
            recovery_time_secs=wish.rest,
            recovery_threshold=1,
        )(work)

    def timeout(self, work: Any, seconds: float) -> Any:
        return timeout(max_delay_secs=seconds)(work)

    def bulkhead(self, work: Any, most: int) -> Any:
        return bulkhead(max_concurrency=most, max_capacity=most)(work)

    def fallback(self, work: Any, answer: Any) -> Any:
        async def handler(result: Any, *args: Any, **kwargs: Any) -> Any:
            return answer(result)

        return fallback(handler)(work)

    def typed(self) -> dict[str, str]:
        return {"imports": "from hyx.retry import retry", "async_decorator": "@retry(on=OSError, attempts=3)"}


PEER = Hyx
