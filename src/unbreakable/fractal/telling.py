"""How a call ended is told: to its caller, to the calls around it, to whoever listens."""

from __future__ import annotations

from typing import Any

from unbreakable.errors import told_by
from unbreakable.events import Explained, Failed, Healed, Succeeded
from unbreakable.fractal.ended import Ended
from unbreakable.fractal.signature import relatives
from unbreakable.outcome import Failure, Outcome, Result, Status, Success, attempts_in_words, in_one_line, note
from unbreakable.policies import Context
from unbreakable.policies.nos import may_be_down, was_asked


def outcome_of(ctx: Context, result: Result[Any]) -> Outcome[Any]:
    """Return what the caller is told."""
    is_over = isinstance(result, Success) and type(result.value) is Ended
    return Outcome(
        id=name_of(ctx),
        node=ctx.node.name,
        status=status_of(ctx, result),
        value=None if is_over or isinstance(result, Failure) else result.value,
        error=result.error if isinstance(result, Failure) else result.value.error if is_over else ctx.error,
        attempts=ctx.made,
        elapsed=ctx.runtime.now() - ctx.started,
        strategy=ctx.plan.strategy,
        remedies=tuple(ctx.notebook.remedies),
        degraded_reason=result.degraded if isinstance(result, Success) else None,
        trace=ctx.notebook.close(),
    )


def status_of(ctx: Context, result: Result[Any]) -> Status:
    """Return how the call ended, as its caller sees it."""
    if not isinstance(result, Success):
        return Status.FAILED
    if result.degraded is not None:
        return Status.DEGRADED
    return Status.HEALED if ctx.attempt > 1 else Status.OK


def name_of(ctx: Context) -> str:
    """Return the name under which the call is told."""
    if ctx.outcome_id is None:
        ctx.outcome_id = ctx.node.next_id()
    return ctx.outcome_id


def value_of(ctx: Context, result: Result[Any]) -> Any:
    """Return the plain value, or raise the user's own exception with a note that tells the story."""
    ctx.error = None  # what a fallback answered: its traceback holds the frames that hold us
    if isinstance(result, Success):
        if type(result.value) is Ended:
            raise result.value.error
        return result.value
    error = result.error
    try:
        note(error, story_of(ctx))
        raise error
    finally:
        del error, result  # the exception's traceback holds this frame: do not hold the exception in turn


def story_of(ctx: Context) -> str:
    """Return in one line how a call failed."""
    if not ctx.made and ctx.outcome_id is None:
        return untried(ctx.node.name, ctx.target.circuit.state.value)
    parts = [f"unbreakable: {ctx.node.name} failed after {attempts_in_words(ctx.made)}"]
    parts[0] += f" in {ctx.runtime.now() - ctx.started:.3f} s"
    if ctx.notebook.remedies:
        parts.append(f"tried {', '.join(ctx.notebook.remedies)}")
    parts += [line.split("  ", 1)[-1] for line in ctx.notebook.lines[-1:]]
    parts.append(f"circuit {ctx.target.circuit.state.value}")
    if ctx.outcome_id is not None:
        parts.append(f"outcome {ctx.outcome_id}")
    return "; ".join(parts)


def untried(name: str, state: str) -> str:
    """Return in one line how a call failed that was refused: its error says why."""
    return f"unbreakable: {name} failed without an attempt; circuit {state}"


def announce(ctx: Context, result: Result[Any]) -> None:
    """Tell the calls around this one, and whoever listens, how it ended."""
    if isinstance(result, Success) and result.makeshift:
        ctx.leave_makeshift()
    if isinstance(result, Failure):
        pass_on(ctx, result)
        if ctx.parent is not None and (ctx.made > 1 or result.exhausted or ctx.broke or ctx.vain):
            # The calls around this one need not repeat what was repeated here.
            ctx.parent.spent = (*ctx.parent.spent[-7:], result.error)
        ctx.emit(Failed, attempts=ctx.made, error=in_one_line(result.error))
    elif result.degraded is None and ctx.node.listeners:
        elapsed = ctx.runtime.now() - ctx.started
        if ctx.attempt > 1:
            ctx.emit(Healed, attempts=ctx.made, remedies=tuple(ctx.notebook.remedies), elapsed=elapsed)
        else:
            ctx.emit(Succeeded, elapsed=elapsed)
    if ctx.node.listeners:
        from unbreakable.fractal.recounting import tell_end  # success does not pay for it

        tell_end(ctx, result, status_of(ctx, result))
    if status_of(ctx, result) is not Status.OK and ctx.node.hears(Explained):
        outcome = outcome_of(ctx, result)
        ctx.emit(Explained, id=outcome.id, status=outcome.status.value, text=outcome.explain())


def announce_left(ctx: Context) -> None:
    """Tell whoever listens that the caller has cancelled the call."""
    if ctx.node.listeners:
        from unbreakable.fractal.recounting import tell_left  # success does not pay for it

        tell_left(ctx)


def pass_on(ctx: Context, failure: Failure) -> None:
    """Let the call around this one know its error again: it is this one's target that it speaks of."""
    if ctx.parent is not None:
        error = failure.error
        ctx.parent.broken = (*ctx.parent.broken[-3:], ctx.node.name)
        ctx.parent.passed = (*ctx.parent.passed[-14:], id(error), id(told_by(error, "response") or error))
        around = ctx.around
        if around is not None and may_be_down(failure, ctx):
            around.fails_inside = True


def note_end(ctx: Context, failure: Failure) -> None:
    """Note whether a call that reached its target, and ended in *failure*, is lost, or was answered by a no."""
    ctx.lost = may_be_down(failure, ctx)
    ctx.told_no = not ctx.lost and was_asked(failure)


def has_passed(ctx: Context, error: BaseException) -> bool:
    """Return whether *error*, of the attempt *ctx*, came up in a protected call inside it, or is made of one that did.

    What is known of those is no more than where they were: one that is gone keeps nothing alive, and a new one in its
    place is taken for it, which does no harm.
    """
    known = ctx.passed
    return bool(known) and any(id(each) in known or id(told_by(each, "response")) in known for each in relatives(error))
