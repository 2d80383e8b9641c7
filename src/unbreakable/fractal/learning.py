"""LEARN: store what happened, find the patterns in it, improve the settings.

Only ``record`` happens while a call waits, and it is a few additions.  The rest is ``learn``, which runs in the
background, once in a while: one at a time for each target.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

from unbreakable.events import DriftDetected, PlanPublished
from unbreakable.fractal.ports import Chooser, Memory
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.target import COLD, FOLD, Forecast, Target
from unbreakable.outcome import Result, Success
from unbreakable.policies import Context, Hedge, Plan, Timeout
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.policies.plan import COLD_DEADLINE
from unbreakable.runtime import Runtime
from unbreakable.stats import Quantile

TIMEOUT_OF_P99 = 3.0  # a healthy attempt hardly ever takes three times the 99th percentile
TIMEOUT_FLOOR = 0.5  # seconds: below that the machine's own pauses would be taken for the target's
DEADLINE_OF_P99 = 20.0
HEDGE_FLOOR = 0.005  # seconds: a faster target gains nothing from a second copy
HEDGE_TAIL = 2.0  # p99 must be that many times p50, else slow attempts are not worth a copy
AGE_AT = 20_000  # successes after which the older half counts half
GROWN = 1.25  # a plan is made anew when what it rests on has grown by so much


# ── store ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def record(node: Any, ctx: Context, result: Result[Any]) -> None:
    """Count how the call ended; see to it that what piled up is learned from."""
    target: Target = ctx.target
    with target.lock:
        if not isinstance(result, Success):
            target.counts.update(failed=1)
        elif result.degraded is not None:
            target.counts.update(degraded=1)
        elif ctx.attempt > 1:
            target.counts.update(healed=1)
    if isinstance(result, Success) and result.degraded is None:
        target.ring.append(result.elapsed)
    if len(target.ring) >= target.fold_at:
        learn_soon(node, target, ctx.runtime)


def learn_soon(node: Any, target: Target, runtime: Runtime) -> None:
    """Ask for ``learn`` in the background; ask again only when as much has piled up once more."""
    target.fold_at = len(target.ring) + FOLD
    runtime.background(functools.partial(learn, node, target, runtime))


def learn(node: Any, target: Target, runtime: Runtime) -> None:
    """Learn from what piled up since last time."""
    if not target.learning.acquire(blocking=False):
        return  # somebody is at it
    try:
        batch = drain(target)
        if batch:
            drifted = detect_drift(node, target, batch, runtime.now())
            aggregate(target, batch, runtime.now())
            persist(target, node.settings.memory, node, batch)
            share(target)
            predict(target)
            optimize(node, target, runtime, drifted=drifted)
        target.fold_at = FOLD if target.plan.observations else COLD
    finally:
        target.learning.release()


def drain(target: Target) -> list[float]:
    """Take the successes that piled up."""
    ring, batch = target.ring, []
    while ring:
        batch.append(ring.popleft())
        target.folded += 1
    return batch


def persist(target: Target, memory: Memory | None, node: Any, batch: list[float]) -> None:
    """Hand what is new to the memory, which keeps it and tells whoever learns about the same target."""
    did(target, "learn.store.persist")
    lessons = target.experience.take_news()
    if memory is not None:
        fresh = Quantile()
        fresh.update_many(batch)
        memory.add(target.name, {"latency": fresh.to_dict(), "lessons": lessons}, node)


def share(target: Target) -> None:
    """Take in what others learned about the same target since last time."""
    did(target, "learn.store.share")
    while target.news:
        absorb(target, target.news.popleft())


def recall(target: Target, memory: Memory | None, node: Any) -> None:
    """Begin with what the memory knows, and listen for what others add to it."""
    if memory is None:
        return
    known = memory.get(target.name)
    if known is not None:
        absorb(target, known)
    news = target.news

    def told(record: dict[str, Any], source: object) -> None:
        if source is not node:
            news.append(record)  # taken in by the next share(), so that no two nodes wait for one another

    target.ear = told
    memory.watch(target.name, told)


def absorb(target: Target, known: dict[str, Any]) -> None:
    """Add what others learned about the same target to what is known here."""
    target.latency.merge(Quantile.from_dict(known["latency"]))
    for signature, remedy, prior, worked in known["lessons"]:
        target.experience.learn(signature, remedy, prior, worked=worked)


# ── patterns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def aggregate(target: Target, batch: list[float], now: float) -> None:
    """Add the batch to the statistics; what is old loses weight."""
    did(target, "learn.patterns.aggregate")
    target.latency.update_many(batch)
    if target.latency.count > AGE_AT:
        target.latency.halve()
    bad = target.counts.failed + target.counts.degraded
    target.success_rate.update(len(batch) / (len(batch) + max(0, bad - target.bad_seen)), now)
    target.bad_seen = bad


def detect_drift(node: Any, target: Target, batch: list[float], now: float) -> bool:
    """Return whether the latency is no longer what it was; if so, what was known of it is forgotten."""
    did(target, "learn.patterns.detect_drift")
    alarms = [target.drift.update(seconds) for seconds in batch]  # every one is taken in, an alarm or not
    if not any(alarms):
        return False
    recent = Quantile()
    recent.update_many(batch)
    before, after = target.latency.value(0.5), recent.value(0.5)
    target.latency = Quantile()
    node.tell(DriftDetected(at=now, node=node.name, before=before or 0.0, after=after or 0.0))
    return True


def predict(target: Target) -> None:
    """Say what the next calls will be like."""
    did(target, "learn.patterns.predict")
    latency = target.latency
    target.forecast = Forecast(
        success_rate=target.success_rate.value(), p50=latency.value(0.5), p99=latency.value(0.99)
    )


# ── optimise ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Tuner:
    """Derive time limits, hedge delay and deadline from the latency of successes: the built-in chooser."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def plan(self, before: Plan, latency: Quantile, observations: int) -> Plan:
        """Return *before* with what was not pinned tuned to *latency*; see the table of defaults in the docs."""
        p50, p95, p99 = latency.value(0.5), latency.value(0.95), latency.value(0.99)
        if p50 is None or p95 is None or p99 is None:
            return before
        plan = replace(before, observations=observations)
        twice = may_run_twice_at_once(before.effects)
        if self.settings.deadline is None:
            plan = replace(plan, deadline=max(COLD_DEADLINE, DEADLINE_OF_P99 * p99))
        if self.settings.leaves("timeout") and twice:
            seconds = min(max(TIMEOUT_FLOOR, TIMEOUT_OF_P99 * p99), plan.deadline)
            plan = replace(plan, timeout=Timeout(seconds, cut_threads=False))
        if self.settings.leaves("hedge") and twice:
            worth = p99 >= HEDGE_TAIL * p50 and p95 >= HEDGE_FLOOR
            plan = replace(plan, hedge=Hedge(p95, threads=False) if worth else None)
        return plan


