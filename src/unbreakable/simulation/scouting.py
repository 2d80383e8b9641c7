"""A call that goes another way than the best one, to find out, is rescued: the best one is asked when that is late."""

from __future__ import annotations

from dataclasses import replace

from unbreakable.fractal.target import COLD
from unbreakable.policies import Context, Hedge
from unbreakable.simulation.jobs import Choice, Order
from unbreakable.simulation.race import Race, is_calm

LATE = 0.9  # quantile of how long the best way takes, after which it would have answered


def set_out(ctx: Context, order: Order) -> None:
    """Choose the way of the first attempt of *ctx*; where it is not the best one, that one comes to the rescue."""
    if len(order.ways) < 2:
        return
    ctx.choice = choice = Choice(order.ways, ctx.target)
    order.first = first = order.job.choose(choice, ctx, order.trial)
    best = choice.in_force(ctx)
    if first == best:
        return
    ctx.race = Race(first, at_once=False)
    latency = ctx.target.latency
    late = latency.value(LATE) if latency.count >= COLD else None
    if late is None or ctx.choice.measures or not (ctx.runtime.preemptive and is_calm(ctx)):
        return  # it is left to the plan in force
    ctx.race = Race(first, best, at_once=False)
    ctx.plan = replace(ctx.plan, hedge=Hedge(late, threads=False))
