"""TRY: check the call, make one attempt, judge what came of it.

Verification defines success: a value that does not pass is a failure for retry, breaker and learning alike.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from unbreakable.errors import (
    AttemptTimeout,
    BulkheadFull,
    ConfigurationError,
    DeadlineExceeded,
    Kind,
    Rejected,
    ValidationFailed,
    VerificationFailed,
    told_by,
)
from unbreakable.events import CallEnded
from unbreakable.fractal.ended import ended
from unbreakable.fractal.judging import SAID_NOTHING, Verify, fitted, is_refusal, refuse_awaitable, tripped, turned_down
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.signature import relatives, root_cause, told_of
from unbreakable.fractal.suspects import suspects_of
from unbreakable.fractal.telling import has_passed
from unbreakable.outcome import Failure, Result, Success, in_one_line, is_a
from unbreakable.policies import Context, Inner, deeds, firsts
from unbreakable.policies.naming import title_of
from unbreakable.policies.network import http_status
from unbreakable.policies.pushback import THROTTLED, longest, retry_after
from unbreakable.policies.timeout import is_soft
from unbreakable.runtime import Stopped, ThreadsExhausted, refuse_unawaited

LIMITS = (AttemptTimeout, DeadlineExceeded)  # ours, or of a call further in


class Validation:
    """Refuse a call whose input is wrong or whose time is up, before anything is sent."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* unless the call is refused; a call whose first attempt was made already is past this."""
        if ctx.first is not None:
            for name in ("check_input", "check_state"):
                ctx.notebook.did(f"try.validate.{name}")
            with ctx.notebook.doing("try.validate.prepare"):
                prepare(ctx)
            return await inner(ctx)
        with ctx.notebook.doing("try.validate.check_input"):
            refused = ctx.refused or check_input(self.settings, *ctx.given)
        if refused is None:
            with ctx.notebook.doing("try.validate.check_state"):
                refused = check_state(ctx)
        if refused is not None:
            ctx.notebook.tell(f"refused: {in_one_line(refused)}")
            return ctx.refuse(refused)
        with ctx.notebook.doing("try.validate.prepare"):
            prepare(ctx)
        return await inner(ctx)


class Validated(Protocol):
    """Have a name, and perhaps a function that looks at the input."""

    @property
    def name(self) -> str:
        """Return what refusals call it."""

    @property
    def validate(self) -> Callable[..., object] | None:
        """Return the function, None for none."""


