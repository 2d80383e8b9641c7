"""What the first attempt of a call came to that was not its last: without us it would have been the only one.

Where the first attempt succeeded it took as long as the call: nothing was gained, and nobody has to note anything.  All
else is noted where a call is in trouble anyway, and compared in the background.
"""

from __future__ import annotations

import math

from unbreakable.outcome import Failure
from unbreakable.policies.deeds import call_of
from unbreakable.policies.policy import Context


def failed(ctx: Context, failure: Failure) -> None:
    """Note that an attempt of *ctx*, or a copy, has failed, should it be the first: alone it would never have ended."""
    if ctx.attempt == 1 and not ctx.rival and not failure.refused:
        call_of(ctx).first_came_to = math.inf


def given_up(ctx: Context, attempt: int | None = None) -> None:
    """Note that an attempt of *ctx*, or a copy, was given up, should it be the first: it would have taken longer.

    *attempt* is its number, where the next one has begun beside it.
    """
    if (ctx.attempt if attempt is None else attempt) == 1 and not ctx.rival:
        now = ctx.runtime.now()
        call_of(ctx).first_came_to = math.inf if now >= ctx.deadline else ctx.started - now
