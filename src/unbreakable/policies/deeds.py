"""What a call has done to the world, as far as anybody knows: told from the inside out, whichever way it ends.

Every attempt, and every copy of one that failed, notes at its end what it has done: by itself, as its effects and its
result tell, and by the protected calls inside it, those included that it has left at work.  A call has done what its
attempts have, and its fallback; when it is over it tells the attempt around it.
"""

from __future__ import annotations

from typing import Any

from unbreakable.outcome import Failure
from unbreakable.policies.effects import is_unrepeatable, leaves_doubt, may_repeat, may_run_twice_at_once, never_left


class Deeds:
    """Hold what is known to be done: nothing at first, and then only ever more.

    *touched*: something was done, or may have been; *doubtful*: nobody knows what; *unrepeatable*: something that must
    not be done twice, or perhaps.  ``at_work`` are the calls inside that are still under way.
    """

    __slots__ = ("at_work", "doubtful", "touched", "unrepeatable")

    def __init__(self) -> None:
        self.touched = self.doubtful = self.unrepeatable = False
        self.at_work: set[Any] = set()

    @classmethod
    def of(cls, *, touched: bool, doubtful: bool, unrepeatable: bool) -> Deeds:
        """Return what is known so far."""
        deeds = cls()
        deeds.touched, deeds.doubtful, deeds.unrepeatable = touched, doubtful, unrepeatable
        return deeds

    def add(self, *, doubtful: bool = False, unrepeatable: bool = False) -> None:
        """Note that something was done; several threads may do so at once, so nothing is ever taken back here."""
        self.touched = True
        if doubtful:
            self.doubtful = True
        if unrepeatable:
            self.unrepeatable = True

    def take(self, other: Deeds) -> None:
        """Note that what the *other* one tells was done, too."""
        if other.touched:
            self.add(doubtful=other.doubtful, unrepeatable=other.unrepeatable)

    def settle(self) -> Deeds:
        """Return itself, once it is noted that nobody knows what calls that are left at work will have done."""
        for call in tuple(self.at_work):
            if call.live and call.plan.effects != "none":
                self.add(doubtful=True, unrepeatable=not may_run_twice_at_once(call.plan.effects))
        self.at_work.clear()
        return self


def succeeded(ctx: Any) -> None:
    """Note what the attempt *ctx* has done, which succeeded: what earlier ones have left in doubt is known by now."""
    inside = ctx.deeds.settle()
    unrepeatable = is_unrepeatable(ctx.plan.effects, inside=inside.unrepeatable)
    done = _note(ctx, inside, doubtful=inside.doubtful, unrepeatable=unrepeatable)
    _call_of(ctx).deeds.doubtful = done.doubtful


def succeeded_inside(ctx: Any, outer: Any) -> None:
    """Note what the call *ctx* has done in one attempt, which succeeded, and tell the attempt around it."""
    if ctx.own_deeds is not None or ctx.undone or ctx.vouched:
        succeeded(ctx)
        tell_outside(ctx)
        return
    effects = ctx.plan.effects
    if effects != "none":
        outer.own_deeds.touched = True
        if effects == "once":
            outer.own_deeds.unrepeatable = True


def failed(ctx: Any, failure: Failure) -> None:
    """Note what the attempt, or copy, *ctx* has done, which ended in *failure*."""
    if failure.refused:
        return
    effects, inside = ctx.plan.effects, ctx.deeds.settle()
    touched = inside.touched or not never_left(failure)
    unrepeatable = is_unrepeatable(effects, inside=inside.unrepeatable, own=False) or not may_repeat(effects, failure)
    _note(ctx, inside, touched=touched, doubtful=leaves_doubt(failure), unrepeatable=unrepeatable)


def cancelled(ctx: Any) -> None:
    """Note that nobody knows what the attempt *ctx* has done, which was cancelled."""
    _note(ctx, ctx.deeds.settle(), doubtful=True, unrepeatable=not may_run_twice_at_once(ctx.plan.effects))


def _note(ctx: Any, inside: Deeds, *, touched: bool = True, doubtful: bool, unrepeatable: bool) -> Deeds:
    """Note what an attempt has done; for what calls *inside* have, no operation vouches."""
    done = Deeds.of(touched=touched, doubtful=doubtful, unrepeatable=unrepeatable)
    if ctx.undone or ctx.is_aside:
        done.touched, done.doubtful = touched and inside.touched, doubtful and inside.doubtful
    if ctx.undone or ctx.is_aside or ctx.vouched:
        done.unrepeatable = unrepeatable and inside.unrepeatable
    if ctx.plan.effects == "none":
        done = Deeds()
    if ctx.whole is None:  # the call's first attempt, which had no context of its own
        ctx.own_deeds = done
    else:
        _call_of(ctx).deeds.take(done)
    return done


def _call_of(ctx: Any) -> Any:
    """Return the call that *ctx* is, or is an attempt or a copy of."""
    while ctx.whole is not None:
        ctx = ctx.whole
    return ctx


def tell_outside(ctx: Any) -> None:
    """Tell the attempt around the call *ctx*, which is over, what was done in it."""
    outer = ctx.parent
    if outer is not None:
        outer.deeds.at_work.discard(ctx)
        outer.deeds.take(ctx.deeds)
