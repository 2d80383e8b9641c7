"""A call runs in one of the places of its target, for which it may have to wait."""

from __future__ import annotations

from typing import Any

from unbreakable.errors import Rejected
from unbreakable.outcome import Result
from unbreakable.policies.policy import Context, Inner
from unbreakable.policies.priority import rank
from unbreakable.runtime import ASYNCIO


async def in_a_place(inner: Inner, ctx: Context, wait: float, full: type[Rejected]) -> Result[Any]:
    """Run *inner* in a place at the target's gate; refuse the call if none comes free within *wait* seconds."""
    gate = ctx.permit or ctx.target.gate
    if ctx.permit is None and not (gate.enter_nowait() or await stood_in_line(gate, ctx, wait)):
        waited = f", and none came free in {min(wait, ctx.plan.deadline):g} s" if wait > 0 else ""
        error = full(f"{gate.most} calls to {ctx.node.name} are in flight{waited}")
        ctx.notebook.tell(f"refused: {error}")
        return ctx.refuse(error)
    ctx.permit = gate
    try:
        return await inner(ctx)
    finally:
        gate.leave(ctx)


async def stood_in_line(gate: Any, ctx: Context, wait: float) -> bool:
    """Return whether a place came free in time."""
    if ASYNCIO.collect_closed() and gate.enter_nowait():
        return True
    if ctx.target.flow is not None:
        ctx.target.flow.is_full()
    since = ctx.runtime.now()
    entered: bool = await gate.enter(ctx.runtime, min(wait, ctx.left()), rank=rank())
    if entered:
        ctx.permit = gate
    ctx.in_line = waited = ctx.runtime.now() - since
    if entered and waited > 0:
        ctx.notebook.tell(f"waited {waited:.3f} s for one of {gate.most} places")
    return entered
