"""An answer of our own when the target has none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import field
from typing import Any

from unbreakable.errors import ValidationFailed
from unbreakable.events import Degraded
from unbreakable.outcome import Failure, Result, Success, in_one_line, is_a, note
from unbreakable.policies.check import refuse
from unbreakable.policies.deeds import cancelled, failed, has_answered
from unbreakable.policies.policy import Context, Inner, inside
from unbreakable.record import Preset
from unbreakable.runtime import TimeUp

GRACE = 1.0  # seconds that a fallback has beyond the deadline


class Fallback(Preset):
    """Answer with ``answer(failure)``, sync or async, when the call failed; the outcome is DEGRADED, never OK.

    A call whose input was refused is not answered: wrong input is the caller's to mend.  If the fallback raises, the
    call fails with its own error, which then carries a note about the fallback's; one that raises ``failure.error``
    lets that through, and is not said to have failed.  An async fallback has what is left of the call's deadline, and
    one second more: it is needed most when the deadline has passed.  What it does counts by the call's effects: where
    those are "once", an answer of the fallback is not asked for again by the layers around.
    """

    answer: Callable[[Failure], Any] = field(kw_only=False)

    def __post_init__(self) -> None:
        if not callable(self.answer):
            raise refuse("fallback", "a function that takes the failure, such as lambda failure: []", self.answer)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Return the inner result, or the fallback's answer to its failure."""
        result = await inner(ctx)
        if not isinstance(result, Failure) or (result.refused and is_wrong(result.error, ctx)) or ctx.is_unwanted():
            return result
        failure = result
        try:
            value = await self._answered_inside(ctx, failure)
        except Exception as error:
            if error is failure.error:
                ctx.notebook.tell("the fallback has no answer to this: it let the error through")
                return failure
            note(failure.error, f"unbreakable: the fallback of {ctx.node.name} failed, too: {in_one_line(error)}")
            ctx.notebook.tell(f"the fallback failed, too: {in_one_line(error)}")
            return failure
        reason = in_one_line(failure.error)
        ctx.error = failure.error
        ctx.emit(Degraded, reason=reason)
        return Success(value, quality=0.0, degraded=reason)

    async def _answered_inside(self, ctx: Context, failure: Failure) -> Any:
        """Return the answer, made in a context of its own: what it does is a part of what the call has done."""
        scope = ctx.scope(until=max(ctx.deadline, ctx.runtime.now() + GRACE), lender=None)
        with inside(scope):
            try:
                answer = await self._answered(ctx, failure)
            except Exception as error:
                flags = scope.deeds.settle().flags()
                failed(scope, Failure(error, cut=is_a(error, TimeoutError), **flags))
                raise
            except BaseException:
                cancelled(scope)
                raise
            has_answered(scope)
            return answer

    async def _answered(self, ctx: Context, failure: Failure) -> Any:
        work = functools.partial(ctx.runtime.call, functools.partial(self.answer, failure))
        if not ctx.runtime.preemptive:
            return await work()
        seconds = max(0.0, ctx.left()) + GRACE
        try:
            return await ctx.runtime.within(seconds, work)
        except TimeUp:
            raise TimeoutError(f"it was cut after {seconds:.3f} s") from None


def is_wrong(error: Exception, ctx: Context) -> bool:
    """Return whether the call was refused for *error* because of what it was given: that is its caller's to mend."""
    return is_a(error, ValidationFailed) or error is ctx.refused