def check_input(settings: Validated, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
    """Return the refusal of a call whose arguments ``validate`` does not accept."""
    validate = settings.validate
    if validate is None:
        return None
    try:
        accepted = validate(*args, **kwargs) if kwargs else validate(*args)  # without any it takes half as long
        return None if accepted is True else refused_by(settings.name, accepted)
    except Exception as error:
        return refusal(f"{settings.name}: ", error)


def refused_by(name: str, accepted: object) -> Exception | None:
    """Return the refusal of a call of which ``validate`` has said whether it is *accepted*."""
    refuse_awaitable(accepted)
    return ValidationFailed(f"{name}: the input was refused by validate") if is_refusal(accepted) else None


def refusal(opening: str, error: Exception) -> Exception:
    """Return why the call is refused for which *error* came up; a wrong setting is told as it is."""
    if isinstance(error, ConfigurationError):
        return error
    refused = ValidationFailed(f"{opening}{in_one_line(error)}")
    refused.__cause__ = error
    return refused


def check_state(ctx: Context) -> DeadlineExceeded | None:
    """Return the refusal of a call that has no time left, not even to clean up."""
    late = 0.0 - ctx.left()  # and not -0.0, as it would be told
    if late < 0:
        return None
    from unbreakable.policies.grace import has_grace  # hardly any call comes too late

    if has_grace(ctx):
        return None
    error = DeadlineExceeded(f"the deadline passed {late:.3f} s before the call")
    vars(error).update(may_have_arrived=False)
    return error


def prepare(ctx: Context) -> None:
    """Give the call its title before there are copies, which must not name their work differently."""
    title_of(ctx)


class Attempting:
    """Make one attempt: call the user's work, capture what came, verify it."""

    def __init__(self, settings: Settings) -> None:
        self.schema, self.verify = settings.schema, settings.verify

    def attempt(self, ctx: Context) -> Awaitable[Result[Any]]:
        """Return what the work returned if it passes, else the failure; only cancellations are raised."""
        if ctx.node.listeners and ctx.node.hears(CallEnded):
            from unbreakable.fractal.recounting import recounted  # success does not pay for it

            return recounted(self._made, ctx)
        return self._made(ctx)

    async def _made(self, ctx: Context) -> Result[Any]:
        under_way = ctx.pursuit is not None
        if not under_way and (ctx.plan.costs_threads or ctx.plan.hedges or ctx.raced or ctx.apart):
            deeds.may_be_left(ctx)
        try:
            result = await (ctx.pursuit.first_attempt(ctx) if under_way else self._judged(ctx))
        except BaseException:
            firsts.given_up(ctx)
            raise
        finally:
            if not under_way:
                ctx.end_attempt()
        if isinstance(result, Failure):
            firsts.failed(ctx, result)
        return result

    async def _judged(self, ctx: Context) -> Result[Any]:
        book = ctx.notebook
        started = ctx.runtime.now()
        ctx.made += ctx.rival == 0
        book.did("try.execute.acquire")  # the permits of bulkhead and circuit are in hand, or we would not be here
        try:
            with book.doing("try.execute.call"):
                value = await ctx.call(ctx.work(ctx))
        except ThreadsExhausted as error:
            return ctx.refuse(BulkheadFull(str(error)))
        except Exception as error:
            with book.doing("try.execute.capture"):
                return captured(error, ctx, started)
        book.did("try.execute.capture")
        try:
            with book.doing("try.verify.check_shape"):
                value = check_shape(self.schema, value, on_loop=ctx.runtime.preemptive)
            with book.doing("try.verify.assess_quality"):
                quality = assess_quality(self.verify, value)
            with book.doing("try.verify.accept"):
                accept(ctx, self.verify, value, quality)
        except Exception as error:  # also a schema that nothing can be an instance of, or a coroutine nobody ran
            return captured(error, ctx, started)
        result = well(value, ctx, started, quality)
        result.beside = ctx.astray
        return result


def captured(error: Exception, ctx: Context, started: float, *, cut: bool = False) -> Result[Any]:
    """Return what the attempt that began at *started* came to, which ended in *error*; *cut*: by our cut.

    It is a failure, unless the error says that there is no more.
    """
    end = ended(as_raised(error))
    return failed(error, ctx, started, cut=cut) if end is None else well(end, ctx, started)


def well(value: Any, ctx: Context, started: float, quality: float = 1.0) -> Success[Any]:
    """Return the *value* of the attempt that began at *started*, and tell who waits for the verdict."""
    if ctx.when_judged is not None:
        ctx.when_judged(ctx, ok=True)
    return Success(value, ctx.runtime.now() - started - ctx.aside, quality, makeshift=ctx.makeshift)


def failed(
    error: Exception, ctx: Context, started: float, *, cut: bool = False, wanted: bool = False, now: float | None = None
) -> Failure:
    """Return *error* as the failure of the attempt that began at *started*; *cut* when it is what became of our cut.

    *wanted* says that the caller is known not to have cancelled the call, *now* when it ended, if that is known.
    """
    if ctx.when_judged is not None:  # the work itself ended well
        ctx.when_judged(ctx, ok=False)
    error = as_raised(error)
    if not wanted and ctx.is_unwanted():
        ctx.runtime.forgive(relatives(error))
    now, node = ctx.runtime.now() if now is None else now, ctx.node
    ours = cut or (ctx.asked and is_soft(ctx, now, ours=False))  # it kept to the limit that it had asked for
    kind, wish = told_of(error, ctx.handled)
    if is_a(error, TypeError) and came_up_here(error):
        kind = Kind.BUG  # a function was called wrongly: the user's code was not entered
    if kind is THROTTLED and (http_status(error) or 0) < 500:
        ctx.blameless = True  # the target is well, and says how much it takes: a repeat that waits is all it needs
    facts: dict[str, Any] = {
        "error": error,
        "kind": kind,
        "node": node.name,
        "attempt": ctx.attempt,
        "elapsed": now - started - ctx.aside,
        "at": now,
        "cut": ours or is_a(error, LIMITS),
        "retry_after": wish,
    }
    if ours or ctx.due <= now:
        facts["soft"] = (facts["cut"] or ctx.runtime.preemptive) and is_soft(ctx, now, ours=ours)
    if ctx.own_deeds is not None or ctx.passed or ctx.spent:
        facts.update(known_inside(error, ctx))
    if ctx.broken or node.parent is not None or node.children:
        facts["suspects"] = suspects_of(ctx)
    return heard(Failure.of(facts), ctx)


def heard(failure: Failure, ctx: Context) -> Failure:
    """Return *failure* with whether a remedy is about to mend it; else a target that is asked too much is spared."""
    if (ctx.node.remedies or ctx.remedies) and ctx.node.mends(failure, ctx):
        return failure.but(mendable=True)  # as by another endpoint, which is not asked too much
    if failure.kind is THROTTLED:
        ctx.target.peace.refuse(ctx.target.successes_of_all(), failure.at)
    return failure


def known_inside(error: Exception, ctx: Context) -> dict[str, Any]:
    """Return what a failure by *error* is told of the protected calls inside its attempt."""
    facts = {} if ctx.own_deeds is None else ctx.own_deeds.settle().flags()
    ctx.over_others = bool(ctx.spent)
    if ctx.refuted:
        facts["acted"] = False
    if has_passed(ctx, error):
        facts.update(inner=True, retry_after=wish_below(error, ctx.handled))
    return {**facts, "exhausted": is_exhausted(error, ctx)}


def wish_below(error: Exception, handled: int = 0) -> float | None:
    """Return how long a target further in asked to be left in peace, however *error* hands that on.

    What a circuit of ours says is no wish of a target.
    """
    met = relatives(error, before=False, handled=handled)
    return longest(retry_after(each) for each in met if each is error or not is_a(each, Rejected))


def as_raised(error: Exception) -> Exception:
    """Return *error* as a plain function, or a block, raised it: a StopIteration leaves our coroutines as Stopped."""
    is_end = type(error) is Stopped and isinstance(error.__cause__, StopIteration)
    return error.__cause__ if is_end else error  # type: ignore[return-value]


def came_up_here(error: Exception) -> bool:
    """Return whether it was our code that *error* came up in, and no code of the user's that we called."""
    traceback = told_by(error, "__traceback__")
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return str(traceback.tb_frame.f_globals.get("__name__", "")).startswith("unbreakable.")


def is_exhausted(error: Exception, ctx: Context) -> bool:
    """Return whether a protected call inside this one has repeated *error* in vain: repeats must not multiply."""
    known = relatives(error) if ctx.spent else ()
    spent = [each for error in ctx.spent for each in (error, root_cause(error))]
    return any(is_the_same(inner, other) for inner in spent for other in known)


def is_the_same(one: BaseException, other: BaseException) -> bool:
    """Return whether two errors are one, or say the same of the very same answer."""
    answer = told_by(one, "response")
    return one is other or (answer is not None and answer is told_by(other, "response"))


def check_shape(schema: Any, value: Any, *, on_loop: bool) -> Any:
    """Return *value*, or what a *schema* function makes of it; raise VerificationFailed when it does not fit.

    What is still to be awaited is a TypeError: on an event loop a coroutine, in threads whatever it is.
    """
    refuse_unawaited(value, on_loop=on_loop)
    return value if schema is None else fitted(schema, value)


def assess_quality(verify: Verify | None, value: Any) -> float:
    """Return the quality of *value* in 0..1; raise VerificationFailed when the check itself fails on it."""
    if verify is None:
        return 1.0
    try:
        return verify.quality(value)
    except Exception as error:
        raise unjudged(error) from error


def unjudged(error: Exception) -> VerificationFailed:
    """Return what a result comes to whose check has raised *error*."""
    if isinstance(error, VerificationFailed):
        return error  # the program's own word
    return tripped(f"verify failed on the result: {in_one_line(error)}", error)


def accept(ctx: Context, verify: Verify | None, value: Any, quality: float) -> None:
    """Raise VerificationFailed for a result that is not good enough."""
    if verify is not None and quality < verify.at_least:
        ctx.refuted = True
        text = repr(value) if type(value) in (int, float, str, bool, type(None)) else f"a {type(value).__name__}"
        shown = text if len(text) <= 80 else f"{text[:79]}…"
        why = f"quality {quality:.2f} of {shown} is below {verify.at_least:.2f}"
        if quality is SAID_NOTHING:
            why = f"verify returned None of {shown}, which is no: give a bool or a quality in 0..1"
        raise turned_down(why, value)
