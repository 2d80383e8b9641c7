"""What a target's wish to be left in peace means for its other callers."""

from __future__ import annotations

from unbreakable.errors import Kind
from unbreakable.events import LeftInPeace
from unbreakable.outcome import Failure
from unbreakable.policies import Context
from unbreakable.policies.pushback import NEVER


def heed(ctx: Context, failure: Failure, *, told_no: bool) -> None:
    """Take note of the wish to wait that came with *failure*, if it was for this target to say; or of its no.

    It was not where a protected call inside was told of it first, whose target it is that throttles; and nobody has to
    wait where a remedy is about to help, such as another endpoint.
    """
    if told_no:
        ctx.target.peace.serve()
    wished = failure.retry_after
    if wished is None or wished == NEVER or failure.kind is not Kind.THROTTLED or failure.inner or failure.mendable:
        return
    target, now = ctx.target, ctx.runtime.now()
    if target.serves_others(failure, now):
        return
    if target.peace.wish(wished, target.successes_of_all(), now, target.usual() or 0.0):
        target.hurry()
        ctx.emit(LeftInPeace, seconds=target.peace.left(now))
