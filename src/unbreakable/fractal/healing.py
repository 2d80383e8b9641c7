"""HEAL: diagnose a failed attempt, fix what can be fixed, try again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from unbreakable.events import AttemptFailed, RemedyApplied, RemedyConfirmed, RetryDenied, Retrying
from unbreakable.fractal.remedies import WAIT, Remedy
from unbreakable.fractal.signature import is_named, root_cause, sign
from unbreakable.outcome import Failure, Result, Success, in_one_line
from unbreakable.policies import Context, Inner, Retry, deeds
from unbreakable.policies.breaker import tell, verdict
from unbreakable.policies.effects import may_repeat, may_run_twice_at_once, tell_of_all
from unbreakable.policies.policy import enter, inside, leave
from unbreakable.policies.under_way import is_of
from unbreakable.runtime import TimeUp

ONE_ATTEMPT = Retry(attempts=1)
IN_LINE = 2.0  # seconds that what an attempt has left may stand in line for a thread: then nobody knows what it will do


class Healing:
    """Repeat an attempt until it succeeds, it makes no sense, or nobody can afford it; between attempts, mend."""

    def __init__(self, retry: Retry | None) -> None:
        self.retry = retry or ONE_ATTEMPT

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Return the first success, or the last failure."""
        try:
            result = await self._healed(inner, ctx)
        except BaseException:
            own_up(ctx)
            raise
        finally:
            if ctx.prepaid:
                ctx.node.give_back(ctx)
        if isinstance(result, Failure):
            own_up(ctx)
            tell_of_all(result, ctx.plan.effects, doubtful=ctx.deeds.doubtful)
        return result

    async def _healed(self, inner: Inner, ctx: Context) -> Result[Any]:
        result = await (_attempt(inner, ctx) if ctx.first is None else inner(ctx))
        while isinstance(result, Failure):
            failure = diagnose(ctx, result)
            if failure.mendable and verdict(replace(failure, mendable=False), ctx) is False:
                ctx.spared = ctx.stamp, ctx.runtime.now() - failure.elapsed
            remedy = choose(ctx, failure)
            if not self._is_repeated(ctx, failure, remedy):
                return failure
            if not may_repeat(ctx.plan.effects, failure):
                await apply(ctx, failure, remedy)  # in vain for this call, but the next one finds it mended
                return deny(ctx, failure, why_not(ctx, failure))
            mended = await apply(ctx, failure, remedy)
            if not await self._pace(ctx, failure, mended):
                return failure
            if not may_run_twice_at_once(ctx.plan.effects) and await left_at_work(ctx):
                return deny(ctx, failure, "what the attempt had left at work must not be done twice")
            ctx.attempt += 1
            with ctx.notebook.doing("heal.retry.reattempt"):
                result = await _attempt(inner, ctx)
            if isinstance(result, Failure) and result.refused:
                return deny(ctx, failure, str(result.error))  # refused before it was made: the failure stays what it is
            ctx.target.take_repeat(failure, result)
            confirm(ctx, failure, mended, result)
        return result

    def _is_repeated(self, ctx: Context, failure: Failure, remedy: Remedy | None) -> bool:
        if ctx.is_unwanted():
            reason = "the caller has cancelled the call"
        elif self.retry.wants(failure, remedied=remedy is not None, named=is_named(failure.error, self.retry.on)):
            return True
        elif failure.attempt >= self.retry.attempts:
            reason = f"all {self.retry.attempts} attempts are used"
        elif failure.exhausted:
            reason = "a protected call inside has repeated it already"
        else:
            reason = f"{failure.kind.value} failures of this type are not repeated"
        deny(ctx, failure, reason)
        return False

    async def _pace(self, ctx: Context, failure: Failure, mended: Remedy | None) -> bool:
        """Wait before the next attempt; False when the caller has no time for it or the budget is spent."""
        with ctx.notebook.doing("heal.retry.pace"):
            if ctx.is_unwanted():
                deny(ctx, failure, "the caller has cancelled the call")
                return False
            fresh = mended is not None and ctx.notebook.remedies.count(mended.name) == 1
            pause = 0.0 if fresh else self.retry.pause(failure, ctx.runtime.random())
            if pause >= ctx.left():
                deny(ctx, failure, f"the deadline comes before the next attempt, which is {pause:.3f} s away")
                return False
            if not (ctx.excused or ctx.prepaid or ctx.node.pay(ctx)):
                deny(ctx, failure, "the retry budget is spent")
                return False
            ctx.prepaid, ctx.excused = ctx.prepaid and ctx.excused, False
            ctx.emit(Retrying, attempt=ctx.attempt + 1, pause=pause)
            if mended is None:
                ctx.notebook.did("heal.fix.apply")  # waiting is the remedy that is always at hand
                ctx.notebook.remedies.append(WAIT)
            if pause > 0:
                ctx.notebook.tell(f"waits {pause:.3f} s before attempt {ctx.attempt + 1}")
                await ctx.runtime.sleep(pause)
        return True


