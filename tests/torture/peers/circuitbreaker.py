"""circuitbreaker: ``@circuit(…)``."""

from __future__ import annotations

import itertools
from typing import Any

from circuitbreaker import CircuitBreakerError, circuit
from tests.torture.matrix.peer import Peer

numbers = itertools.count()


class OneBreaker(Peer):
    """A breaker only."""

    name = "circuitbreaker"
    refused = (CircuitBreakerError,)

    def breaker(self, work: Any, wish: Any) -> Any:
        self.check_plain(wish)
        options = {"failure_threshold": wish.failures, "recovery_timeout": wish.rest, "expected_exception": wish.on}
        return circuit(name=f"circuit {next(numbers)}", **options)(work)

    def stream_breaker(self, work: Any, breaker: Any) -> Any:
        return self.protect(work, breaker=breaker)

    def typed(self) -> dict[str, str]:
        return {"imports": "from circuitbreaker import circuit", "decorator": "@circuit", "async_decorator": "@circuit"}


PEER = OneBreaker
