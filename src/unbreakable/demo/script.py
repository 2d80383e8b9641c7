"""What each partner will do wrong, decided before anybody has called it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from unbreakable.demo.dice import lognormal, pareto, uniforms


class Fault(enum.Enum):
    """What goes wrong with one request."""

    NONE = "none"
    ERROR = "error"  # 500
    UNAVAILABLE = "unavailable"  # 503 with Retry-After
    RESET = "reset"  # the connection is torn down with a RST
    HANG = "hang"  # no answer, ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one request meets: the seconds it takes, its fault, and whether the effect is committed all the same."""

    latency: float
    fault: Fault = Fault.NONE
    committed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slow a service is: a lognormal body, and a share of requests in a heavy tail (seconds)."""

    median: float
    sigma: float
    tail_share: float = 0.015
    tail_least: float = 0.08
    tail_alpha: float = 1.2
    most: float = 1.5

    def latency(self, which: float, u: float) -> float:
        """Return the seconds for two uniform numbers: the first chooses body or tail, the second the place in it."""
        if which < self.tail_share:
            return min(self.median + pareto(u, self.tail_least, self.tail_alpha), self.most)
        return min(lognormal(u, self.median, self.sigma), self.most)


PACES = {
    "flights-primary": Pace(median=0.200, sigma=0.35),
    "flights-replica": Pace(median=0.010, sigma=0.35),
    "hotels": Pace(median=0.008, sigma=0.35),
    "payments": Pace(median=0.012, sigma=0.35),
}

TOKEN_ROUTE = "POST /token"  # noqa: S105 -- the name of a route
TOKEN_PACE = Pace(median=0.008, sigma=0.35)  # issuing one takes no searching, whichever service does it

RETRY_AFTER = 1  # the header is in whole seconds
_SHARES = ((Fault.ERROR, 0.30), (Fault.UNAVAILABLE, 0.25), (Fault.RESET, 0.30), (Fault.HANG, 0.15))
_COMMITTED_SHARE = 0.5  # of the resets and hangs on a request with an effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The misbehaviour of every partner for one seed; both runs of the demo play the same one."""

    seed: int
    fault_rate: float

    def turn(self, service: str, route: str, booking: str, visit: int) -> Turn:
        """Return what the n-th request of this booking to this route of this service meets."""
        which, place, faulty, kind, committed, *_ = uniforms(self.seed, service, route, booking, visit)
        pace = TOKEN_PACE if route == TOKEN_ROUTE else PACES[service]
        latency = pace.latency(which, place)
        if faulty >= self.fault_rate:
            return Turn(latency=latency)
        fault = _pick(kind)
        after = fault in (Fault.RESET, Fault.HANG) and committed < _COMMITTED_SHARE
        return Turn(latency=latency, fault=fault, committed=after)


def _pick(u: float) -> Fault:
    for fault, share in _SHARES:
        if u < share:
            return fault
        u -= share
    return _SHARES[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One partner's process is killed at a moment of the run and is back after some seconds."""

    service: str
    at: float
    down: float


def outages(length: float, *, kill_partner: bool) -> tuple[Outage, ...]:
    """Return the outages of a run of this many seconds: one short restart, and a long one in the middle if asked."""
    restart = Outage(service="hotels", at=0.3 * length, down=0.5)
    if not kill_partner:
        return (restart,)
    return (restart, Outage(service="payments", at=0.5 * length, down=3.0))
