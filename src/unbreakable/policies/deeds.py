"""What a call has done to the world, as far as anybody knows: told from the inside out, whichever way it ends.

Every attempt, and every copy of one that failed, notes at its end what it has done: by itself, as its effects and its
result tell, and by the protected calls inside it, those included that it has left at work.  A call has done what its
attempts have, and its fallback; when it is over it tells the attempt around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from unbreakable.outcome import Failure
from unbreakable.policies.bounded import nearest
from unbreakable.policies.effects import is_unrepeatable, leaves_doubt, may_repeat, may_run_twice_at_once, never_left


class Deeds:
    """Hold what is known to be done: nothing at first, and then only ever more.

    *touched*: something may have been done; *acted*: something was, by its declared effects; *doubtful*: nobody knows
    what; *unrepeatable*: something that must not be done twice, or perhaps.  ``at_work`` are the calls inside that are
    still under way, and ``left`` those that were so when this was settled, for who has to wait for them.
    """

    __slots__ = ("acted", "at_work", "doubtful", "left", "touched", "unrepeatable")

    def __init__(self) -> None:
        self.touched = self.acted = self.doubtful = self.unrepeatable = False
        self.at_work: set[Any] = set()
        self.left: set[Any] = set()

    def add(self, *, acted: bool = False, doubtful: bool = False, unrepeatable: bool = False) -> None:
        """Note that something was done; several threads may do so at once, so nothing is ever taken back here."""
        self.touched = True
        if acted:
            self.acted = True
        if doubtful:
            self.doubtful = True
        if unrepeatable:
            self.unrepeatable = True

    def take(self, other: Deeds) -> None:
        """Note that what the *other* one tells was done, too."""
        if other.touched:
            self.add(acted=other.acted, doubtful=other.doubtful, unrepeatable=other.unrepeatable)
        if other.left:
            self.left.difference_update([call for call in tuple(self.left) if not _leads_on(call)])
            self.left.update([call for call in tuple(other.left) if _leads_on(call)])

    def flags(self) -> dict[str, Any]:
        """Return what a ``Failure`` is told of it."""
        return {"acted": self.acted, "doubtful": self.doubtful, "unrepeatable": self.unrepeatable}

    def settle(self, *, well: bool = False) -> Deeds:
        """Return itself, once what calls that are left at work will have done is noted: nobody knows.

        An attempt that ended *well* has left them so on purpose; only what must happen once is not to be begun again.
        """
        at_work = tuple(self.at_work)
        for call in at_work:
            effects = call.plan.effects
            if call.idle:
                self.take(call.deeds.settle())
            elif call.live and effects != "none":
                once = effects == "once" if well else not may_run_twice_at_once(effects)
                self.add(doubtful=not well, unrepeatable=once)
                self.left.add(call)
        self.at_work.difference_update(at_work)  # and nothing that has come meanwhile, in another thread
        return self

    def under_way(self, is_left_out: Callable[[Any], bool] = lambda _: False) -> Iterator[Any]:
        """Yield the calls that are under way now and may do something, those included that others have left so.

        Of one that *is_left_out* those are asked that it has made.
        """
        asked = [self]
        for each in asked:
            for call in (*each.at_work, *each.left):
                if call.idle or not call.live or is_left_out(call):
                    asked += _own(call)
                elif call.plan.effects != "none":
                    yield call

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Tell another process what is known here; of the calls it can know nothing more."""
        return None, {**self.flags(), "touched": self.touched, "at_work": set(), "left": set()}


def _own(call: Any) -> list[Deeds]:
    """Return what *call* itself has to tell, if it is one inside which calls can be."""
    deeds = getattr(call, "own_deeds", None)
    return [] if deeds is None else [deeds]


def _leads_on(call: Any) -> bool:
    """Return whether *call* is under way, or has left others so."""
    return call.live or any(_leads_on(each) for deeds in _own(call) for each in tuple(deeds.left))


def may_be_left(ctx: Any) -> None:
    """Note that the attempt *ctx* may go on when its call is over: in a thread that was left behind, or tidying up."""
    if ctx.plan.effects != "none" and ctx.whole is not None:
        ctx.whole.deeds.left.add(ctx)  # until its end


def succeeded(ctx: Any) -> None:
    """Note what the attempt *ctx* has done, which succeeded: what earlier ones have left in doubt is known by now."""
    done = has_answered(ctx)
    call_of(ctx).deeds.doubtful = done.doubtful


