"""How long one attempt may take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from unbreakable.errors import AttemptTimeout, BulkheadFull, DeadlineExceeded, Kind
from unbreakable.outcome import Failure, Result
from unbreakable.policies import check
from unbreakable.policies.policy import Context, Inner
from unbreakable.runtime import TimeUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Cut an attempt after *seconds*, or at the caller's deadline if that comes first.

    Async attempts are cancelled.  A sync attempt cannot be: with *cut_threads* (what a pinned timeout has) it runs in a
    worker thread that is left behind; without, the limit is cooperative: ``ub.current().remaining()`` tells.
    """

    seconds: float = field(default=math.inf, kw_only=False)
    cut_threads: bool = field(default=True, repr=False)

    def __post_init__(self) -> None:
        check.seconds("Timeout.seconds", self.seconds, positive=True, endless=True)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* within the limit; our own cut is a failure that says so."""
        started = ctx.runtime.now()
        seconds = min(self.seconds, ctx.deadline - started)
        if seconds <= 0:
            return ctx.refuse(DeadlineExceeded("the time was up before the attempt began"))
        ctx.due = started + seconds
        try:
            if not ctx.runtime.preemptive and (self.seconds == math.inf or not self.cut_threads):
                return await inner(ctx)
            return await ctx.runtime.within(seconds, lambda: inner(ctx), ctx.target)
        except TimeUp:
            return cut(ctx, started)
        except BulkheadFull as full:  # every worker thread is held by a call that does not come back
            return ctx.refuse(full)
        finally:
            ctx.due = math.inf


def cut(ctx: Context, started: float) -> Failure:
    """Return the failure of an attempt that we cut: by the caller's deadline or by its own limit."""
    now = ctx.runtime.now()
    error = (
        DeadlineExceeded(f"the deadline came {now - started:.3f} s into the attempt")
        if now >= ctx.deadline
        else AttemptTimeout(f"cut after {now - started:.3f} s")
    )
    return Failure(error, Kind.TIMEOUT, node=ctx.node.name, attempt=ctx.attempt, elapsed=now - started, cut=True)


ONLY_THE_DEADLINE = Timeout(math.inf)
