"""pybreaker: a breaker as a decorator of plain functions; its async form is for Tornado."""

from __future__ import annotations

from typing import Any

import pybreaker
from tests.torture.matrix.peer import Peer


class Pybreaker(Peer):
    """A breaker only."""

    name = "pybreaker"
    refused = (pybreaker.CircuitBreakerError,)
    colours = ("sync",)

    def breaker(self, work: Any, wish: Any) -> Any:
        self.check_plain(wish)
        breaker = pybreaker.CircuitBreaker(
            fail_max=wish.failures,
            reset_timeout=wish.rest,
            exclude=[lambda error: not isinstance(error, wish.on)],
        )
        return breaker(work)

    def typed(self) -> dict[str, str]:
        return {
            "imports": "import pybreaker\nbreaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=60)",
            "decorator": "@breaker",
        }


PEER = Pybreaker
