"""What the operation alone would have come to in one call's place: what the call's first attempt comes to.

The operation alone is one attempt, with the call's deadline.  Where the first attempt is by the operation itself, that
is the counterfactual: known when it ends, and a failure is one, although the call may be rescued.  Where a copy won it
would be known only that it takes longer; therefore some such attempts, drawn beforehand, are let go on, in a task of
their own: nobody pays for them, since the request was sent already.  But each holds a place at its target, which calls
may wait for.  So no more than two go on at a time, and what hangs does not do so for long.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from unbreakable.fractal.pursuit import ENDS
from unbreakable.policies import Context
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.runtime import Beside
from unbreakable.simulation.leftovers import Leftovers
from unbreakable.simulation.pairs import UNKNOWN, Pairs

RUN_ON = 0.3  # share of the first attempts that would go on, should another one win
LONG = 100.0  # times as long as its call one may go on
FEW = 3.0  # times as long as any was seen to take, of late: for that long while it is not worth to wait for longer
WARY = 20.0  # times as long as was waited in vain: until then none is waited for longer than that


class Running(Leftovers[Beside]):
    """The first attempts of one job that go on although their calls are over."""

    most = 2
    wary_until = -math.inf  #: moment until which what takes much longer than usual is not waited for

    def take(self, one: Beside, until: float) -> None:
        """Take in a step that goes on."""
        super().take(one, until)
        one.when_over(partial(self.drop, one))

    def in_vain(self, seconds: float, now: float) -> None:
        """Take in that one had not ended after so many *seconds*."""
        self.wary_until = max(self.wary_until, now + WARY * seconds)

    def stop(self) -> None:
        """Cancel them all, from any thread; nobody waits for their clean-up."""
        for each in self.every():
            each.stop_soon()


def may_be_overtaken(ctx: Context) -> bool:
    """Return whether another attempt may win although the first one of *ctx*, which may happen twice, goes on."""
    plan = ctx.plan
    can_be = ctx.runtime.preemptive and may_run_twice_at_once(plan.effects)
    return can_be and (plan.hedges or ctx.raced)


class Trial:
    """Watch the first attempt of one call."""

    __slots__ = (
        *("age", "alone", "attempt", "began", "deadline", "ended", "failed", "is_compared", "pairs", "running"),
        *("sent", "until", "way", "when_lost"),
    )

    def __init__(self, pairs: Pairs, running: Running) -> None:
        self.pairs, self.running, self.sent = pairs, running, 0
        self.alone = self.age = UNKNOWN  #: as in Pairs
        self.failed = False  #: whether the first attempt did
        self.is_compared = True  #: whether the operation itself could be measured in such a call
        self.began = self.ended = self.deadline = self.until = 0.0
        self.way = ""  #: of the latest attempt
        self.attempt: tuple[Context, Beside] | None = None  #: the first one, in a task of its own
        self.when_lost: Callable[[Exception], None] | None = None  #: told of a failure that comes after the call's end

    # ── the attempt's side ───────────────────────────────────────────────────────────────────────────────────────

    async def call(self, ctx: Context, work: Callable[[], Any], *, goes_on: bool) -> Any:
        """Do the *work* of the first attempt, by the operation itself; *goes_on*: also when another attempt has won."""
        self.began, self.deadline = ctx.runtime.now(), ctx.deadline
        if not goes_on:
            return await ctx.call(work)
        step = ctx.runtime.beside(partial(self._work, ctx, work))
        self.attempt = ctx, step
        return await step.wait()

    async def _work(self, ctx: Context, work: Callable[[], Any]) -> Any:
        try:
            return await ctx.call(work)
        finally:
            self.ended = ctx.runtime.now()

    def worked(self, seconds: float) -> None:
        """Take in that the first attempt, by the operation itself, succeeded after so many *seconds*."""
        self.alone = seconds

    async def ended_badly(self, ctx: Context, error: BaseException, *, is_primary: bool) -> None:
        """Take in how the first attempt ended: it failed, was cut, or was overtaken or cancelled by the caller."""
        now = ctx.runtime.now()
        self.failed = isinstance(error, Exception) or ctx.remaining() <= 0
        if isinstance(error, Exception) or now >= ctx.deadline:
            self.alone = math.inf if is_primary else self.alone
        elif is_primary and math.isnan(self.age):
            self.age = now - self.began
        await self._let_go(ctx, error)

    async def _let_go(self, ctx: Context, error: BaseException) -> None:
        """Stop the first attempt if its time is up; else it goes on for the time being."""
        if self.attempt is None or self.attempt[1].is_over:
            return
        now = ctx.runtime.now()
        self.until = min(self.deadline, self.began + self._patience(now))
        if self.failed or isinstance(error, ENDS) or now >= self.until or not self.running.has_room(now):
            await self._stop(error)
            self.attempt = None
            return
        self.running.take(self.attempt[1], self.until)
        # It finds itself alive, and in time, as if no other one had won.
        ctx.in_a_thread, ctx.given_up, ctx.due = True, False, ctx.deadline

    def _patience(self, now: float) -> float:
        """Return how many seconds the first attempt may take, now that another one has won.

        How slow the primary way is beside one that is chosen nobody can tell from that one.
        """
        took = now - self.began
        if now < self.running.wary_until:
            return FEW * max(took, self.pairs.longest)
        return math.inf if self.age == 0.0 and self.deadline < math.inf else LONG * took

    async def _stop(self, error: BaseException) -> None:
        """Stop the first attempt, and wait for its clean-up as for any other's."""
        if self.attempt is None or self.attempt[1].is_over:
            return
        self.attempt[1].stop()
        if not isinstance(error, ENDS):
            await self.attempt[1].gone()

    # ── the call's side ──────────────────────────────────────────────────────────────────────────────────────────

    async def given_up(self, error: BaseException) -> None:
        """Take in that the call's caller has cancelled it: the operation alone would have been, too."""
        if self.sent and self.is_compared:
            alone, age = (self.alone, 0.0) if self.age == 0.0 else (math.inf, UNKNOWN)
            self.pairs.add(math.inf, alone, age=age, sent=self.sent)
        await self._stop(error)

    def over(self, ctx: Context, seconds: float) -> None:
        """Take in that the call is over, after so many *seconds*; ``math.inf``: it failed."""
        if not (self.sent and self.is_compared):
            return
        if math.isnan(self.alone) and math.isnan(self.age):  # it was left behind in a thread, and has told nothing
            self.alone, self.age = (math.inf, UNKNOWN) if seconds == math.inf else (UNKNOWN, seconds)
        if self.attempt is None or not math.isnan(self.alone):
            self._add(seconds)
        else:
            ctx.runtime.beside(partial(self._see_out, seconds))

    async def _see_out(self, seconds: float) -> None:
        """Wait for the end of the first attempt, which goes on, as long as that is worth it."""
        assert self.attempt is not None  # noqa: S101 - or there was nothing to wait for
        scope, step = self.attempt
        try:
            await scope.runtime.within(self.until - scope.runtime.now(), step.wait)
            self.alone = self.ended - self.began
        except Exception as error:  # TimeUp, too: it takes longer than all that a quantile is told of, or for ever
            self.alone, now = math.inf, scope.runtime.now()
            if not step.is_over:
                self.running.in_vain(now - self.began, now)
            if self.when_lost is not None:
                self.when_lost(error)
        finally:
            step.stop()
            scope.in_a_thread = False
            scope.end()
            self._add(seconds)

    def _add(self, seconds: float) -> None:
        rescued = self.failed and seconds < math.inf
        self.pairs.add(seconds, self.alone, age=self.age, sent=self.sent, rescued=rescued)
