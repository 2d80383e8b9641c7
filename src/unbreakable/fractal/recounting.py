"""What the attempts of a call were is told to those who have asked for it by name; nobody else pays for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from unbreakable.errors import AttemptTimeout, Kind, ValidationFailed
from unbreakable.events import AttemptMade, CallEnded, Succeeded
from unbreakable.fractal.signature import sign
from unbreakable.outcome import Failure, Result, Status, Success, is_a
from unbreakable.policies import Context
from unbreakable.policies.deeds import call_of
from unbreakable.policies.effects import may_repeat

MOST = 256  # attempts, and copies, of a call that are told
LEFT = "left"  # how a call ended that its caller has cancelled
NOTHING_TO_TELL: dict[str, Any] = {
    "kind": None,
    "signature": "",
    "unsent": False,
    "in_doubt": False,
    "exhausted": False,
    "covered": True,
    "retry_after": None,
}


class Entry:
    """One attempt, or copy of one; ``seconds`` is None while it goes on."""

    __slots__ = ("attempt", "began", "copy", "ended", "facts", "seconds")

    def __init__(self, ctx: Context, began: float) -> None:
        self.attempt, self.copy, self.began = ctx.attempt, ctx.rival, began
        self.seconds: float | None = None
        self.ended, self.facts = "cut", NOTHING_TO_TELL

    def end(self, ctx: Context, result: Result[Any]) -> None:
        """Note what it came to."""
        self.seconds = result.elapsed
        if isinstance(result, Success):
            self.ended = "ok"
        elif not is_given_up(ctx, result):
            self.ended, self.facts = "failed", facts_of(ctx, result)

    def told(self, started: float, now: float) -> AttemptMade:
        """Return what is known of it *now*."""
        seconds = now - self.began if self.seconds is None else self.seconds
        return AttemptMade(
            attempt=self.attempt,
            copy=self.copy,
            began=max(0.0, self.began - started),
            seconds=max(0.0, seconds),
            ended=self.ended,
            **self.facts,
        )


async def recounted(make: Callable[[Context], Awaitable[Result[Any]]], ctx: Context) -> Result[Any]:
    """Make an attempt, and note when it began and how it ended."""
    call = call_of(ctx)
    if call.recount is None:
        call.recount = []
    began = ctx.runtime.now() if ctx.pursuit is None else ctx.started + ctx.aside  # it has been under way
    entry = Entry(ctx, began)
    if len(call.recount) < MOST:
        call.recount.append(entry)
    try:
        result = await make(ctx)
    except BaseException:
        entry.seconds = ctx.runtime.now() - began - ctx.aside
        raise
    if isinstance(result, Failure) and result.refused:
        call.recount = [each for each in call.recount if each is not entry]  # it was not made
    else:
        entry.end(ctx, result)
    return result


def recount_first(ctx: Context, result: Result[Any]) -> None:
    """Note the first attempt of a call, which was made before its script began."""
    if ctx.recount is None and ctx.node.hears(CallEnded):
        entry = Entry(ctx, result.began(ctx.runtime.now()) if isinstance(result, Failure) else ctx.started)
        entry.end(ctx, result)
        ctx.recount = [entry]


def is_given_up(ctx: Context, failure: Failure) -> bool:
    """Return whether *failure* is our own time limit's or deadline's, and not one of a call further in."""
    if not failure.cut:
        return False
    at = ctx.runtime.now() if failure.at is None else failure.at
    return failure.soft or is_a(failure.error, AttemptTimeout) or at >= ctx.deadline


def facts_of(ctx: Context, failure: Failure) -> dict[str, Any]:
    """Return what a recorded failure is told of, without anything that its error says."""
    retry = ctx.plan.retry
    return {
        "kind": failure.kind.value,
        "signature": sign(failure.error),
        "unsent": may_repeat("once", failure),
        "in_doubt": not may_repeat("unknown", failure),
        "exhausted": failure.exhausted,
        "covered": retry is None or retry.covers(failure.error),
        "retry_after": failure.retry_after,
    }


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def tell_success(ctx: Context, elapsed: float) -> None:
    """Tell of a call whose first attempt has succeeded by arithmetic alone."""
    ctx.emit(Succeeded, elapsed=elapsed)
    if ctx.node.hears(CallEnded):
        entry = Entry(ctx, ctx.started + ctx.aside)
        entry.seconds, entry.ended = elapsed - ctx.aside, "ok"
        ctx.recount = [entry]
        _tell(ctx, Status.OK.value)


def tell_end(ctx: Context, result: Result[Any], status: Status) -> None:
    """Tell of a call that the script has ended."""
    if not ctx.node.hears(CallEnded):
        return
    if not (isinstance(result, Failure) and has_nothing_to_do(result)):
        _tell(ctx, status.value)


def has_nothing_to_do(failure: Failure) -> bool:
    """Return whether it says nothing of the target: the call was refused for what it was given, or how it is made."""
    return failure.refused and (failure.kind is Kind.BUG or is_a(failure.error, ValidationFailed))


def tell_left(ctx: Context) -> None:
    """Tell of a call that its caller has cancelled."""
    if ctx.node.hears(CallEnded):
        if ctx.recount is None and ctx.made == 0 and ctx.notebook is None:  # it was on the quick path
            ctx.recount = [Entry(ctx, ctx.started + ctx.aside)]
        _tell(ctx, LEFT)


def _tell(ctx: Context, status: str) -> None:
    if ctx.stays or ctx.waiting is not None:
        return  # a generator, or a block: what its attempts take is its user's time, too
    now, node = ctx.runtime.now(), ctx.node
    entries, ctx.recount = ctx.recount or (), None
    node.tell(
        CallEnded(
            at=now,
            node=node.name,
            target=ctx.target.circle[0].name,  # whatever the effects of the call
            began=ctx.started,
            seconds=ctx.deadline - ctx.started,
            status=status,
            plan=ctx.plan,
            pinned=tuple(node.settings.pinned),
            preemptive=ctx.runtime.preemptive,
            attempts=tuple(entry.told(ctx.started, now) for entry in entries),
        )
    )
