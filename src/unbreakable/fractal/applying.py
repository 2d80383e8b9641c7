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
from unbreakable.policies.policy import inside
from unbreakable.runtime import ASYNCIO, Gate, TimeUp


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
    if not await entered(ctx, remedy.turn.alone, until):
        return None
    ctx.mending = remedy.turn
    try:
        # In a context of its own: what it does is done for the target's sake, and as often as it is needed.
        with ctx.notebook.doing("heal.fix.apply"), inside(ctx.scope()):
            mend = functools.partial(remedy.apply, failure)
            await _apply(ctx, mend, failure, remedy, began, until)
    except Exception as error:
        ctx.notebook.tell(f"remedy {remedy.name} failed: {in_one_line(error)}")
        if not isinstance(failure.error, Foreseen):  # in advance it may fail by what will not matter then
            ctx.target.experience.update(failure.signature, remedy, worked=False)
        return None
    finally:
        ctx.mending = None
        remedy.turn.alone.leave()
    return applied(ctx, failure, remedy)


async def entered(ctx: Context, alone: Gate, until: float) -> bool:
    """Return whether it is the turn of this call by *until*; that of an event loop that was closed is over."""
    if alone.enter_nowait() or (ASYNCIO.collect_closed() and alone.enter_nowait()):
        return True
    return await alone.enter(ctx.runtime, until - ctx.runtime.now())


def applied(ctx: Context, failure: Failure, remedy: Remedy) -> Remedy:
    """Return *remedy*, which went through, having told so; the next attempts have their time by it."""
    ctx.patience *= remedy.stretch
    ctx.notebook.remedies.append(remedy.name)
    ctx.emit(RemedyApplied, remedy=remedy.name, signature=failure.signature)
    return remedy


async def _apply(
    ctx: Context, mend: Callable[[], Any], failure: Failure, remedy: Remedy, began: float, until: float
) -> None:
    turn = remedy.turn
    if turn.shared and turn.mended_at > began:
        # else repeats would cost nothing where most calls succeed by chance
        ctx.excused = ctx.target.experience.surely_mends(failure.signature, remedy)
        ctx.notebook.tell(f"remedy {remedy.name} was applied by another call meanwhile")
        return
    work = functools.partial(ctx.runtime.call, mend)
    try:
        left = until - ctx.runtime.now()
        changes = await (ctx.runtime.within(left, work) if ctx.runtime.preemptive else work())
    except TimeUp:
        raise TimeoutError("the caller's deadline came first") from None
    told = changes if isinstance(changes, Mapping) else {}
    words, known = {name: value for name, value in told.items() if isinstance(name, str)}, arguments_of(ctx)
    changes = words if known is None else {name: value for name, value in words.items() if name in known}
    if changes:
        ctx.arguments = {**ctx.arguments, **changes}
    turn.went_through(ctx.runtime.now(), shared=not changes)
    did = f", which changed {in_a_row(changes)}" * bool(changes)
    if len(changes) < len(told):
        others = in_a_row(name for name in told if name not in changes)
        did += f"; it returned {others} as well, which is no argument of the call"
    ctx.notebook.tell(f"applied remedy {remedy.name}{did}")


def in_a_row(names: Iterable[object]) -> str:
    """Return the first of *names*, and as much of them as can be read."""
    return ", ".join(str(name)[:40] for name in itertools.islice(names, 10))
