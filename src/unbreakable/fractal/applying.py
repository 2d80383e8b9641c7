"""A remedy is applied: by one call at a time, for all of them, or by each for itself."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from unbreakable.errors import Foreseen
from unbreakable.events import RemedyApplied
from unbreakable.fractal.operation import arguments_of
from unbreakable.fractal.remedies import Remedy
from unbreakable.outcome import Failure, in_one_line
from unbreakable.policies import Context
from unbreakable.policies.places import take_back
from unbreakable.policies.policy import inside
from unbreakable.runtime import Gate, TimeUp


class TooSoon(TimeoutError):
    """Say that a remedy was cut by a deadline that came sooner than it takes: that tells nothing of it."""


async def apply(ctx: Context, failure: Failure, remedy: Remedy | None, share: float = 1.0) -> Remedy | None:
    """Apply *remedy* when it is this call's turn; return it if it went through, None if there is nothing but waiting.

    It may take that *share* of the time that the call still has, where it can be cut.
    """
    began = failure.began(ctx.runtime.now())
    until = ctx.deadline - (1.0 - share) * ctx.left() if share < 1.0 else ctx.deadline
    if remedy is None:
        return None
    if remedy.apply is None:
        return applied(ctx, failure, remedy)
    turn = remedy.turn
    at_once = enters_at_once(turn.alone)
    if not (at_once or await turn.alone.enter(ctx.runtime, until - ctx.runtime.now())):
        return None
    ctx.mending = turn
    try:
        # In a context of its own: what it does is done for the target's sake, and as often as it is needed.
        with ctx.notebook.doing("heal.fix.apply"), inside(ctx.scope()):
            if not was_applied_meanwhile(ctx, failure, remedy, began):
                if not ((at_once and ctx.came_late is not turn) or has_time(ctx, remedy, until)):
                    return None
                await _apply(ctx, functools.partial(remedy.apply, failure), remedy, until)
    except Exception as error:
        ctx.notebook.tell(f"remedy {remedy.name} failed: {in_one_line(error)}")
        in_advance = isinstance(failure.error, Foreseen)  # it may fail by what will not matter then
        if not (in_advance or isinstance(error, TooSoon)):
            ctx.target.experience.update(failure.signature, remedy, worked=False)
        return None
    finally:
        ctx.mending = None
        turn.alone.leave()
    return applied(ctx, failure, remedy)


def enters_at_once(alone: Gate) -> bool:
    """Return whether it is the turn of this call now; that of an event loop that was closed is over."""
    return alone.enter_nowait() or bool(take_back() and alone.enter_nowait())


def was_applied_meanwhile(ctx: Context, failure: Failure, remedy: Remedy, began: float) -> bool:
    """Return whether another call has applied *remedy* for all since the attempt *began* that needs it."""
    turn = remedy.turn
    if not (turn.shared and turn.mended_at > began):
        return False
    # else repeats would cost nothing where most calls succeed by chance
    ctx.excused = ctx.target.experience.surely_mends(failure.signature, remedy)
    ctx.notebook.tell(f"remedy {remedy.name} was applied by another call meanwhile")
    return True


def has_time(ctx: Context, remedy: Remedy, until: float) -> bool:
    """Return whether *remedy* may be done by *until*, for a call that had to wait for its turn; tell if not.

    Were it begun all the same, it would keep the next in line until that has no time for it either, and so on.  Nor is
    it a moment later, when nobody is in line any more: it would be cut, and held to have failed.
    """
    left, needs = until - ctx.runtime.now(), remedy.turn.needs
    if left > needs:
        return True
    ctx.came_late = remedy.turn
    ctx.notebook.tell(f"remedy {remedy.name} was not applied: its turn came with {left:.3f} s left, too late for it")
    return False


def applied(ctx: Context, failure: Failure, remedy: Remedy) -> Remedy:
    """Return *remedy*, which went through, having told so; the next attempts have their time by it."""
    ctx.patience *= remedy.stretch
    ctx.notebook.remedies.append(remedy.name)
    ctx.emit(RemedyApplied, remedy=remedy.name, signature=failure.signature)
    return remedy


async def _apply(ctx: Context, mend: Callable[[], Any], remedy: Remedy, until: float) -> None:
    work, turn, since = functools.partial(ctx.runtime.call, mend), remedy.turn, ctx.runtime.now()
    left = until - since
    try:
        changes = await (ctx.runtime.within(left, work) if ctx.runtime.preemptive else work())
    except TimeUp:
        kind = TimeoutError if turn.ran_out_of_time(ctx.runtime.now() - since) else TooSoon
        raise kind("the caller's deadline came first") from None
    except Exception:
        turn.had(left)
        raise
    told = changes if isinstance(changes, Mapping) else {}
    words, known = {name: value for name, value in told.items() if isinstance(name, str)}, arguments_of(ctx)
    changes = words if known is None else {name: value for name, value in words.items() if name in known}
    if changes:
        turn.had(left)
        ctx.arguments = {**ctx.arguments, **changes}
    turn.went_through(since, ctx.runtime.now(), shared=not changes)
    did = f", which changed {in_a_row(changes)}" * bool(changes)
    if len(changes) < len(told):
        others = in_a_row(name for name in told if name not in changes)
        did += f"; it returned {others} as well, which is no argument of the call"
    ctx.notebook.tell(f"applied remedy {remedy.name}{did}")


def in_a_row(names: Iterable[object]) -> str:
    """Return the first of *names*, and as much of them as can be read."""
    return ", ".join(str(name)[:40] for name in itertools.islice(names, 10))
