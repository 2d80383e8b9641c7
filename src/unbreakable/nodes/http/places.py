"""As many requests are under way at once as there may be connections; the others stand in line here.

The pool below would have them wait, too, but nobody could tell that it is for us: it would be taken for the service's
being slow, or away.  And it looks at all who wait whenever a connection comes free.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from unbreakable.errors import NotSent
from unbreakable.policies import Context
from unbreakable.policies.breaker import is_still_let_through
from unbreakable.runtime import Gate
from unbreakable.runtime.gate import MOST_IN_LINE

MOST_EARLY = 0.25  # seconds: on a busy machine a tenth was not enough


def shortened(seconds: float) -> float:
    """Return for how long to wait of *seconds* that are left: who gives up before he is cut is sure not to have sent.

    >>> shortened(0.5), shortened(30.0), shortened(float("inf"))
    (0.45, 29.75, inf)
    """
    return seconds - min(MOST_EARLY, seconds / 10)


def places_of(transport: Any) -> Gate | None:
    """Return a place for each connection that *transport* may have; None if it has no limit that we know."""
    pool = getattr(transport, "_pool", None)
    most = getattr(pool, "_max_connections", None)
    if not isinstance(most, int) or most > MOST_IN_LINE or getattr(pool, "_http2", True):
        return None  # a connection of HTTP/2 carries many requests
    return Gate(most)


@contextlib.asynccontextmanager
async def placed(places: Gate | None, ctx: Context) -> AsyncIterator[None]:
    """Hold one of *places* in this block; raise NotSent when none comes free in time."""
    if places is None:
        yield
        return
    if not places.enter_nowait():
        with ctx.waiting_for_ours():
            await stand_in_line(places, ctx)
    try:
        yield
    finally:
        places.leave()


async def stand_in_line(places: Gate, ctx: Context) -> None:
    """Take a place once one is free; a copy, which has to be quicker than what it copies, does not wait for that."""
    patience = 0.0 if ctx.rival else shortened(ctx.remaining())
    if not await places.enter(ctx.runtime, patience):
        raise NotSent(f"all of our own {places.most} connections carried other requests")
    if not is_still_let_through(ctx):
        places.leave()
        ctx.excused = True  # it is for the circuit to say when it is asked again, which costs no budget
        raise NotSent("the circuit opened while the request stood in line")
