"""The library's own policies with a plan that is held: nothing that is learned changes it.

So what the twin predicts of a plan can be set beside what the policies make of it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from benchmarks.truth.luck import Luck
from benchmarks.truth.ours import Ask, ours
from benchmarks.truth.paced import Paced
from benchmarks.truth.play import Run

import unbreakable as ub
from unbreakable.fractal.learning import learn_the_rest
from unbreakable.fractal.tuner import Tuner
from unbreakable.policies import Plan
from unbreakable.stats import Traffic


class Still(Tuner):
    """Choose nothing: the plan in force stays."""

    def plan(self, target: str, before: Plan, traffic: Traffic, dice: object) -> Plan:
        """Return the plan that was *before*, seldom enough."""
        return replace(before, observations=traffic.count)


class Steady:
    """Take no change for a drift: what was seen of the whole run is kept."""

    def update(self, seconds: float) -> bool:
        """Return that it is no alarm."""
        return False


def hold(luck: Luck, plan: Plan) -> tuple[Run, Traffic]:
    """Return what becomes of the calls when the policies keep to *plan*, and what was learned of the attempts."""
    kept: list[Any] = []

    def protect(luck: Luck, asks: list[Ask]) -> Ask:
        strategy = ub.Strategy(
            "held",
            retry=plan.retry or False,
            hedge=plan.hedge or False,
            timeout=plan.timeout or False,
            breaker=False,
            budget=False,
        )
        call = ub.protect("service", effects="none", strategy=strategy, deadline=luck.world.deadline)(asks[0])
        node: Any = call.node  # type: ignore[attr-defined]
        node.chooser = Still(node.settings)
        node.target.drift = Steady()
        kept.append(node)
        return call

    run = ours(luck, protect)
    (node,) = kept
    learn_the_rest(node)
    return run, node.target.traffic


def paced(plan: Plan) -> Paced:
    """Return *plan* by its figures."""
    retry, hedge = plan.retry, plan.hedge
    backoff = None if retry is None else retry.backoff
    attempts = 1 if retry is None else retry.attempts
    return Paced(
        plan.strategy,
        attempts,
        () if backoff is None else tuple(backoff.pause(number, 1.0) for number in range(1, attempts)),
        jitter=backoff is None or backoff.jitter,
        limit=math.inf if plan.timeout is None else plan.timeout.seconds,
        soft=plan.timeout is not None and plan.timeout.learned,
        copies=() if hedge is None else tuple(number * hedge.after for number in range(1, 1 + hedge.most)),
    )
