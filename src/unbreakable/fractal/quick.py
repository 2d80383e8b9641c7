"""The quick path: while all is well, a protected call is arithmetic around the user's work.

``begin``, the user's work, then ``succeed`` or ``fail``: plain functions without a colour, written once; the doors
spell the sandwich.  Whatever is out of the ordinary (an open circuit, no place, no time, a policy that needs a race)
makes ``begin`` answer None, and the call is played by the script from the start.  When the work ends badly, the
script is played with the first answer in hand.  Both ways tell the same story; a test plays each story both ways.
"""

from __future__ import annotations

import math
from types import CoroutineType
from typing import Any

from unbreakable.events import Succeeded
from unbreakable.fractal import learning
from unbreakable.fractal.judging import quality_of
from unbreakable.fractal.pursuit import Late
from unbreakable.fractal.target import Target
from unbreakable.fractal.trying import accept, captured, check_shape, refusal, refused_by, unjudged
from unbreakable.outcome import Failure
from unbreakable.policies import Context, deeds
from unbreakable.policies.breaker import tell, verdict
from unbreakable.policies.policy import enter, innermost
from unbreakable.policies.timeout import cut
from unbreakable.runtime import Runtime, settle

NO_TIME = 0.001  # seconds that a look at the arguments may take before anybody reckons with it


