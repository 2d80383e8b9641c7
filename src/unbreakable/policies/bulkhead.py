"""How many calls may be in flight at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from unbreakable.errors import BulkheadFull
from unbreakable.outcome import Result
from unbreakable.policies import check
from unbreakable.policies.policy import Context, Inner
from unbreakable.runtime import ASYNCIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """Let *most* calls in at once, over threads and event loops together; others wait *wait* seconds at most."""

    most: int = field(default=64, kw_only=False)
    wait: float = 0.0

    def __post_init__(self) -> None:
        check.whole("Bulkhead.most", self.most, least=1)
        check.seconds("Bulkhead.wait", self.wait, endless=True)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* in a place of its own, or refuse the call."""
        gate = ctx.permit or ctx.target.gate
        if ctx.permit is None and not await gate.enter(ctx.runtime, min(self.wait, ctx.left())):
            ASYNCIO.forget_closed()  # whose calls may hold the places, and must not be held for ever themselves
            return ctx.refuse(BulkheadFull(f"{self.most} calls to {ctx.node.name} are in flight"))
        ctx.permit = gate
        try:
            return await inner(ctx)
        finally:
            ctx.permit = None
            gate.leave()
