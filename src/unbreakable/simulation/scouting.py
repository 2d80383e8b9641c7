"""A call that goes another way than the best one, to find out, is rescued: the best one is asked when that is late."""

from __future__ import annotations

from dataclasses import replace

from unbreakable.policies import Context, Hedge
from unbreakable.simulation.jobs import Choice, Order
from unbreakable.simulation.race import Race, is_at_ease
from unbreakable.simulation.select import would_have_answered


def set_out(ctx: Context, order: Order) -> None:
    """Choose the way of the first attempt of *ctx*; where it is not the best one, that one comes to the rescue."""
    if len(order.ways) < 2:
        return
    if order.first is None:  # else it was chosen for a race
        ctx.choice = choice = Choice(order.ways, ctx.target)
        order.first = order.job.choose(choice, ctx, order.trial)
    first, best = order.first, ctx.choice.in_force(ctx)
    if first == best:
        return
    if ctx.choice.measures:
        ctx.race = Race(first, at_once=False)
        return
    ctx.race = Race(first, best, at_once=False)
    late = would_have_answered(ctx.target.arms, best)
    if late is None or not (ctx.runtime.preemptive and is_at_ease(ctx)):
        return  # it is left to the plan in force
    ctx.plan = replace(ctx.plan, hedge=Hedge(late, threads=False))