async def _attempt(inner: Inner, ctx: Context) -> Result[Any]:
    """Make an attempt in a context of its own: one that is left behind shares nothing with the next."""
    scope, made = ctx.scope(), ctx.made
    enter(scope)
    try:
        result = await inner(scope)
    except BaseException:
        if scope.made > made:
            deeds.cancelled(scope)
        raise
    else:
        if isinstance(result, Failure):
            deeds.failed(scope, result)
        else:
            deeds.succeeded(scope)
        return result
    finally:
        leave(scope, ctx)
        ctx.take_over(scope)
        if scope.made == made:
            scope.end()  # refused before it began; otherwise it ends where its work does


async def left_at_work(ctx: Context) -> bool:
    """Return whether the attempts so far have left a call at work that must happen once, or may have in line."""
    began = await ctx.runtime.until_begun(functools.partial(is_of, ctx), min(IN_LINE, ctx.left()))
    return not began or ctx.deeds.settle().unrepeatable


def own_up(ctx: Context) -> None:
    """Have the circuit count a failure that it spared since a remedy was to mend it: the call is over in vain."""
    if ctx.spared is not None:
        (stamp, began), now = ctx.spared, ctx.runtime.now()
        tell(ctx, ctx.target.circuit.settle(stamp, False, now, now - began))


# ── diagnose ────────────────────────────────────────────────────────────────────────────────────────────────────────


def diagnose(ctx: Context, failure: Failure) -> Failure:
    """Return *failure* with its sort, signature and root cause; tell that the attempt failed."""
    book = ctx.notebook
    book.did("heal.diagnose.classify")  # done where it was captured: the circuit's verdict needs it
    with book.doing("heal.diagnose.sign"):
        signature = sign(failure.error)
    with book.doing("heal.diagnose.find_cause"):
        cause = root_cause(failure.error)
    failure = replace(failure, signature=signature, cause=cause)
    ctx.target.take(failure, blamed=verdict(failure, ctx) is False)
    because = "" if cause is failure.error else f", caused by {in_one_line(cause, 80)}"
    book.trouble = in_one_line(failure.error)
    book.tell(f"attempt {failure.attempt} failed ({failure.kind.value}): {book.trouble}{because}")
    ctx.emit(
        AttemptFailed,
        attempt=failure.attempt,
        signature=signature,
        error=book.trouble,
        elapsed=failure.elapsed,
    )
    return failure


# ── fix ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose(ctx: Context, failure: Failure) -> Remedy | None:
    """Return the remedy that is most likely to work for *failure*; None is waiting."""
    if failure.refused or ctx.left() <= 0:
        return None  # our own refusal is nothing that a remedy for the target's errors should see
    with ctx.notebook.doing("heal.fix.recall"):
        candidates = candidates_for(failure, ctx, ctx.notebook.tell)
    with ctx.notebook.doing("heal.fix.choose"):
        if not candidates:
            return None
        chosen: Remedy | None = ctx.target.experience.choose(failure.signature, candidates, ctx.runtime.random())
        return chosen


def is_mendable(failure: Failure, ctx: Context) -> bool:
    """Return whether a remedy that can be trusted is going to be applied for *failure*, and followed by an attempt."""
    retry = ctx.plan.retry
    if not ctx.node.remedies or retry is None or not retry.wants(failure, remedied=True) or ctx.left() <= 0:
        return False
    if not (may_repeat(ctx.plan.effects, failure) and (ctx.prepaid or ctx.node.may_pay())):
        return False
    failure = replace(failure, signature=sign(failure.error), cause=root_cause(failure.error))
    trusts = ctx.target.experience.trusts
    return any(trusts(failure.signature, remedy) for remedy in candidates_for(failure, ctx))


