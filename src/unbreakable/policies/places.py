"""A call runs in one of the places of its target, for which it may have to wait.

Between two attempts it has none: who pauses is not at work on the target, and others may be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from unbreakable.errors import BulkheadFull, LimitReached, Rejected
from unbreakable.outcome import Failure, Result
from unbreakable.policies.policy import Context, Inner
from unbreakable.policies.priority import rank
from unbreakable.policies.under_way import is_in_call
from unbreakable.runtime import ASYNCIO


async def in_a_place(inner: Inner, ctx: Context, wait: float, full: type[Rejected]) -> Result[Any]:
    """Run *inner* in a place at the target's gate; refuse the call if none comes free within *wait* seconds.

    One that has made its first attempt, and given its place back for a pause, asks for another when that is over.
    """
    if ctx.permit is None and ctx.out_of is None:
        gate, before = ctx.target.gate, ctx.in_line
        if not (gate.enter_nowait() or await stood_in_line(gate, ctx, wait)):
            waited = f", and none came free in {round(ctx.in_line - before, 3):g} s" if wait > 0 else ""
            error = full(f"{gate.most} calls to {ctx.node.name} are in flight{waited}")
            ctx.notebook.tell(f"refused: {error}")
            return ctx.refuse(error)
        ctx.permit = gate
    try:
        return await inner(ctx)
    finally:
        if ctx.permit is not None:
            ctx.permit.leave(ctx)


async def pause(ctx: Context, seconds: float) -> None:
    """Wait between two attempts, with the place given back, unless an attempt that is late is still at work in it."""
    gate, out = None, object()  # and not the call: a block leads to the event loop, and all that was closed with it
    if not (ctx.racing and any(laggard.answer is None for laggard in ctx.racing)):
        gate = ctx.permit or ctx.out_of
        if ctx.target.shades is not None:
            ctx.target.shades.step_out(ctx)
    try:
        if gate is not None:
            ctx.out_of = gate
            gate.away.add(out)
            if ctx.permit is not None:
                gate.leave(ctx)
        await ctx.runtime.sleep(seconds)
    finally:
        if gate is not None:
            gate.away.discard(out)


def is_back(ctx: Context) -> bool:
    """Return whether the call has a place, after a pause, without having to wait for it; or needs none."""
    gate = ctx.out_of
    if gate is None:
        return True
    if not gate.enter_nowait():
        return False
    ctx.permit, ctx.out_of = gate, None
    return True


async def come_back(ctx: Context) -> Failure | None:
    """Have a place again after a pause; return why, if none comes free for the call until its deadline.

    Who was in before waits that long also where others are refused at once: it has done its part, and paid for one more
    attempt.  It stands in line as they do; and there are never more of its kind than repeats are paid for.
    """
    if ctx.target.shades is not None:
        ctx.target.shades.come_back(ctx)
    if is_back(ctx):
        return None
    gate, since = ctx.out_of, ctx.runtime.now()
    if await stood_in_line(gate, ctx, math.inf, take_back):
        ctx.out_of = None
        return None
    waited = ctx.runtime.now() - since
    full = full_of(ctx, gate)
    return ctx.refuse(full(f"{gate.most} calls to {ctx.node.name} are in flight, and none came free in {waited:.3f} s"))


def full_of(ctx: Context, gate: Any) -> type[Rejected]:
    """Return as what a call is refused where the *gate* is full: by the limit, or by the bulkhead."""
    bulkhead = ctx.plan.bulkhead
    is_limited = ctx.plan.concurrency is not None and (bulkhead is None or gate.most < bulkhead.most)
    return LimitReached if is_limited else BulkheadFull


def take_back() -> bool:
    """End the calls that event loops were closed over, with what they hold; return whether there was anything."""
    return ASYNCIO.collect_closed(is_in_call)


async def stood_in_line(gate: Any, ctx: Context, wait: float, look: Callable[[], object] | None = None) -> bool:
    """Return whether a place came free in time; *look* is called now and then by who may have to wait for long."""
    if take_back() and gate.enter_nowait():
        ctx.permit = gate
        return True
    if ctx.target.flow is not None:
        ctx.target.flow.is_full()
    since = ctx.runtime.now()
    entered: bool = await gate.enter(ctx.runtime, min(wait, ctx.left()), look, rank())
    if entered:
        ctx.permit = gate
    waited = ctx.runtime.now() - since
    ctx.in_line += waited
    if entered and waited > 0:
        ctx.notebook.tell(f"waited {waited:.3f} s for one of {gate.most} places")
    return entered
