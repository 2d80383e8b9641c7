"""Whoever finds SQLite's lock taken by another program waits for it, as long as there is time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from unbreakable.nodes.database.carrier import Carrier
from unbreakable.nodes.database.lane import Job, Lane
from unbreakable.nodes.database.trouble import INTERRUPTED, code_of, is_locked
from unbreakable.policies import Backoff, Context
from unbreakable.policies.timeout import time_is_up

LOOKS = Backoff(first=0.002, factor=2.0, most=0.1)  # seconds between two looks whether the lock is free
MARGIN = 0.25  # seconds before the time is up at which a caller is told of the lock, or it would hear of the time only


async def patiently(
    carrier: Carrier,
    ctx: Context,
    lane: Lane,
    work: Callable[[Connection], Any],
    until: float,
    *,
    stoppable: bool = True,
) -> Any:
    """Return what *work* returns; while somebody else holds SQLite's lock, wait for it, up to the moment *until*."""
    started, number = ctx.runtime.now(), 0
    give_up = until - min(MARGIN, (until - started) / 10)
    while True:
        try:
            value = await carrier.carry(Job(lane, work, ctx.runtime, until, stoppable=stoppable))
            break
        except Exception as error:
            now = ctx.runtime.now()
            if code_of(error) == INTERRUPTED and now >= until:
                raise time_is_up(ctx, started) from error
            if not is_locked(error):
                raise
            ctx.blameless = True  # another program is at work, and who only reads has not to wait for that
            ctx.kept_by = error  # or who is cut as the machine stands still would hear nothing of it
            number += 1
            pause = LOOKS.pause(number, ctx.runtime.random())
            if now + pause >= give_up:
                error.add_note(f"{lane.place}: waited {now - started:.3f} s for it")
                raise
        await ctx.runtime.sleep(pause)
    if number:
        ctx.blameless, ctx.kept_by = False, None
    if number and ctx.notebook is not None:
        ctx.notebook.tell(f"waited {ctx.runtime.now() - started:.3f} s for the lock of {lane.place}")
    return value
