"""The built-in chooser: time limit, hedge delay, deadline and breaker follow from what was seen by fixed factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from unbreakable.fractal.ports import Gone
from unbreakable.fractal.settings import Settings
from unbreakable.policies import Hedge, Plan
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.policies.plan import COLD_DEADLINE
from unbreakable.policies.timeout import learned_limit
from unbreakable.stats import Traffic

TIMEOUT_OF_P99 = 3.0  # a healthy attempt hardly ever takes three times the 99th percentile
TIMEOUT_FLOOR = 0.5  # seconds: below that the machine's own pauses would be taken for the target's
DEADLINE_OF_P99 = 20.0
HEDGE_FLOOR = 0.005  # seconds: a faster target gains nothing from a second copy
HEDGE_TAIL = 2.0  # p99 must be that many times p50, else slow attempts are not worth a copy


class Tuner:
    """Derive time limits, hedge delay, deadline and breaker from what was seen: the built-in chooser."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def plan(self, target: str, before: Plan, traffic: Traffic, dice: Callable[[], float]) -> Plan:
        """Return *before* with what was not pinned tuned to *traffic*; see the table of defaults in the docs."""
        from unbreakable.fractal.learned_breaker import with_learned_breaker  # no call waits for it

        p50, p95, p99 = (traffic.ok.value(q) for q in (0.5, 0.95, 0.99))
        if p50 is None or p95 is None or p99 is None:
            return before
        plan = with_learned_deadline(self.settings, replace(before, observations=traffic.count), p99)
        plan = with_learned_breaker(self.settings, plan, traffic)
        twice = may_run_twice_at_once(before.effects)
        if self.settings.leaves("timeout") and twice:
            plan = replace(plan, timeout=learned_limit(max(TIMEOUT_FLOOR, TIMEOUT_OF_P99 * p99), plan.deadline))
        if self.settings.leaves("hedge") and twice:
            worth = p99 >= HEDGE_TAIL * p50 and p95 >= HEDGE_FLOOR
            plan = replace(plan, hedge=Hedge(p95, threads=False) if worth else None)
        return plan

    def compare(self, target: str, took: Sequence[float], lost: int, traffic: Traffic, answered: int = 0) -> None:
        """Take no notice: this chooser predicts nothing."""

    def measure(self, target: str, quick: Sequence[float], detours: Sequence[Gone], lost: int) -> None:
        """Take no notice: nobody can ask this chooser what was gained."""


def with_learned_deadline(settings: Settings, plan: Plan, p99: float) -> Plan:
    """Return *plan* with a deadline that a slow target can keep, unless one is pinned."""
    if settings.deadline is not None:
        return plan
    return replace(plan, deadline=max(COLD_DEADLINE, DEADLINE_OF_P99 * p99))