def begin(  # noqa: C901 - spelled out: every function call less is a twentieth of the whole
    node: Any, target: Target, runtime: Runtime, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Context | Exception | None:
    """Admit a call by arithmetic alone; return why ``validate`` refuses it, or None to have it played by the script.

    Then nothing is taken; with None nobody has looked at the arguments either.
    """
    stamp, colour = target.circuit.stamp, runtime.preemptive
    look, clock = target.quick[colour], runtime.now
    if stamp is None or look is None or (now := clock()) >= target.experience.foreseen:
        return None
    outer = innermost()
    while outer is not None and not outer.live:  # as current() does
        outer = outer.above
    ctx = Context()
    ctx.started, ctx.plan, ctx.unsettled = now, target.plan, outer is not None
    deadline, due = now + ctx.plan.deadline, now + look
    if outer is not None:
        deadline = inside(ctx, outer, deadline, function, (args, kwargs))
        if deadline <= now:
            return None
    ctx.deadline = ctx.due = deadline
    if due < deadline:
        ctx.due = due
        if colour:
            ctx.entry = (function, args, kwargs)  # should it be late
    gate = ctx.permit = target.gate
    if gate is not None:
        if gate.line:
            return None
        try:
            gate.free.pop()
        except IndexError:
            if not gate.makes_one():
                return None
    ctx.node, ctx.runtime, ctx.target, ctx.stamp = node, runtime, target, stamp
    if outer is not None:
        outer.deeds.at_work.add(ctx)
    enter(ctx)
    validate = node.validate
    return ctx if validate is None else validated(ctx, validate, args, kwargs)


def inside(ctx: Context, outer: Context, deadline: float, function: Any, given: tuple[Any, ...]) -> float:
    """Make *ctx* a call inside the attempt *outer*, and return its deadline; its own would be *deadline*."""
    ctx.above, ctx.function, ctx.given = outer, function, given  # its key is made of them, should anybody ask for it
    if outer.deadline >= deadline:
        return deadline
    ctx.deadline_is_ours = False
    return outer.deadline


def validated(ctx: Context, validate: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Context | Exception:
    """Return the call if *validate* accepts its arguments, else the refusal, with nothing taken any more."""
    try:
        accepted = validate(*args, **kwargs) if kwargs else validate(*args)  # the half costs half as much
        refused = None if accepted is True else refused_by(ctx.node.name, accepted)
    except Exception as error:
        refused = refusal(f"{ctx.node.name}: ", error)
    except BaseException:  # such as a KeyboardInterrupt
        turn_away(ctx)
        raise
    if refused is not None:
        turn_away(ctx)
        return refused
    clock = ctx.runtime.now
    spent = clock() - ctx.started
    if spent > NO_TIME:  # it has asked somebody; that is no part of how long the target takes
        ctx.aside, ctx.unsettled, ctx.due = spent, True, min(ctx.due + spent, ctx.deadline)
    return ctx


def turn_away(ctx: Context) -> None:
    """Take back what ``begin`` has done."""
    if ctx.permit is not None:
        ctx.permit.leave()
    if ctx.above is not None:
        ctx.above.deeds.at_work.discard(ctx)
    ctx.end()
    enter(ctx.above)


def succeed(ctx: Context, value: Any) -> Any:  # noqa: C901 - spelled out, as begin() is
    """Count a success and return its value; raise VerificationFailed when it is not what was asked for."""
    node, target, clock, is_plain = ctx.node, ctx.target, ctx.runtime.now, True
    elapsed = clock() - ctx.started
    if ctx.unsettled or node.schema is not None or type(value) is CoroutineType:
        if ctx.pursuit is not None:
            raise Late(ctx, value)
        value = judged(ctx, value)
        is_plain = not ctx.unsettled or settled(ctx, elapsed)
    elif node.check is not None:
        check = node.check
        try:
            answer = check(value)
        except Exception as error:
            raise unjudged(error) from error
        if answer is not True:
            weigh(ctx, value, answer)
    ctx.live, ctx.entry = False, None
    gate = ctx.permit
    if gate is not None:
        ctx.permit = None  # should anything be raised below, the place is not given back twice
        if len(gate.free) < gate.made:  # as leave() does
            gate.free.append(None)
        if gate.line or gate.surplus:
            gate.admit()
    ring, circuit = target.ring, target.circuit
    if is_plain:
        ring.append(elapsed)
        flow = target.flow
        if flow is not None:
            flow.tap.append(elapsed)
            if len(flow.tap) >= flow.size:
                flow.pour(node, ctx.started + elapsed)
    if circuit.alert:
        tell(ctx, circuit.settle(ctx.stamp, True, ctx.started + elapsed, elapsed - ctx.aside))
    elif ctx.started > circuit.latest:
        circuit.latest = ctx.started
    if len(ring) >= target.fold_at:
        learning.learn_soon(node, target, ctx.runtime)
    if node.listeners:
        ctx.emit(Succeeded, elapsed=elapsed)
    return value


def settled(ctx: Context, elapsed: float) -> bool:
    """Settle what came in between, and return whether the success says how long its target takes, and no more.

    The call was cut, or made inside another, or has calls inside it; or it waited for what is ours, or has paid for a
    repeat in advance.
    """
    settle(ctx, None)  # it swallowed our cancellation and finished all the same: the value counts
    ctx.node.give_back(ctx)
    if ctx.makeshift:
        ctx.leave_makeshift()
    if ctx.above is not None:
        deeds.succeeded_inside(ctx, ctx.above)
    if ctx.above is not None or ctx.parts is not None:
        ctx.end()
    if not ctx.aside:
        return True
    ctx.target.take_detour(elapsed - ctx.aside, elapsed)
    if ctx.target.piled >= ctx.target.fold_at:
        learning.learn_soon(ctx.node, ctx.target, ctx.runtime)
    return False


def judged(ctx: Context, value: Any) -> Any:
    """Return *value* if it passes schema and verification, and tell who waits for the verdict."""
    node = ctx.node
    if node.schema is not None or type(value) is CoroutineType:
        value = check_shape(node.schema, value)
    if node.check is not None:
        try:
            answer = node.check(value)
        except Exception as error:
            raise unjudged(error) from error
        weigh(ctx, value, answer)
    if ctx.when_judged is not None:
        ctx.when_judged(ctx, ok=True)
    return value


def weigh(ctx: Context, value: Any, answer: object) -> None:
    """Raise VerificationFailed if *answer*, what was said of *value*, is no yes, and no good enough quality."""
    try:
        quality = quality_of(answer)
    except Exception as error:
        raise unjudged(error) from error
    accept(ctx, ctx.node.settings.verify, value, quality)


def fail(ctx: Context, error: BaseException) -> bool:
    """Settle an attempt that ended badly; False means that the end is the caller's (a cancellation) and is raised on.

    The call itself goes on with ``ctx.first``: its place stays taken and its context alive until that has had its say.
    """
    if ctx.entry is not None:
        ctx.entry = None
    if ctx.pursuit is not None:
        return ctx.pursuit.ended(ctx, error)  # type: ignore[no-any-return]
    ctx.first = failure_of(ctx, error, ctx.started)
    if ctx.first is None:
        deeds.cancelled(ctx)
        deeds.tell_outside(ctx)
        close(ctx)
    return ctx.first is not None


def failure_of(ctx: Context, error: BaseException, began: float) -> Failure | None:
    """Tell the circuit how the attempt that began then ended, and return its failure; None for a cancellation."""
    was_cut = bool(ctx.cut)
    ours = was_cut and settle(ctx, error)
    now, failure, wanted = ctx.runtime.now(), None, not ctx.is_unwanted()
    if ours:
        failure = cut(ctx, began)
    elif isinstance(error, Exception):
        failure = captured(error, ctx, began, cut=was_cut, wanted=wanted)
    ctx.due = math.inf
    elapsed = now - began - ctx.aside
    ctx.says = None if failure is None else verdict(failure, ctx, wanted=wanted)
    event = ctx.target.circuit.settle(ctx.stamp, ctx.says, now, elapsed)
    if event is not None:
        tell(ctx, event)
    if failure is None:
        ctx.target.ages.append(elapsed)
    return failure


def close(ctx: Context) -> None:
    """End a call of which no script knows: give back its place, and what it has paid for and not needed."""
    if ctx.prepaid:
        ctx.node.give_back(ctx)
    ctx.end()
    if ctx.permit is not None:
        ctx.permit.leave()