def optimize(node: Any, target: Target, runtime: Runtime, *, drifted: bool) -> None:
    """Make a new plan when enough is new, and put it in force."""
    did(target, "learn.optimize.tune")
    observations = target.latency.count
    known = target.plan.observations
    if drifted and observations < COLD:
        publish(node, target, replace(target.cold, observations=0), runtime)
    elif observations >= COLD and (drifted or known == 0 or observations >= GROWN * known or observations < known):
        did(target, "learn.optimize.plan")
        chooser: Chooser = node.chooser
        publish(node, target, chooser.plan(target.plan, target.latency, observations), runtime)


def publish(node: Any, target: Target, plan: Plan, runtime: Runtime) -> None:
    """Swap the plan in; a tighter time limit counts for the attempts in flight, too."""
    did(target, "learn.optimize.publish")
    target.adopt(plan)
    if plan.limit < math.inf:
        for driver in node.drivers:
            driver.tighten(target, plan.limit)
    node.tell(
        PlanPublished(
            at=runtime.now(),
            node=node.name,
            timeout=None if plan.limit == math.inf else plan.limit,
            hedge=None if plan.hedge is None else plan.hedge.after,
            deadline=plan.deadline,
            observations=plan.observations,
        )
    )


def did(target: Target, *paths: str) -> None:
    """Note that background sub-operations ran."""
    for path in paths:
        target.learned[path] = target.learned.get(path, 0) + 1