def has_answered(ctx: Any) -> Deeds:
    """Note and return what the attempt, or the fallback, *ctx* has done, which succeeded."""
    effects, done = ctx.plan.effects, Deeds()
    inside = ctx.deeds.settle(well=True)
    unrepeatable = is_unrepeatable(effects, inside=inside.unrepeatable)
    done.add(acted=effects != "unknown" or inside.acted, doubtful=inside.doubtful, unrepeatable=unrepeatable)
    return _note(ctx, inside, done)


def succeeded_inside(ctx: Any, outer: Any) -> None:
    """Note what the call *ctx* has done in one attempt, which succeeded, and tell the attempt around it."""
    if ctx.own_deeds is not None or ctx.undone or ctx.vouched:
        succeeded(ctx)
        tell_outside(ctx)
        return
    effects = ctx.plan.effects
    if effects != "none":
        outer.deeds.add(acted=effects != "unknown", unrepeatable=effects == "once")
    outer.deeds.at_work.discard(ctx)  # last: in between another thread may ask


def failed(ctx: Any, failure: Failure) -> None:
    """Note what the attempt, the copy or the fallback *ctx* has done, which ended in *failure*."""
    if failure.refused:
        return
    inside, done = ctx.deeds.settle(), Deeds()
    if inside.touched or not never_left(failure):
        unrepeatable = not may_repeat(ctx.plan.effects, failure)
        acted = inside.acted and not ctx.refuted
        done.add(acted=acted, doubtful=leaves_doubt(failure), unrepeatable=unrepeatable)
    _note(ctx, inside, done)


def failed_before(ctx: Any, failure: Failure) -> None:
    """Note what the first attempt of the call *ctx* has done, which ended in *failure* before any call inside began."""
    if ctx.plan.effects != "none" and not (ctx.undone or ctx.is_aside or never_left(failure)):
        unrepeatable = not (ctx.vouched or may_repeat(ctx.plan.effects, failure))
        ctx.deeds.add(doubtful=leaves_doubt(failure), unrepeatable=unrepeatable)


def cancelled(ctx: Any) -> None:
    """Note that nobody knows what the attempt *ctx* has done, which was cancelled."""
    inside, done = ctx.deeds.settle(), Deeds()
    done.add(acted=inside.acted, doubtful=True, unrepeatable=not may_run_twice_at_once(ctx.plan.effects))
    _note(ctx, inside, done)


def overtaken(ctx: Any) -> None:
    """Note what the attempt *ctx* may have done by now, which is given up since another one has won.

    That another one succeeded leaves no doubt of what came of the call.
    """
    call = call_of(ctx)
    doubtful = call.deeds.doubtful
    cancelled(ctx)
    call.deeds.doubtful = doubtful


def _note(ctx: Any, inside: Deeds, done: Deeds) -> Deeds:
    """Note what an attempt has *done*; for what calls *inside* have, no operation vouches."""
    if ctx.undone or ctx.is_aside:
        done.touched, done.acted = inside.touched, inside.acted
        done.doubtful = done.doubtful and inside.doubtful
    if ctx.undone or ctx.is_aside or ctx.vouched:
        done.unrepeatable = done.unrepeatable and inside.unrepeatable
    if ctx.plan.effects == "none":
        done = Deeds()
    else:
        done.left = inside.left
    if ctx.whole is None:  # the call's first attempt, which had no context of its own
        ctx.own_deeds = done
    else:
        call_of(ctx).deeds.take(done)
    return done


def call_of(ctx: Any) -> Any:
    """Return the call that *ctx* is, or is an attempt or a copy of."""
    while getattr(ctx, "whole", None) is not None:  # work of ours that is no call has none
        ctx = ctx.whole
    return ctx


def tell_outside(ctx: Any) -> None:
    """Tell the attempt around the call *ctx*, which is over, what was done in it."""
    outer = ctx.parent
    if outer is not None:
        outer.deeds.take(ctx.deeds.settle())
        if not outer.live:
            _hand_on(outer)
        outer.deeds.at_work.discard(ctx)  # last: in between another thread may ask


def _hand_on(ctx: Any) -> None:
    """Let the nearest call around *ctx* that is not over, too, know what is left at work: nobody else may wait for it.

    Where calls begin one another in tasks, each would hold the next one for ever.
    """
    left, around = Deeds(), nearest(ctx)
    left.left.update(tuple(ctx.deeds.left))
    if around is not None:
        around.deeds.take(left)
    ctx.deeds.left.difference_update(left.left)
