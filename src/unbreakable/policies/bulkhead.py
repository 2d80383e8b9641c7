"""How many calls may be in flight at once."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from unbreakable.errors import BulkheadFull
from unbreakable.outcome import Result
from unbreakable.policies import check
from unbreakable.policies.places import in_a_place
from unbreakable.policies.policy import Context, Inner
from unbreakable.record import Preset


class Bulkhead(Preset):
    """Let *most* calls in at once, over threads and event loops together; others wait *wait* seconds at most.

    The more important wait before the less, see ``ub.priority``.
    """

    most: int = field(default=64, kw_only=False)
    wait: float = 0.0

    def __post_init__(self) -> None:
        check.whole("Bulkhead.most", self.most, least=1)
        check.seconds("Bulkhead.wait", self.wait, endless=True)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* in a place of its own, or refuse the call."""
        return await in_a_place(inner, ctx, self.wait, BulkheadFull)
