"""Overtaking: the next attempts of a call beside one that is late; the first answer, good or a no, ends the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from unbreakable.outcome import Failure, Result
from unbreakable.policies import Context
from unbreakable.policies.nos import said, word
from unbreakable.policies.patience import Laggard


async def overtake(ctx: Context, failure: Failure, go_on: Callable[[], Awaitable[Result[Any]]]) -> Result[Any]:
    """Return the first answer of ``go_on()`` and of the attempt that is late; without one, what both came to.

    *failure* is that of the late attempt, made up by us: it is not the last word when that has failed by itself.
    """
    laggard: Laggard = ctx.laggard
    ctx.laggard, ctx.overtakes, before = None, failure.attempt, ctx.racing
    is_under_way = True

    async def others() -> Result[Any]:
        nonlocal is_under_way
        result = await go_on()
        is_under_way = False
        return word(result, ctx)

    async def late() -> Result[Any]:
        answer = await laggard.run()
        return answer if isinstance(answer, Failure) and answer.mendable else word(answer, ctx)

    try:
        ctx.racing = (*before, laggard)
        result = said(await ctx.runtime.first(others, late))
    finally:
        ctx.racing = before
        laggard.let_go(failure.attempt)
    if result is laggard.answer:
        ctx.made = max(
            ctx.made, ctx.attempt if is_under_way else 0
        )  # they tell it themselves only when they have ended
        ctx.attempt = failure.attempt
        ctx.target.take_in_vain()
        ctx.notebook.tell(f"attempt {failure.attempt} answered after all")
    elif result is failure and laggard.answer is not None:
        return laggard.answer
    return result
