"""How many calls may be in flight at once, as many as the target takes: found while it is used."""

from __future__ import annotations

from typing import Any

from unbreakable.errors import BulkheadFull, LimitReached
from unbreakable.outcome import Result
from unbreakable.policies import check
from unbreakable.policies.places import in_a_place
from unbreakable.policies.policy import Context, Inner
from unbreakable.record import Preset


class AdaptiveLimit(Preset):
    """Let in as many calls at once as the target takes, from *least* to *most*, over threads and event loops together.

    It begins with *first*.  Others wait *wait* seconds at most, within their deadline: the more important before the
    less, of equals whoever waits longest; then LimitReached is the answer.  See ``limiter`` for how it is found.
    """

    least: int = 1
    most: int = 1000
    first: int = 20
    wait: float = 1.0

    def __post_init__(self) -> None:
        for name in ("least", "most", "first"):
            check.whole(f"AdaptiveLimit.{name}", getattr(self, name), least=1)
        check.seconds("AdaptiveLimit.wait", self.wait, endless=True)
        if self.most < self.least:
            raise check.refuse("AdaptiveLimit.most", f"at least AdaptiveLimit.least, {self.least}", self.most)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* in a place of its own, or refuse the call."""
        gate, bulkhead = ctx.target.gate, ctx.plan.bulkhead
        if bulkhead is not None and gate.most >= bulkhead.most:
            return await in_a_place(inner, ctx, bulkhead.wait, BulkheadFull)
        return await in_a_place(inner, ctx, self.wait, LimitReached)
