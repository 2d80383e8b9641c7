"""Calls that clean up have a second of their own when the deadline around them is over, as a fallback has."""

from __future__ import annotations

import sys

from unbreakable.policies.fallback import GRACE
from unbreakable.policies.policy import Context


def has_grace(ctx: Context) -> bool:
    """Return whether *ctx*, a call whose time is up, cleans up after the attempt around it; then it is given the time.

    So does what an attempt calls that was cut, and what is called while an exception is handled: in a ``finally``, an
    ``except`` or an ``__exit__``.  All of it has one second together, from the first such call on.
    """
    around, now = ctx.parent, ctx.runtime.now()
    if ctx.deadline_is_ours or around is None or (around.grace is None and not _is_handled_inside(around)):
        return False
    around.grace = around.grace or now + GRACE
    ctx.deadline = min(around.grace, ctx.started + ctx.plan.deadline)
    return now < ctx.deadline


def _is_handled_inside(around: Context) -> bool:
    """Return whether an exception is being handled here, and not by whoever began what is *around*."""
    handled, outer = sys.exception(), around
    while handled is not None and outer is not None:
        if outer.handled == id(handled):
            return False
        outer = outer.parent  # type: ignore[assignment] # None ends it
    return handled is not None
