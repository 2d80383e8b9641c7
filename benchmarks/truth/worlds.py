"""The worlds: what answers, how often it is asked, and how long callers wait."""

from __future__ import annotations

import math
from typing import NamedTuple

from benchmarks.truth.laws import (
    Law,
    exponential,
    inherent_stragglers,
    lognormal,
    mixture,
    pareto,
    stragglers,
)


class Endpoint(NamedTuple):
    """Describe what answers: in good times, which last *good* seconds on average, and in bad ones, which last *bad*.

    Which of the two it is depends on nothing but the seed.  A fault shows after half to one and a half *fault* seconds.
    """

    law: Law
    fails: float = 0.0
    fails_bad: float = 0.0
    good: float = math.inf
    bad: float = 0.0
    slower: float = 1.0  #: how many times as long answers take in bad times
    fault: float = 0.003


class Servers(NamedTuple):
    """Describe a queue: so many servers, first come, first served; they work on what nobody waits for any more."""

    count: int
    slow_from: float
    slow_until: float
    slower: float


class World(NamedTuple):
    """Describe a world; with two endpoints, the first is the primary and the second a replica of it."""

    name: str
    title: str
    endpoints: tuple[Endpoint, ...]
    rate: float  #: calls a second, at random
    deadline: float
    servers: Servers | None = None
    patience: float = math.inf  #: of the caller's own client, for one request, whatever the rule
    least: int = 0  #: calls of a run, for something to be seen
    together: bool = False  #: whether bad times come to all endpoints at once


def _worlds() -> list[World]:
    small, plain = lognormal(0.005, 0.002), lognormal(0.020, 0.010)
    bimodal = mixture(lognormal(0.004, 0.001), lognormal(0.060, 0.015), 0.08)
    inherent = inherent_stragglers(small, 0.05, 10.0)
    bursts = Endpoint(plain, 0.002, 0.8, good=20.0, bad=0.5)
    brownout = Endpoint(plain, 0.002, 0.02, good=30.0, bad=4.0, slower=8.0)
    primary, replica = Endpoint(lognormal(0.080, 0.030), 0.01, 0.01), Endpoint(lognormal(0.020, 0.008), 0.03, 0.03)
    overload = Servers(20, slow_from=10.0, slow_until=13.0, slower=3.0)
    return [
        World("W1", "5 % stragglers x10", (Endpoint(stragglers(small, 0.05, 10.0)),), 200.0, 1.0),
        World("W2", "Pareto 1.5", (Endpoint(pareto(0.010, 1.5, 20.0)),), 200.0, 5.0),
        World("W3", "bimodal 92/8", (Endpoint(bimodal),), 200.0, 1.0),
        World("W4", "5 % failures, independent", (Endpoint(plain, 0.05, 0.05),), 200.0, 1.0),
        World("W5", "failures in bursts", (bursts,), 20.0, 1.0),
        World("W6", "brownout x8", (brownout,), 20.0, 2.0),
        World("W7", "5 % of the calls x10, whoever is asked", (Endpoint(inherent),), 200.0, 1.0),
        World("W8", "slow primary, fast replica", (primary, replica), 200.0, 1.0),
        World("W9", "overload", (Endpoint(exponential(0.010)),), 1400.0, 1.0, overload, patience=0.1, least=35_000),
    ]  # fmt: skip


WORLDS = {world.name: world for world in _worlds()}
