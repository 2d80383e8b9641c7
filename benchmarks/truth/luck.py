"""What happens in one run of a world, whatever the rule: when calls come, and what becomes of each request.

The n-th request to an endpoint that is made for the k-th call has the same luck under every rule, so that differences
between rules are theirs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any, NamedTuple

import numpy as np
from benchmarks.truth.worlds import Endpoint, World

ARRIVALS, INHERENT, REQUESTS, REGIME, PAUSES, SHARES = range(6)  # streams of dice


class Draws(NamedTuple):
    """Hold the luck of the n-th requests to an endpoint: a number each call."""

    fault: Any  #: uniform: it fails if this is below the failure probability
    takes: Any  #: seconds, in good times
    notices: Any  #: seconds until a fault shows


class Luck:
    """Draw what one run needs, each thing when it is first asked for."""

    def __init__(self, world: World, calls: int, seed: int) -> None:
        self.world, self.calls, self.seed = world, max(calls, world.least), seed
        self.comes = np.cumsum(self._dice(ARRIVALS).exponential(1.0 / world.rate, self.calls))
        self.inherent = self._dice(INHERENT).random(self.calls)
        self.regimes = [self._regime(number) for number in range(len(world.endpoints))]
        self._kept: dict[tuple[int, ...], Any] = {}

    def _dice(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *stream])

    def _regime(self, number: int) -> list[float]:
        endpoint = self.world.endpoints[number]
        return changes(endpoint, float(self.comes[-1]) + 60.0, self._dice(REGIME, 0 if self.world.together else number))

    def draws(self, endpoint: int, nth: int) -> Draws:
        """Return the luck of the *nth* request (0, 1, …) of each call to that endpoint, as arrays."""
        key = (REQUESTS, endpoint, nth)
        if key not in self._kept:
            dice, what = self._dice(*key), self.world.endpoints[endpoint]
            fault, notices = dice.random(self.calls), what.fault * (0.5 + dice.random(self.calls))
            self._kept[key] = Draws(fault, what.law(dice, self.inherent), notices)
        found: Draws = self._kept[key]
        return found

    def listed(self, endpoint: int, nth: int) -> Draws:
        """Return the same as lists, which are faster to read one by one."""
        key = (REQUESTS, endpoint, nth, 1)
        if key not in self._kept:
            self._kept[key] = Draws(*(each.tolist() for each in self.draws(endpoint, nth)))
        found: Draws = self._kept[key]
        return found

    def rolls(self, stream: int, nth: int) -> Any:
        """Return uniform numbers, one a call, for the *nth* pause, or for whether there is an *nth* copy."""
        if (stream, nth) not in self._kept:
            self._kept[stream, nth] = self._dice(stream, nth).random(self.calls)
        return self._kept[stream, nth]

    def is_bad(self, endpoint: int, moment: float) -> bool:
        """Return whether that endpoint has bad times at that moment."""
        edges = self.regimes[endpoint]
        return bool(edges) and bool(bisect_right(edges, moment) & 1)


def changes(endpoint: Endpoint, until: float, dice: np.random.Generator) -> list[float]:
    """Return the moments at which good times turn bad and bad ones good."""
    if math.isinf(endpoint.good):
        return []
    moment, found = 0.0, list[float]()
    while moment <= until:
        moment += dice.exponential(endpoint.bad if len(found) & 1 else endpoint.good)
        found.append(float(moment))
    return found
