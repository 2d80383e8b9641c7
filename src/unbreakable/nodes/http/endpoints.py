"""Which replica of a service to ask: the best of those that work, and a dead one again after a rest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from unbreakable.runtime import new_lock

FAULTS = 3  # in a row, after which an endpoint that answers badly is left in peace; one that is not there: at once
FIRST_REST, MOST_REST = 5.0, 60.0  # seconds; each rest without a good answer since is twice as long


class Endpoints:
    """Remember which of the replicas at *urls*, in the order of preference, rest; moments are the caller's *now*."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(urls)
        self._faults = dict.fromkeys(self.urls, 0)
        self._rests = dict.fromkeys(self.urls, 0)
        self._until = dict.fromkeys(self.urls, -math.inf)
        self._lock = new_lock()

    def choose(
        self, now: float, ranked: Sequence[str] = (), *, wanted: str | None = None, avoid: str | None = None
    ) -> str:
        """Return whom to ask: *wanted* unless it rests, else the first of *ranked* that does not; *avoid* comes last.

        One caller tries an endpoint whose rest is over; for the others it rests on, longer, until that one reports.
        """
        if len(self.urls) == 1:
            return self.urls[0]
        with self._lock:
            order = sorted(ranked or self.urls, key=lambda url: (url == avoid, url != wanted))  # stable: else as ranked
            fit = next((url for url in order if self._until[url] <= now), None)
            if fit is None:
                return min(order, key=self._until.__getitem__)
            if self._rests[fit]:
                self._rests[fit] += 1
                self._until[fit] = now + self._rest(fit)
            return fit

    def others_work(self, now: float, url: str) -> bool:
        """Return whether an endpoint other than *url* does not rest."""
        return any(other != url and self._until[other] <= now for other in self.urls)

    def resting(self, now: float) -> tuple[str, ...]:
        """Return the endpoints that are left in peace."""
        return tuple(url for url in self.urls if self._until[url] > now)

    def worked(self, url: str) -> None:
        """Take note of an answer."""
        if self._faults[url] or self._rests[url]:
            with self._lock:
                self._faults[url], self._rests[url], self._until[url] = 0, 0, -math.inf

    def failed(self, url: str, now: float, *, dead: bool) -> None:
        """Take note of a failure; *dead* when there was nobody to talk to."""
        with self._lock:
            self._faults[url] += 1
            if dead or self._faults[url] >= FAULTS or self._rests[url]:
                self._rests[url] = self._rests[url] or 1
                self._until[url] = max(self._until[url], now + self._rest(url))

    def _rest(self, url: str) -> float:
        return min(MOST_REST, FIRST_REST * 2.0 ** min(10, self._rests[url] - 1))
