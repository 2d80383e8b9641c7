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
from unbreakable.fractal.target import Target
from unbreakable.fractal.trying import accept, assess_quality, captured, check_shape
from unbreakable.outcome import Failure
from unbreakable.policies import Context
from unbreakable.policies.breaker import tell, verdict
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.policies.policy import _current
from unbreakable.policies.timeout import cut
from unbreakable.runtime import Runtime, settle, unwatch


def begin(
    node: Any, target: Target, runtime: Runtime, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Context | None:
    """Admit a call by arithmetic alone; None sends it to the script, with nothing taken."""
    stamp = target.circuit.stamp
    if stamp is None or not target.quick[runtime.preemptive]:
        return None
    now = runtime.now()
    deadline, ours = now + target.plan.deadline, True
    outer = _current.get()
    while outer is not None and not outer.live:  # current(), spelled out: a function call less
        outer = outer.whole or outer.parent
    if outer is not None and outer.deadline < deadline:
        if outer.deadline <= now:
            return None
        deadline, ours = outer.deadline, False
    if target.gate is not None and not target.gate.enter_nowait():
        return None
    ctx = Context()
    ctx.node, ctx.target, ctx.plan, ctx.runtime, ctx.parent = node, target, target.plan, runtime, outer
    ctx.started, ctx.deadline, ctx.deadline_is_ours, ctx.stamp, ctx.owner = now, deadline, ours, stamp, target
    ctx.due = min(deadline, now + target.limit)
    ctx.permit = target.gate is not None
    if outer is not None:
        ctx.function, ctx.given = function, (args, kwargs)  # its key is made of them, should anybody ask for it
    _current.set(ctx)
    return ctx


def succeed(ctx: Context, value: Any) -> Any:
    """Count a success and return its value; raise VerificationFailed when it is not what was asked for."""
    node, target = ctx.node, ctx.target
    elapsed = ctx.runtime.now() - ctx.started
    if node.judges or ctx.when_judged is not None or type(value) is CoroutineType:
        value = judged(ctx, value)
    unwatch(ctx)
    ctx.live = False
    if ctx.parent is not None or ctx.parts is not None:
        step_back(ctx)
    if ctx.permit:
        ctx.permit = False  # should anything be raised below, the place is not given back twice
        target.gate.leave()
    ring = target.ring
    if ctx.cut or ctx.unsettled:
        settle_up(ctx, elapsed)
    else:
        ring.append(elapsed)
    circuit = target.circuit
    if circuit.alert:
        tell(ctx, circuit.settle(ctx.stamp, True, ctx.started + elapsed, elapsed - ctx.aside))
    else:
        circuit.latest = ctx.started
    if len(ring) >= target.fold_at:
        learning.learn_soon(node, target, ctx.runtime)
    if node.listeners:
        ctx.emit(Succeeded, elapsed=elapsed)
    return value


def step_back(ctx: Context) -> None:
    """End a call that was made inside another, or has calls inside it, having told that one what its value is worth."""
    if ctx.makeshift:
        ctx.leave_makeshift()
    ctx.end()


def settle_up(ctx: Context, elapsed: float) -> None:
    """Take in a success that we cut, that waited for what is ours, or for which a repeat was paid in advance."""
    target = ctx.target
    settle(ctx, None)  # it swallowed our cancellation and finished all the same: the value counts
    ctx.node.give_back(ctx)
    if not ctx.aside:
        target.ring.append(elapsed)
        return
    target.take_detour(elapsed - ctx.aside, elapsed)
    if target.piled >= target.fold_at:
        learning.learn_soon(ctx.node, target, ctx.runtime)


def judged(ctx: Context, value: Any) -> Any:
    """Return *value* if it passes schema and verification, and tell who waits for the verdict."""
    settings = ctx.node.settings
    value = check_shape(settings.schema, value)
    accept(settings.verify, value, assess_quality(settings.verify, value))
    if ctx.when_judged is not None:
        ctx.when_judged(ctx, ok=True)
    return value


def fail(ctx: Context, error: BaseException) -> Failure | None:
    """Settle an attempt that ended badly; None means that the end is the caller's (a cancellation) and is raised on.

    The call itself goes on: its place stays taken and its context alive until the script has had its say.
    """
    unwatch(ctx)
    was_cut = bool(ctx.cut)
    ours = was_cut and settle(ctx, error)
    now, failure = ctx.runtime.now(), None
    if ours:
        failure = cut(ctx, ctx.started)
    elif isinstance(error, Exception):
        failure = captured(error, ctx, ctx.started, cut=was_cut)
    ctx.due = math.inf
    says = None if failure is None else verdict(failure, ctx)
    elapsed = now - ctx.started - ctx.aside
    tell(ctx, ctx.target.circuit.settle(ctx.stamp, says, now, elapsed))
    if failure is None:
        if not may_run_twice_at_once(ctx.plan.effects):
            ctx.leave_doubt()  # it was cancelled: nobody knows what it has done
        ctx.node.give_back(ctx)
        ctx.end()
        ctx.target.ages.append(elapsed)
        if ctx.permit:
            ctx.target.gate.leave()
    return failure
