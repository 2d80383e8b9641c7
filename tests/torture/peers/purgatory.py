"""purgatory: a factory of breakers, one for each colour, as decorators."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

from purgatory import AsyncCircuitBreakerFactory, SyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from tests.torture.matrix.peer import Peer

numbers = itertools.count()


class Purgatory(Peer):
    """A breaker only."""

    name = "purgatory"
    refused = (OpenedState,)

    def breaker(self, work: Any, wish: Any) -> Any:
        self.check_plain(wish)
        is_async = inspect.iscoroutinefunction(work)
        factory = (AsyncCircuitBreakerFactory if is_async else SyncCircuitBreakerFactory)(
            default_threshold=wish.failures,
            default_ttl=wish.rest,
            exclude=[(Exception, lambda error: not isinstance(error, wish.on))],
        )
        return factory(f"circuit {next(numbers)}")(work)

    def typed(self) -> dict[str, str]:
        return {
            "imports": "from purgatory import AsyncCircuitBreakerFactory, SyncCircuitBreakerFactory\n"
            "several, plain_ones = AsyncCircuitBreakerFactory(), SyncCircuitBreakerFactory()",
            "decorator": "@plain_ones('plain')",
            "async_decorator": "@several('coloured')",
        }


PEER = Purgatory