def candidates_for(failure: Failure, ctx: Context, tell: Callable[[str], None] | None = None) -> list[Remedy]:
    """Return the remedies that are meant for *failure*; a predicate that raises means no, and is told."""
    found, busy = [], mending(ctx)
    for remedy in ctx.node.remedies:
        try:
            if remedy not in busy and remedy.matches(failure):
                found.append(remedy)
        except Exception as error:
            if tell is not None:
                tell(f"asking whether {remedy.name} is for this failed: {in_one_line(error)}")
    return found


def mending(ctx: Context) -> set[Remedy]:
    """Return the remedies at work in the calls around this one: a remedy is not healed by itself."""
    found, scope = set(), ctx.parent
    while scope is not None:
        if scope.mending is not None:
            found.add(scope.mending)
        scope = scope.parent
    return found


async def apply(ctx: Context, failure: Failure, remedy: Remedy | None) -> Remedy | None:
    """Apply *remedy*, one call at a time; return it if it went through, None if there is nothing but waiting."""
    began = ctx.runtime.now() - failure.elapsed  # of the failed attempt; asked before the wait for our turn
    if remedy is None or not await remedy.alone.enter(ctx.runtime, ctx.left()):
        return None
    ctx.mending = remedy
    try:
        # In a context of its own: what it does is done for the target's sake, and as often as it is needed.
        with ctx.notebook.doing("heal.fix.apply"), inside(ctx.scope()):
            await _apply(ctx, failure, remedy, began)
    except Exception as error:
        ctx.notebook.tell(f"remedy {remedy.name} failed: {in_one_line(error)}")
        ctx.target.experience.update(failure.signature, remedy, worked=False)
        return None
    finally:
        ctx.mending = None
        remedy.alone.leave()
    ctx.notebook.remedies.append(remedy.name)
    ctx.emit(RemedyApplied, remedy=remedy.name, signature=failure.signature)
    return remedy


async def _apply(ctx: Context, failure: Failure, remedy: Remedy, began: float) -> None:
    if remedy.shared and remedy.mended_at > began:
        ctx.excused = True
        ctx.notebook.tell(f"remedy {remedy.name} was applied by another call meanwhile")
        return
    work = functools.partial(ctx.runtime.call, functools.partial(remedy.apply, failure))
    try:
        changes = await (ctx.runtime.within(ctx.left(), work) if ctx.runtime.preemptive else work())
    except TimeUp:
        raise TimeoutError("the caller's deadline came first") from None
    changes = changes if isinstance(changes, Mapping) else {}
    if changes:
        ctx.arguments = {**ctx.arguments, **changes}
    remedy.shared, remedy.mended_at = not changes, ctx.runtime.now()
    ctx.notebook.tell(f"applied remedy {remedy.name}" + (f", which changed {', '.join(changes)}" if changes else ""))


# ── retry ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def why_not(ctx: Context, failure: Failure) -> str:
    """Return why the effects forbid to repeat the call."""
    if failure.unrepeatable:
        return "a call inside that must not be made twice has done its work, or may have"
    return f'an operation with effects="{ctx.plan.effects}" is not repeated after this'


def deny(ctx: Context, failure: Failure, reason: str) -> Failure:
    """Return *failure* as the last one, having told why there is no further attempt."""
    if ctx.plan.retry is not None and ctx.plan.retry.attempts > 1:
        ctx.notebook.tell(f"no further attempt: {reason}")
        ctx.emit(RetryDenied, reason=reason)
    return failure


def confirm(ctx: Context, failure: Failure, mended: Remedy | None, result: Result[Any]) -> None:
    """Learn whether what was done between two attempts worked; another sort of failure says nothing about it."""
    with ctx.notebook.doing("heal.retry.confirm"):
        worked = isinstance(result, Success)
        if isinstance(result, Failure) and result.kind is not failure.kind:
            return
        ctx.target.experience.update(failure.signature, mended, worked=worked)
        name = WAIT if mended is None else mended.name
        ctx.emit(RemedyConfirmed, remedy=name, signature=failure.signature, worked=worked)
        if worked:
            ctx.notebook.tell(f"attempt {ctx.attempt} succeeded")
