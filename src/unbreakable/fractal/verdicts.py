"""What is learned of a remedy from how its call went on."""

from __future__ import annotations

from typing import Any

from unbreakable.errors import Kind, Rejected
from unbreakable.events import RemedyConfirmed
from unbreakable.fractal.cases import name_of
from unbreakable.fractal.episode import Episode, Open
from unbreakable.fractal.remedies import Remedy
from unbreakable.outcome import Failure, Result, Success, is_a
from unbreakable.policies import Context
from unbreakable.policies.breaker import SAID_NO, had_time
from unbreakable.policies.nos import may_be_down


def confirm(
    ctx: Context, failure: Failure, mended: Remedy | None, result: Result[Any], seconds: float, episode: Episode
) -> None:
    """Learn whether what was done between two attempts worked, a try that took *seconds*.

    Of another sort of failure nobody can tell whose doing it is, until the call ends, unless the target answers by it.
    """
    with ctx.notebook.doing("heal.retry.confirm"):
        worked = isinstance(result, Success)
        if isinstance(result, Failure) and came_through(failure, result, ctx):
            ctx.target.experience.healed((failure.signature,))
            worked = mended is None  # what a remedy has changed may be what is not found now
        if not worked and isinstance(result, Failure) and result.kind is not failure.kind:
            episode.under_way.pop(failure.signature, None)
            episode.open += left_open(ctx, result, failure.signature, mended, seconds, episode.through)
            return
        if not episode.confirm(ctx.target, failure, mended, worked=worked, seconds=seconds):
            return
        if worked and mended is not None and mended.turn.shared and mended.prevents:
            _mended_for_now(ctx, failure, mended)
        ctx.emit(RemedyConfirmed, remedy=name_of(mended), signature=failure.signature, worked=worked)
        if isinstance(result, Success):
            ctx.notebook.tell(f"attempt {ctx.attempt} succeeded")


def came_through(failure: Failure, again: Failure, ctx: Context) -> bool:
    """Return whether what failed before it came to an answer was answered *again*, be it by a no, as a 404 is.

    What ``Retry.on`` leaves out is an answer, too.
    """
    is_down = may_be_down(failure, ctx) and failure.kind not in (*SAID_NO, Kind.UNVERIFIED)
    return is_down and not may_be_down(again, ctx)


def left_open(
    ctx: Context, other: Failure, signature: str, mended: Remedy | None, seconds: float, through: int = 0
) -> tuple[Open, ...]:
    """Return what the end of the call has to judge after *mended*, its attempt having failed by an *other* sort."""
    return ((signature, mended, through, seconds),) if may_be_its_doing(other, ctx) else ()


def may_be_its_doing(failure: Failure, ctx: Context) -> bool:
    """Return whether *failure*, of another sort than what a remedy was for, may come of that remedy.

    A refusal, ours or further in, does not, nor a deadline that came too soon to tell, nor what waited for something
    of ours.
    """
    if is_a(failure.error, Rejected):
        return failure.cut and had_time(failure, ctx)
    return not ctx.blameless or failure.kind is Kind.THROTTLED


def blame(ctx: Context, episode: Episode) -> None:
    """Learn of remedies after which the call has failed in another way that it is lost.

    One that mends for all, and is known to, is judged by the next failure of its sort: others may succeed by it.
    """
    experience = ctx.target.experience
    for signature, mended, through, seconds in () if ctx.is_unwanted() else episode.open:
        if mended is not None and through and mends_for_all(mended) and experience.is_known_to_work(signature, mended):
            owe(ctx, signature, mended)
        elif mended is None or not through or mended.turn.is_unjudged(through):
            experience.blame(signature, mended, seconds)
            ctx.emit(RemedyConfirmed, remedy=name_of(mended), signature=signature, worked=False)


def mends_for_all(remedy: Remedy) -> bool:
    """Return whether what *remedy* has mended is mended for every call: not for one, nor for those of one instance."""
    return remedy.turns is None and not remedy.changes_call


def owe(ctx: Context, signature: str, mended: Remedy | None) -> None:
    """Leave it to the next failure of that *signature* to tell whether *mended* has helped: nothing here does.

    What changes the call at hand alone is in none of the others.
    """
    if mended is not None and not mended.changes_call:
        ctx.target.experience.owe(signature, mended, ctx.runtime.now(), ctx.target.successes_of_all())


def _mended_for_now(ctx: Context, failure: Failure, remedy: Remedy) -> None:
    """Learn that *remedy* has helped, to know how long it does."""
    experience, successes = ctx.target.experience, ctx.target.successes_of_all()
    experience.looks_ahead().mended(failure.signature, remedy.name, remedy.turn.mended_at, successes)
    ctx.target.look_ahead()
