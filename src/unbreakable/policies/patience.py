"""A learned time limit on an event loop: when it is over another attempt begins, and the old one races on.

A guess is never the reason why something is cut.  Who is late is overtaken: whoever has a good answer first ends the
call, the old attempt included, and the others are cancelled then.  The attempt that may be in vain is paid for before.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any

from unbreakable.errors import AttemptTimeout, Kind
from unbreakable.outcome import Failure, Result, Success
from unbreakable.policies import deeds
from unbreakable.policies.breaker import spared, tell, verdict
from unbreakable.policies.firsts import given_up
from unbreakable.policies.policy import Context, Inner
from unbreakable.policies.timeout import Timeout, guess, is_let_through, is_slow, may_be_followed
from unbreakable.policies.used_up import may_run_beside
from unbreakable.record import Preset
from unbreakable.runtime import Beside, TimeUp

DOUBTED = 4.0  # times the learned limit, where who was overtaken won most of the time


class Patience(Preset):
    """Wait for an attempt alone for as long as the learned *limit* says, then say so and let it go on.

    Only on an event loop, for operations that may run twice at once.  A probe of a half-open circuit is cut instead:
    others wait for what it finds out; so are a block and a generator, which are where their caller is.
    """

    limit: Timeout = field(kw_only=False)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Return what *inner* returns, or a soft failure if it is late; ``ctx.laggard`` is then what goes on."""
        ctx.raced = self._is_raced(ctx)
        if not ctx.raced:
            return await inner(ctx)
        now = ctx.runtime.now()
        began = now if ctx.pursuit is None else ctx.started
        attempt = ctx.runtime.beside(lambda: inner(ctx))
        try:
            seconds = began + patience(ctx, self.limit) - now
            return await ctx.runtime.within(seconds, attempt.wait, ctx.target, lambda: next_look(ctx))
        except TimeUp:
            if attempt.is_over:
                return await attempt.wait()  # type: ignore[no-any-return]
        except BaseException:
            attempt.stop()
            await attempt.gone()
            raise
        ctx.laggard = Laggard(ctx, attempt, began)
        return late(ctx, began)

    def _is_raced(self, ctx: Context) -> bool:
        can_be = ctx.runtime.preemptive and ctx.waiting is None and not ctx.stays
        return can_be and not ctx.target.circuit.is_probing and may_run_beside(ctx)


def patience(ctx: Context, limit: Timeout) -> float:
    """Return how many seconds the attempt that begins now is waited for alone: doubled with each attempt."""
    return ctx.patience * limit.grown(ctx) * (DOUBTED if is_slow(ctx) else 1.0)


def next_look(ctx: Context) -> float:
    """Return the moment until which an attempt that is late is waited for alone; in the past: another one is paid."""
    limit, now = guess(ctx), ctx.runtime.now()
    if limit is None or not may_be_followed(ctx, limit):
        return math.inf
    if ctx.is_aside:
        return now + limit.seconds
    counts = ctx.counts_from + patience(ctx, limit)
    if ctx.aside and counts > now:
        return counts
    if not is_let_through(ctx, now):
        return now + limit.seconds
    if ctx.excused or ctx.prepaid or ctx.node.prepay(ctx):  # it is late: what has failed goes first
        return -math.inf
    return now + limit.seconds


def late(ctx: Context, began: float) -> Failure:
    """Return what is told of an attempt that is late and goes on."""
    now = ctx.runtime.now()
    took = now - began
    error = AttemptTimeout(f"no answer after {took:.3f} s; it goes on beside another attempt")
    facts: dict[str, Any] = {"node": ctx.node.name, "attempt": ctx.attempt, "elapsed": took - ctx.aside, "at": now}
    return Failure(error, Kind.TIMEOUT, **facts, cut=True, soft=True)


class Laggard:
    """An attempt that others overtake, and that goes on all the same."""

    __slots__ = ("answer", "attempt", "began", "scope")

    def __init__(self, scope: Context, attempt: Beside, began: float) -> None:
        self.scope, self.attempt, self.began = scope, attempt, began
        self.answer: Result[Any] | None = None

    async def run(self) -> Result[Any]:
        """Return what comes of it; nobody has been told of that yet."""
        try:
            answer = await self.attempt.wait()
        except BaseException:
            self.attempt.stop()
            await self.attempt.gone()
            raise
        self.answer = answer
        scope, now = self.scope, self.scope.runtime.now()
        says = verdict(answer, scope)
        circuit = scope.target.circuit
        told = spared(says, answer, scope, circuit)
        tell(scope, circuit.settle(scope.stamp, told, now, now - self.began - scope.aside))
        if isinstance(answer, Success):
            deeds.succeeded(scope)
        else:
            deeds.failed(scope, answer)
            scope.target.take(answer, blamed=says is False)
        return answer  # type: ignore[no-any-return]

    def let_go(self, attempt: int) -> None:
        """Cancel it, the *attempt* of that number, another one having won; what it may have done meanwhile is noted."""
        if self.answer is None:
            self.scope.given_up, self.scope.due = True, self.scope.runtime.now()  # it finds its time up
            deeds.overtaken(self.scope)
            given_up(self.scope, attempt)
            self.attempt.stop()
