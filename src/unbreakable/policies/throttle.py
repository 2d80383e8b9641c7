"""Refuse a share of the calls here, as soon as the target refuses more than a few: before it is down."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from unbreakable.errors import Throttled
from unbreakable.outcome import Result
from unbreakable.policies import check
from unbreakable.policies.policy import Context, Inner
from unbreakable.policies.priority import importance
from unbreakable.record import Preset


class Throttle(Preset):
    """Send no more than ``1 / accept`` times what the target accepts: with 0.9, one in ten of what is sent is refused.

    The client-side throttling of Google's "Site Reliability Engineering" (chapter 21): of the calls of the last
    half minute a share of ``(calls - accepted / accept) / (calls + 1)`` is refused here, with Throttled, nine of ten at
    most, so that it is seen when the target is back.  Not accepted is what the target calls too much, as by 429 or 503,
    and what it does not answer in time; other failures are no word on how much it takes.
    """

    accept: float = field(default=0.9, kw_only=False)

    def __post_init__(self) -> None:
        check.share("Throttle.accept", self.accept, positive=True)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, or refuse the call by chance."""
        flow = ctx.target.flow
        flow.look(ctx.node, ctx.runtime.now())
        share = 0.0 if ctx.first is not None else flow.share(ctx.runtime.now(), importance())
        if share > 0.0 and not goes_along(ctx):
            if ctx.runtime.random() < share:
                flow.shed(ctx.runtime.now())
                error = Throttled(f"{ctx.node.name} refuses too much: {share:.0%} of the calls are not even sent")
                ctx.notebook.tell(f"refused: {error}")
                return ctx.refuse(error)
            ctx.notebook.tell(f"one of the {1.0 - share:.0%} of the calls that are sent")
        return await inner(ctx)


def goes_along(ctx: Context) -> bool:
    """Return whether the call of *ctx* is a part of one that was sent, as the next page is, or a token.

    Else a call that makes others would hardly ever end well.  Once one of them has failed, each of the others is drawn:
    a thousand items may be asked for in one call.
    """
    around = ctx.around
    return around is not None and not around.fails_inside
