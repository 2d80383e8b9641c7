"""How many failures in a row are an outage, and how long a target rests then, follows from what was seen of it."""

from __future__ import annotations

import math
from dataclasses import replace

from unbreakable.fractal.settings import Settings
from unbreakable.policies import CircuitBreaker, Plan
from unbreakable.policies.terms import FEW
from unbreakable.stats import Traffic

ACCIDENT = 1e-4  # how likely so many failures in a row may be in a bad spell that repeats go through: many begin a row
THOUGHT, LIKELY = 20.0, 0.7  # repeats as many of which are thought to have been seen, and how likely they failed
MOST_FAILURES = 64
REST_OF_P99, SHORTEST_REST, LONGEST_REST = 2.0, 0.1, 30.0  # who is asked again has answered, or dropped, what he was at
WAIT = 0.7  # seconds, as the pauses of a call come to


def with_learned_breaker(settings: Settings, plan: Plan, traffic: Traffic) -> Plan:
    """Return *plan* with a breaker that fits its target, unless one is pinned, or there is to be none."""
    if not settings.leaves("breaker"):
        return plan
    return replace(plan, breaker=learned_breaker(traffic, waits=plan.retry is not None))


def learned_breaker(traffic: Traffic, *, waits: bool = True) -> CircuitBreaker:
    """Return the breaker for a target whose attempts were *traffic*; *waits*: its calls may be made a little later.

    It opens after so many failures in a row as are no accident, and rests for twice the 99th percentile at first.

    >>> seen = Traffic()
    >>> seen.update(ok=[0.03] * 100, repeats=100, repeats_failed=80)
    >>> learned_breaker(seen)
    CircuitBreaker(failures=38, ratio=None, window=30.0, last=None, minimum=10, rest=0.1, most_rest=30.0, \
jitter=0.0, permits=1, ramp=0.0, slow=None, wait=0.7)
    """
    rest = REST_OF_P99 * (traffic.ok.value(0.99) or 0.0)
    return CircuitBreaker(
        failures_in_a_row(traffic.repeats, traffic.repeats_failed),
        rest=min(LONGEST_REST, max(SHORTEST_REST, rest)),
        most_rest=LONGEST_REST,
        wait=WAIT if waits else 0.0,
        learned=True,
    )


def failures_in_a_row(repeats: int, failed: int) -> int:
    """Return how many failures in a row are no accident, where so many of the *repeats* of a failed attempt *failed*.

    >>> [failures_in_a_row(*seen) for seen in ((0, 0), (20, 0), (100, 50), (100, 80), (1000, 999))]
    [26, 9, 15, 38, 64]
    """
    again = (failed + LIKELY * THOUGHT) / (repeats + THOUGHT)
    return min(MOST_FAILURES, max(FEW, math.ceil(math.log(ACCIDENT) / math.log(min(again, 0.99)))))
