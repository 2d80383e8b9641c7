"""A second copy of an attempt that takes long; the first good answer wins."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import field
from typing import Any

from unbreakable.errors import BulkheadFull
from unbreakable.events import CopyWon, Hedged
from unbreakable.outcome import Failure, Result, in_one_line
from unbreakable.policies import check
from unbreakable.policies.deeds import failed
from unbreakable.policies.firsts import given_up
from unbreakable.policies.nos import Word, grace, is_last_word, said, word
from unbreakable.policies.policy import Context, Inner, enter, is_half_over
from unbreakable.policies.used_up import generators_of
from unbreakable.record import Preset
from unbreakable.runtime import Waiter

MOST_COPIES = 100  # of one attempt: each has a task, or a thread, that waits for its turn
LEAST_LAG = 1e-4  # seconds: less is nothing
LAGS = 16.0  # copies that the mean lag is taken over
MOST_LEAD = 0.25  # of the delay: where copies begin later than that, something else is wrong


class Hedge(Preset):
    """Start a copy when an attempt has taken *after* seconds, and again, *after* seconds apart, at most *most*.

    After J. Dean and L. Barroso, "The Tail at Scale" (CACM 2013).  Only operations that may run twice at once are
    hedged; each copy pays the budget; a copy that fails never beats a first attempt that succeeds; losers are
    cancelled (async) or left behind (sync, where each hedged call costs two threads).
    """

    after: float = field(default=0.05, kw_only=False)
    most: int = 1
    threads: bool = field(default=True, repr=False)  #: whether sync calls are hedged, too; a learned delay does not

    def __post_init__(self) -> None:
        check.seconds("Hedge.after", self.after)
        check.whole("Hedge.most", self.most, least=1)
        if self.most > MOST_COPIES:
            raise check.refuse("Hedge.most", f"{MOST_COPIES} or less", self.most)
        check.switch("Hedge.threads", self.threads)

    def lead(self, lag: float) -> float:
        """Return how much sooner to begin with a learned copy, which takes *lag* seconds to be under way."""
        return 0.0 if self.threads else min(lag, MOST_LEAD * self.after)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Race the attempt against its copies."""
        if not ctx.runtime.preemptive and not self.threads:
            return await inner(ctx)
        try:
            return await self.race(inner, ctx)
        except BulkheadFull as full:  # every worker thread is held by a call that does not come back
            return ctx.refuse(full)

    async def race(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Return the first answer of the attempt and its copies; BulkheadFull if there is no thread for the first.

        A no of the attempt itself is one; that of a copy, when the attempt has had more time than answers take.
        """
        bells: list[Waiter] = []
        over: list[Result[Any]] = []
        copies: list[Copy] = []

        async def leader() -> Result[Any]:
            result = await inner(ctx)
            over.append(result)
            for bell in bells:
                bell.wake()
            return word(result, ctx)

        rivals = [self._rival(number, inner, ctx, bells, over, copies) for number in range(1, self.most + 1)]
        result = said(await ctx.runtime.first(leader, *rivals, owner=ctx.target))
        if not over:
            given_up(ctx)
        for copy in copies:
            if copy.result is result:
                copy.has_won(ctx)
        return result

    def _rival(
        self,
        number: int,
        inner: Inner,
        ctx: Context,
        bells: list[Waiter],
        over: list[Result[Any]],
        copies: list[Copy],
    ) -> Callable[[], Coroutine[Any, Any, Result[Any] | None]]:
        async def rival() -> Result[Any] | None:
            bell = ctx.runtime.waiter()
            bells.append(bell)
            after = await self._sent(number, ctx, bell, over)
            if after is None:
                return None  # the first copy ended before we were needed, or nobody can afford us
            copy = Copy(after, f"copy {number}" if self.most > 1 else "the copy")
            copies.append(copy)
            copy.is_sent(ctx, number)
            twin = ctx.scope(rival=number)
            if is_half_over(ctx):  # what comes of races so late says nothing of those that the plan is about
                twin.astray = True
            else:
                ctx.target.sent.append(after)
            enter(twin)
            copy.result = result = await inner(twin)
            if isinstance(result, Failure):
                failed(twin, result)  # should the first copy fail, it is the one that is told of
                is_last = is_last_word(result, ctx)
                copy.tell(ctx, f"{'was told no' if is_last else 'failed'}: {in_one_line(result.error)}")
                if not over and is_last and not await ctx.runtime.wait(bell, grace(ctx)):
                    return Word(result)
            else:
                result.beside = True
                if not twin.astray:
                    ctx.target.beside.append(result.elapsed)
            return result

        return rival

    async def _sent(self, number: int, ctx: Context, bell: Waiter, over: list[Result[Any]]) -> float | None:
        """Return, once it is time for it, after how many seconds a copy of that *number* is sent, which is paid.

        A learned one that could not be paid gets a second chance when half of the time is over.
        """
        lead = ctx.target.lead if number == 1 and ctx.pursuit is not None else 0.0
        if not await is_late(ctx, bell, over, number * self.after - lead) or generators_of(ctx):
            return None
        if ctx.node.may_hedge(ctx):
            if number == 1:
                note_lag(ctx, self.after)
            return number * self.after
        if number > 1 or self.threads or not await _is_half_over(ctx, bell, over) or not ctx.node.may_hedge(ctx):
            return None
        return ctx.runtime.now() - ctx.started


class Copy:
    """A copy that was sent *after* so many seconds, under the *name* by which the story of the call tells of it."""

    __slots__ = ("after", "name", "result")

    def __init__(self, after: float, name: str) -> None:
        self.after, self.name = after, name
        self.result: Result[Any] | None = None  #: None as long as it is under way

    def is_sent(self, ctx: Context, number: int) -> None:
        """Tell that it was sent, by that *number*."""
        ctx.node.copies.update(sent=1)
        ctx.emit(Hedged, after=self.after)
        ctx.notebook.tell(f"sends {'another' if number > 1 else 'a'} copy of attempt {ctx.attempt}")

    def tell(self, ctx: Context, what: str) -> None:
        """Have the story of the call say *what* became of it."""
        ctx.notebook.tell(f"{self.name} of attempt {ctx.attempt} {what}")

    def has_won(self, ctx: Context) -> None:
        """Tell that it answered first."""
        ctx.node.copies.update(won=1)
        ctx.emit(CopyWon, after=self.after)
        self.tell(ctx, "answered first")


async def _is_half_over(ctx: Context, bell: Waiter, over: Sequence[Any]) -> bool:
    """Return, once half of the time of *ctx* is over, whether the first copy is not *over* by then."""
    half, begin = (ctx.started + ctx.deadline) / 2.0, ctx.runtime.now() if ctx.pursuit is None else ctx.started
    return half < math.inf and not is_half_over(ctx) and await is_late(ctx, bell, over, half - begin)


def note_lag(ctx: Context, after: float) -> None:
    """Take in how many seconds the first copy of *ctx*, which is learned to come *after* so many, took to be under way.

    An event loop's timers ring late, by half a millisecond on the average, and the script has to come to life.
    """
    if ctx.pursuit is not None and not ctx.aside:
        late = ctx.runtime.now() - ctx.started - after + ctx.target.lead
        lag = late if late > LEAST_LAG else 0.0
        ctx.target.lag += (min(lag, after) - ctx.target.lag) / LAGS


async def is_late(ctx: Context, bell: Waiter, over: Sequence[Any], seconds: float) -> bool:
    """Return whether the first copy, the attempt of *ctx*, is not *over* after so many *seconds* at its target.

    While it waits for something of ours, a copy would do the same.
    """
    pause = seconds if ctx.pursuit is None else ctx.started + seconds - ctx.runtime.now()
    while not (over or await ctx.runtime.wait(bell, pause)):
        pause = seconds if ctx.is_aside else ctx.counts_from + seconds - ctx.runtime.now()
        if pause <= 0:
            return True
    return False
