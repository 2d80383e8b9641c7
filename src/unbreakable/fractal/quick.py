"""The quick path: while all is well, a protected call is arithmetic around the user's work.

``begin``, the user's work, then ``succeed`` or ``fail``: plain functions without a colour, written once; the doors
spell the sandwich.  The first two are made when a plan comes in force, and look up nothing that is known by then.
Whatever is out of the ordinary (an open circuit, no place, no time, a policy that needs a race) makes ``begin`` answer
None, and the call is played by the script from the start.  When the work ends badly, the script is played with the
first answer in hand.  Both ways tell the same story; a test plays each story both ways.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from unbreakable.fractal import learning
from unbreakable.fractal.ended import NO_MORE, Ended
from unbreakable.fractal.judging import quality_of
from unbreakable.fractal.pursuit import Late
from unbreakable.fractal.target import Target
from unbreakable.fractal.trying import accept, check_shape, failed, refusal, refused_by, unjudged, well
from unbreakable.fractal.turning_away import way_back
from unbreakable.outcome import Result
from unbreakable.policies import Context, deeds
from unbreakable.policies.abandoning import abandon
from unbreakable.policies.breaker import spared, tell, verdict
from unbreakable.policies.firsts import given_up
from unbreakable.policies.policy import enter, innermost
from unbreakable.policies.timeout import cut
from unbreakable.runtime import RESULTS, Runtime, settle

Begin: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], Context | Exception | None]
Succeed: TypeAlias = Callable[[Context, Any], Any]
Ways: TypeAlias = tuple[Begin, Succeed]
NOTHING = deque[Any](maxlen=0)
NO_TIME = 0.001  # seconds that a look at the arguments may take before anybody reckons with it


def ways(node: Any, target: Target, runtime: Runtime) -> Ways:
    """Return how calls come in and go out under the plan in force: functions that look up nothing that is known now."""
    with target.lock:  # no other plan comes in force meanwhile
        look = target.quick[runtime.preemptive]
        come_in = way_of_script(node, target, runtime) if look is None else way_in(node, target, runtime, look)
        made = come_in, way_out(node, target, runtime)
        if runtime.preemptive:
            target.on_loops = made
        else:
            target.in_threads = made
    return made


def way_of_script(node: Any, target: Target, runtime: Runtime) -> Begin:
    """Return what turns a call away where an open circuit does so, and leaves every other one to the script."""
    refusal_if_shut = way_back(node, target, runtime)
    return lambda _, args, kwargs: refusal_if_shut(args, kwargs)


def way_in(node: Any, target: Target, runtime: Runtime, look: float) -> Begin:  # noqa: C901 - as its only part is
    """Return what admits a call by arithmetic alone, which is looked at after so many seconds.

    Nothing here calls itself by its name: it would be garbage for the collector when the next plan comes in force.
    What admits returns the context of the call, or why ``validate`` refuses it, or None to have it played by the
    script.  Then nothing is taken; with None nobody has looked at the arguments either.
    """
    circuit, experience, plan, gate = target.circuit, target.experience, target.plan, target.gate
    free, refusal_if_shut = (NOTHING if gate is None else gate.free), way_back(node, target, runtime)
    seconds, validate = plan.deadline, node.validate
    soon, may_be_late = min(look, seconds), look < seconds

    def begin(function: Any, args: Any, kwargs: Any) -> Context | Exception | None:  # noqa: C901 - a call takes time
        stamp, clock = circuit.stamp, runtime.now
        if stamp is None or (now := clock()) >= experience.foreseen:
            return refusal_if_shut(args, kwargs) if stamp is None else None
        outer, ctx = innermost(), Context()
        while outer is not None and not outer.live:  # as current() does
            outer = outer.above
        ctx.above, ctx.unsettled = outer, False
        ctx.started, ctx.until, ctx.due = now, now + seconds, now + soon
        ctx.entry = (function, args, kwargs) if may_be_late else None
        if outer is not None and not has_time_inside(ctx, outer, function, (args, kwargs)):
            return None
        ctx.node, ctx.target, ctx.plan = node, target, plan
        ctx.runtime, ctx.stamp = runtime, stamp
        try:
            if gate is not None:
                if gate.line:
                    return None
                free.pop()
                ctx.permit = gate
            if outer is not None:
                outer.deeds.at_work.add(ctx)
            enter(ctx)
            if validate is None:
                return ctx
            try:
                accepted = validate(*args, **kwargs) if kwargs else validate(*args)  # half as long
            except Exception as error:
                return turned_away(ctx, refusal(f"{node.name}: ", error))
            return ctx if accepted is True and clock() - now <= NO_TIME else weighed(ctx, accepted, clock)
        except BaseException as error:
            return ways(node, target, runtime)[0](function, args, kwargs) if makes_room(ctx, gate, error) else None

    return begin


NO_WAYS: Ways = lambda *_: None, lambda _, value: value  # of a call that has no target, since it has no key


def makes_room(ctx: Context, gate: Any, error: BaseException) -> bool:
    """Return whether there is a place now where none was free; raise any other *error*, with nothing taken."""
    has_none = gate is not None and ctx.permit is None and not ctx.undone
    if has_none and isinstance(error, IndexError):
        return gate.grows()  # type: ignore[no-any-return]
    if has_none and not isinstance(error, RecursionError):  # a signal's: that comes up once the place is taken
        gate.free.append(None)
    abandon(ctx, has_begun=False)
    raise error


def has_time_inside(ctx: Context, outer: Context, function: Any, given: tuple[Any, ...]) -> bool:
    """Make *ctx* a call inside the attempt *outer*, and return whether that has any time left."""
    ctx.unsettled, ctx.function, ctx.given = True, function, given  # its key is made of them, should anybody ask for it
    lender = outer.lender or outer  # one that is over is found out when its deadline comes, or by the script
    until: float = lender.until
    if until < ctx.until:
        ctx.lender, ctx.deadline_is_ours = lender, False
        if ctx.due >= until:
            ctx.due, ctx.own_due = until, ctx.due
    return ctx.started < until


def weighed(ctx: Context, accepted: object, clock: Callable[[], float]) -> Context | Exception:
    """Return the call of which ``validate`` has said whether it is *accepted*, or why it is refused for that."""
    try:
        refused = None if accepted is True else refused_by(ctx.node.name, accepted)
    except Exception as error:
        refused = refusal(f"{ctx.node.name}: ", error)
    if refused is not None:
        return turned_away(ctx, refused)
    spent = clock() - ctx.started
    if spent > NO_TIME:  # it has asked somebody; that is no part of how long the target takes
        ctx.aside, ctx.unsettled, ctx.due = spent, True, min(ctx.due + spent, ctx.deadline)
    return ctx


def turned_away(ctx: Context, refused: Exception) -> Exception:
    """Return why the call is *refused*, with nothing taken any more.

    What ``begin`` has done is taken back; it knows that as undone, should a signal's exception come up meanwhile.
    """
    ctx.undone = True
    if ctx.permit is not None:
        ctx.permit.leave(ctx)
    if ctx.above is not None:
        ctx.above.deeds.at_work.discard(ctx)
    ctx.end()
    enter(ctx.above)
    return refused


def way_out(node: Any, target: Target, runtime: Runtime) -> Succeed:  # noqa: C901 - as its only part is
    """Return what counts a success and returns its value, or raises VerificationFailed if it is no good.

    After a fork what is free is another deque: no place comes back there that was taken before.
    """
    circuit, ring, schema, check = target.circuit, target.ring, node.schema, node.check
    flow, gate, results = target.flow, target.gate, RESULTS[runtime.preemptive]
    tap, free = (NOTHING if flow is None else flow.tap), (NOTHING if gate is None else gate.free)

    def succeed(ctx: Context, value: Any) -> Any:  # noqa: C901, PLR0912 - spelled out, as begin() is
        clock, started, is_plain = runtime.now, ctx.started, True
        elapsed = clock() - started
        if ctx.unsettled or schema is not None or type(value) not in results:
            value, is_plain = settled(ctx, value, elapsed)
        elif check is not None:
            try:
                answer = check(value)
            except Exception as error:
                raise unjudged(error) from error
            if answer is not True:
                weigh(ctx, value, answer)
        ctx.live, ctx.entry = False, None
        if gate is not None:
            ctx.permit = None  # and in the same step, as far as a signal can tell:
            free.append(None)
            if gate.line or gate.surplus:
                gate.admit()
        if is_plain:
            ring.append(elapsed)
            if flow is not None:
                tap.append(elapsed)
                if len(tap) >= flow.size:
                    flow.pour(node, started + elapsed)
        if circuit.alert:
            tell(ctx, circuit.settle(ctx.stamp, True, started + elapsed, elapsed - ctx.aside))
        elif started > circuit.latest:
            circuit.latest = started
        if len(ring) >= target.fold_at:
            learning.learn_soon(node, target, runtime)
        if node.listeners:
            recount(ctx, elapsed)
        return value

    return succeed


def recount(ctx: Context, elapsed: float) -> None:
    """Tell those who asked for it by name of a call that succeeded at once."""
    from unbreakable.fractal.recounting import tell_success  # who does not ask does not pay for it

    tell_success(ctx, elapsed)


def settled(ctx: Context, value: Any, elapsed: float) -> tuple[Any, bool]:
    """Judge *value*, settle what came in between, and say whether this tells how long the target takes, and no more.

    The call was cut, or made inside another, or has calls inside it; or it waited for what is ours, or has paid for a
    repeat in advance.
    """
    if ctx.pursuit is not None:
        raise Late(ctx, value)
    value = judged(ctx, value)
    if not ctx.unsettled:
        return value, True
    settle(ctx, None)  # it swallowed our cancellation and finished all the same: the value counts
    ctx.node.give_back(ctx)
    if ctx.makeshift:
        ctx.leave_makeshift()
    if ctx.above is not None:
        deeds.succeeded_inside(ctx, ctx.above)
    if ctx.above is not None or ctx.parts is not None:
        ctx.end()
    if not ctx.aside:
        return value, True
    ctx.target.take_detour(elapsed - ctx.aside, elapsed)
    if ctx.target.piled >= ctx.target.fold_at:
        learning.learn_soon(ctx.node, ctx.target, ctx.runtime)
    return value, False


def judged(ctx: Context, value: Any) -> Any:
    """Return *value* if it passes schema and verification, and tell who waits for the verdict."""
    node, on_loop = ctx.node, ctx.runtime.preemptive
    if node.schema is not None or type(value) not in RESULTS[on_loop]:
        value = check_shape(node.schema, value, on_loop=on_loop)
    if node.check is not None:
        try:
            answer = node.check(value)
        except Exception as error:
            raise unjudged(error) from error
        if answer is not True:
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
    if not ctx.live:
        return False  # it has succeeded; then a signal's exception came up
    ctx.first = failure_of(ctx, error, ctx.started)
    if ctx.first is None:
        deeds.cancelled(ctx)
        deeds.tell_outside(ctx)
        if ctx.node.listeners:
            from unbreakable.fractal.recounting import tell_left  # success does not pay for it

            tell_left(ctx)
        close(ctx)
    return ctx.first is not None


def failure_of(ctx: Context, error: BaseException, began: float) -> Result[Any] | None:
    """Tell the circuit how the attempt that began then ended, and return that; None for a cancellation."""
    was_cut = bool(ctx.cut)
    ours = was_cut and settle(ctx, error)
    now = ctx.runtime.now()
    failure: Result[Any] | None = None
    wanted = isinstance(error, Exception) and not ctx.is_unwanted()
    if ours:
        failure = cut(ctx, began)
        given_up(ctx)
    elif isinstance(error, Exception):
        if type(error) in NO_MORE:
            failure = well(Ended(error), ctx, began)
        else:
            failure = failed(error, ctx, began, cut=was_cut, wanted=wanted, now=now)
    ctx.due = math.inf
    elapsed, circuit, flow = now - began - ctx.aside, ctx.target.circuit, ctx.target.flow
    ctx.says = says = None if failure is None else verdict(failure, ctx, wanted=wanted)
    if says is False and flow is not None and flow.says_full(failure):
        ctx.says, says = None, spared(says, failure, ctx, circuit)  # nor is a repeat so simple
    event = circuit.settle(ctx.stamp, says, now, elapsed)
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
        ctx.permit.leave(ctx)
