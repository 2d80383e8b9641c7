"""A call is broken off between two lines of ours: by a signal's exception (Ctrl-C, a time limit), or for want of stack.

What it holds is given back then, and nothing of it is in force any more.
"""

from __future__ import annotations

import math
from typing import Any

from unbreakable.policies import deeds
from unbreakable.policies.policy import Context, innermost


def abandon(ctx: Any, *, has_begun: bool = True) -> None:
    """End the call *ctx*, which an exception has left, unless that was done; do nothing if it is no call.

    What has to be comes first, and calls nothing of ours: where the stack is used up, there is no room for more.
    """
    if not isinstance(ctx, Context) or ctx.pursuit is not None:
        return  # of one that is pursued, the script has yet to end
    gate, was_live = ctx.permit, ctx.live
    ctx.live, ctx.due = False, math.inf
    if not has_begun:
        ctx.undone = True
    if gate is not None:
        is_missed = len(gate.free) < gate.made  # as Gate.leave() does
        ctx.permit = None
        if is_missed:
            gate.free.append(None)
    _end_attempts(ctx)
    if was_live:
        _own_up(ctx)
    if gate is not None and gate.line:
        gate.admit()
    if ctx.prepaid:
        ctx.node.give_back(ctx)


def begin_inside(ctx: Any, outer: Context | None) -> None:
    """Let the call *ctx* be one that the attempt *outer* makes, if any does, in its time."""
    if outer is None:
        return
    ctx.borrow(outer)
    try:
        outer.deeds.at_work.add(ctx)
    except BaseException:
        abandon(ctx, has_begun=False)
        raise


def _end_attempts(ctx: Any) -> None:
    """End the attempts of the call that the code which runs here is still in."""
    within = innermost()
    while within is not None:
        whole = within.whole
        if whole is not None and (whole is ctx or whole.whole is ctx) and not within.in_a_thread:
            within.live = False
        within = within.above


def _own_up(ctx: Any) -> None:
    """Tell the attempt around the call that nobody knows what was done in it."""
    try:
        deeds.cancelled(ctx)
        deeds.tell_outside(ctx)
        ctx.end()
    except RecursionError:
        outer = ctx.above
        if outer is not None and outer.own_deeds is not None:
            told, effects = outer.own_deeds, ctx.plan.effects
            if effects != "none" and not ctx.undone:
                told.touched = told.doubtful = True
                told.unrepeatable |= effects != "idempotent"  # and no function is called to find that out
            told.at_work.discard(ctx)
