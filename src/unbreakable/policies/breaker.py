"""A circuit breaker: after enough failures, leave the target in peace for a while."""

from __future__ import annotations

import sys
from typing import Any

from unbreakable.errors import CircuitOpen, Kind, Rejected, UnbreakableError
from unbreakable.events import CircuitOpened, CircuitRamping, Event
from unbreakable.outcome import Failure, Result, is_a
from unbreakable.policies.circuit import Circuit, as_part
from unbreakable.policies.effects import is_unsent
from unbreakable.policies.policy import Context, Inner
from unbreakable.policies.pushback import THROTTLED
from unbreakable.policies.terms import Terms
from unbreakable.runtime import Place

# Python takes long to find these in their class
INVALID, CREDENTIALS, BUG, UNKNOWN = Kind.INVALID, Kind.CREDENTIALS, Kind.BUG, Kind.UNKNOWN
SAID_NO = (INVALID, CREDENTIALS)  # it answered, and was right, unless it was never asked
OUR_FAULT = (*SAID_NO, BUG)  # the target is well, as far as anybody knows
MOSTLY = 0.9  # share of a deadline that one attempt has to take, so that its target is to blame
TIMES = 2.0  # or so many times as long as 99 of 100 answers take
LEAST_REST = 0.001  # seconds between two looks at the clock of whoever is first in line

ENDLESS, LONGEST = float("inf"), sys.float_info.max
A_MOMENT = 0.001  # seconds, as which a rest is told
_new = Exception.__new__


class CircuitBreaker(Terms):
    """Open after *failures* in a row; with *ratio*, instead when that share of at least *minimum* attempts failed.

    A failure that began before an attempt that has succeeded by now is no longer news, and not counted in a row.  The
    attempts that *ratio* is a share of are those of the last *window* seconds; with *last*, of so many last calls.  A
    failure of a type that ``Retry.on`` leaves out, such as a card that was declined, is an answer, and counts as one
    that succeeded; one that says that the target is in trouble, such as a 500, is not counted at all.  An attempt
    slower than *slow* seconds counts as failed; with ``ub.Slow(seconds, ratio=0.5)`` it opens when such a share of the
    attempts is slow, whatever they come to.

    An open circuit refuses attempts for *rest* seconds, or until an earlier one finds that another endpoint or way is
    back, then lets *permits* through to see: when they all succeed it closes, when one fails it opens again.  With
    *most_rest* each rest in vain is followed by one twice as long, up to that; who was well for as long as the last one
    begins with *rest* again.  *jitter* is the share by which a rest may be longer, so that not all processes look at
    once.  With *ramp* it closes step by step within so many seconds: 10, 20, 40, 80 % of the attempts go through, as
    long as fewer than *ratio* of them fail, or half.  A call waits at most *wait* seconds for an open circuit to let
    attempts through again, and not at all where the rest ends after its deadline; waiting costs no budget.

    A *learned* breaker is a guess about a target whose failures may come in bursts, so *failures* may be many, and its
    first *rest* short.  Five failures or more have to last for half a rest, five seconds at most, in which answers come
    back that take their time, and five in a row that have lasted five seconds open it all the same; of fifty calls that
    are turned away one looks whether the target is back, once a second at most; a permit that has not come back is
    given out anew only after *most_rest*; and only sixteen calls wait at a time, those that would do so in vain not at
    all.  Given with a node, it is the guess to begin with: it holds until the first is learned.
    """

    __slots__ = ()  # a dataclass as its terms are: to be made one anew would take a millisecond of every import

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* if the circuit lets it through; tell the circuit how it went."""
        circuit: Circuit = ctx.target.circuit
        stamp = await self._admit(circuit, ctx) if ctx.pursuit is None else ctx.stamp  # it was let through long ago
        if stamp is None:
            rest = max(0.0, circuit.until - ctx.runtime.now())
            circuit.turn_away(rest)
            return ctx.refuse(refusal(ctx.node.name, circuit, rest))
        ctx.stamp, started = stamp, ctx.runtime.now() if ctx.pursuit is None else ctx.started
        try:
            result = await inner(ctx)
        except BaseException:
            now = ctx.runtime.now()
            circuit.settle(stamp, None, now, now - started)
            raise
        now = ctx.runtime.now()
        if keeps_permit(result, ctx, stamp):
            return result
        says = spared(verdict(result, ctx), result, ctx, circuit)
        tell(ctx, circuit.settle(stamp, says, now, now - started - ctx.aside))
        return result

    async def _admit(self, circuit: Circuit, ctx: Context) -> int | None:
        """Return the stamp of a permit, waiting for one as long as allowed; None when there is none."""
        now = ctx.runtime.now()
        stamp, event = admitted(circuit, ctx, now)
        tell(ctx, event)
        until = min(now + self.wait - ctx.waited, ctx.deadline)
        if stamp is not None or until <= now or len(circuit.line) >= self.most_waiting:
            return stamp
        place = circuit.line.join(ctx.runtime)
        try:
            return await self._wait_in_line(circuit, ctx, place, until)
        finally:
            circuit.line.leave(place)
            ctx.waited += ctx.runtime.now() - now

    async def _wait_in_line(self, circuit: Circuit, ctx: Context, place: Place, until: float) -> int | None:
        """Wait to be called; who is first in line also looks at the clock, so that one caller asks and not a herd.

        A ramp counts each call once, when that asks first.  Who is not let through then waits until it is over; when it
        went well those in line do not go all at once, but draw that out by as long as the ramp was.  When it was ended
        by hand they go.
        """
        has_asked = circuit.ramp is not None
        while True:
            now = ctx.runtime.now()
            if circuit.is_back:
                await ctx.runtime.sleep(ctx.runtime.random() * max(0.0, min(self.ramp, (until - now) / 2)))
                now = ctx.runtime.now()
            if has_asked and circuit.ramp is not None:
                stamp, event = None, circuit.go_on(now)
            else:  # also at once: it may have closed before we stood in line
                stamp, event = admitted(circuit, ctx, now)
                has_asked = circuit.ramp is not None
            tell(ctx, event)
            if stamp is not None or now >= until or rests_until(circuit, until if self.learned else ctx.deadline):
                return stamp
            if circuit.is_closed:
                continue
            is_first = circuit.line.is_first(place)
            moment = min(until, max(circuit.until, now + LEAST_REST)) if is_first else until
            await place.wait(ctx.runtime, moment - now)


def admitted(circuit: Circuit, ctx: Context, now: float) -> tuple[int | None, type[Event] | None]:
    """Return the stamp of a permit, None when there is none or it is of no use to this call, and what happened.

    A part of a call needs none where that has one: with one permit, a call that makes another would never end well.
    Nor does a repeat, after a remedy, where the attempt before it has kept its own.
    """
    if ctx.spared is not None and is_on_trial(ctx, ctx.spared[0]):
        return ctx.spared[0], None
    if circuit.stamp is None and is_part(ctx, circuit):
        return as_part(circuit.generation), None
    return circuit.admit(now) if circuit.has_time(now, ctx.started, ctx.deadline) else (None, None)


def is_part(ctx: Context, circuit: Circuit) -> bool:
    """Return whether the call of *ctx* is a part of one that the *circuit* of its target would let through by now.

    So it is in a probe that takes longer than the circuit waits for it, which would fail for that alone.  Once a part
    has failed no other is one: a thousand items may be asked for in one call, whatever becomes of each.
    """
    around = ctx.around
    if around is None or around.fails_inside:
        return False
    return is_of_now(around.stamp, circuit) or takes_longer(around.stamp, circuit)


def keeps_permit(result: Result[Any], ctx: Context, stamp: int) -> bool:
    """Return whether the probe that was let through by this *stamp* goes on with it: a remedy is about to be applied.

    Given back, the permit would be another call's by the time that the remedy is through; and one of a ramp is one in
    ten at first.
    """
    if not (isinstance(result, Failure) and result.mendable and is_on_trial(ctx, stamp)):
        return False
    return verdict(result.but(mendable=False), ctx) is False


def is_on_trial(ctx: Context, stamp: int) -> bool:
    """Return whether what was let through by this *stamp* is to find out if the target of *ctx* is back, or how well.

    So it is in a half-open circuit, and on a ramp.
    """
    circuit: Circuit = ctx.target.circuit
    return circuit.stamp is None and stamp == circuit.generation


def was_probe(ctx: Context) -> bool:
    """Return whether the attempt of *ctx* was to find out whether its target is back, and the circuit rests again."""
    circuit: Circuit = ctx.target.circuit
    return circuit.shut and ctx.stamp >= circuit.first_probe


def takes_longer(stamp: int, circuit: Circuit) -> bool:
    """Return whether what was let through by *stamp*, or as a part of that, is a probe whose permit was given up.

    It ends well with all of its parts only, and then tells how long the others need.
    """
    return circuit.is_probing and max(stamp, as_part(stamp)) >= circuit.first_probe


def is_of_now(stamp: int, circuit: Circuit) -> bool:
    """Return whether what was let through by *stamp*, or as a part of that, would be by now."""
    return stamp == circuit.generation or as_part(stamp) == circuit.generation


def rests_until(circuit: Circuit, moment: float) -> bool:
    """Return whether a call would stand in line in vain until that *moment*: the rest is longer, or never ends."""
    return circuit.shut and circuit.until >= moment


def refusal(name: str, circuit: Circuit, rest: float) -> CircuitOpen:
    """Return what a caller is told who is not let through; *rest* is how many seconds the circuit rests on."""
    if circuit.shut:
        return resting(name, circuit, rest)
    ramp = circuit.ramp  # looked up once: another thread may end it
    if ramp is not None:
        return CircuitOpen(
            f"the circuit of {name} lets {ramp.share} % of the calls through: its target is only just back"
        )
    # over any moment, if all is well again
    return CircuitOpen(f"the circuit of {name} is half-open: a call is finding out whether its target is back")


def resting(name: str, circuit: Circuit, rest: float, note: str = "") -> CircuitOpen:
    """Return what a caller is told while the circuit rests, which is all that there is to do then.

    Made by hand, with words that were used within this millisecond: it takes half the time.
    """
    least, most, words = circuit.told
    if not least < rest <= most:
        words = f"the circuit of {name} " + ("was forced open" if rest == ENDLESS else f"is open for {rest:.3f} s more")
        circuit.told = min(rest - A_MOMENT, LONGEST), rest, words
    error = _new(CircuitOpen, words)
    error.retry_after = rest if rest < ENDLESS else None
    if note:
        error.__notes__ = [note]
    return error


def verdict(result: Result[Any], ctx: Context, *, wanted: bool = False, circuit: Circuit | None = None) -> bool | None:
    """Return what an attempt says about its target; None for nothing; *wanted*: its caller has not cancelled it.

    A target that rightly calls a request wrong, or its credentials, or one too many, is as well as one that answers.
    A refusal, ours or further in, and a caller's deadline or cancellation say nothing; nor does what a remedy is about
    to mend, nor the first item of a generator, whose end will tell; of a probe both tell, if they are answers. A
    deadline of the node's own, once the attempt has had its time, does, and a limit of which the target had the most; a
    learned one, which may be too short for a target that became slow, only for a probe.  So does a failure that is not
    repeated: what opens no circuit keeps none from closing.  One of the caller's own types, which nothing says are
    trouble, is an answer.  A shadow has a *circuit* of its own.
    """
    circuit = circuit or ctx.target.circuit
    if not isinstance(result, Failure):
        return None if ctx.stream is not None and not circuit.is_probing else True
    if (result.mendable and not circuit.is_probing) or (not wanted and ctx.is_unwanted()):
        return None
    kind = result.kind
    if kind is INVALID or kind is CREDENTIALS:  # "in" would take ten times as long, for each failure
        return is_answer(result) or None
    if ctx.blameless or result.mendable or (result.soft and not circuit.is_probing):
        return (ctx.blameless and kind is THROTTLED) or None
    if not is_repeatable(result.error, ctx):
        return None if result.cut else says_left_out(kind, ctx, probes=circuit.is_probing)
    is_refusal = is_a(result.error, Rejected)
    if result.cut and is_refusal:
        return False if had_time(result, ctx) and ctx.deadline_is_ours else None
    if result.cut and ctx.aside and result.elapsed < MOSTLY * ctx.plan.limit:
        return None  # it was asked late
    return None if is_refusal or kind is BUG or is_told_of(result, ctx, circuit) else False


def says_left_out(kind: Kind, ctx: Context, *, probes: bool) -> bool | None:
    """Return what a failure of that *kind* says of the target, of a type that ``Retry.on`` leaves out.

    It may be made of one by which a call to the same target has failed inside: that was counted, but for a probe.
    """
    if ctx.fails_inside:
        return False if probes else None
    return (kind is UNKNOWN or probes) or None


def is_told_of(failure: Failure, ctx: Context, circuit: Circuit) -> bool:
    """Return whether the *circuit* was told of *failure* by a call inside the attempt, to the same target: it is one.

    But for a probe, whose parts say nothing; and one that was cut may have had its time here only.  A share has it at
    each level, as it has a success there.
    """
    if not failure.inner or circuit.settings.ratio is not None:
        return False
    return ctx.fails_inside and not (failure.cut or circuit.is_probing)


def spared(says: bool | None, result: Result[Any] | None, ctx: Context, circuit: Circuit) -> bool | None:
    """Return what a *circuit* is told of an attempt of which *says* is the verdict.

    That is nothing where a target is full, and serves others: a limit or a throttle, if there is one, sees to that.  A
    probe, beside which there are no others of ours, counts.
    """
    flow = ctx.target.flow
    if says is not False or not isinstance(result, Failure) or flow is None or circuit.is_probing:
        return says
    if not flow.says_full(result):
        return False  # as most failures
    return None if ctx.target.serves_others(result, ctx.runtime.now()) else False


def had_time(failure: Failure, ctx: Context) -> bool:
    """Return whether an attempt that a deadline cut has had its time: most of the call's, or more than answers take.

    Where no answer ever came, most of what was left at the end of the line is enough.
    """
    usual: float | None = ctx.target.usual()
    whole: float = ctx.deadline - ctx.started
    if usual is None:
        return failure.elapsed >= MOSTLY * (whole - ctx.in_line)
    return failure.elapsed >= min(TIMES * usual, MOSTLY * whole)


def is_answer(failure: Failure) -> bool:
    """Return whether *failure* is the target's no to a request: one that it has got, and that was wrong."""
    return failure.kind in SAID_NO and not (failure.cut or is_a(failure.error, Rejected) or is_unsent(failure.error))


def is_still_let_through(ctx: Context) -> bool:
    """Return whether the circuit would not refuse the attempt of *ctx*, which it let through, by now."""
    circuit: Circuit = ctx.target.circuit
    return circuit.stamp is not None or is_of_now(ctx.stamp, circuit)


def is_repeatable(error: Exception, ctx: Context) -> bool:
    """Return whether *error* is of a type that the call is repeated on; others say nothing of the target's health."""
    retry = ctx.plan.retry
    return retry is None or retry.on is Exception or is_a(error, UnbreakableError) or retry.covers(error)


def tell(ctx: Context, event: type[Event] | None) -> None:
    """Tell the listeners that the circuit changed, if it did."""
    if event is CircuitOpened:
        ctx.emit(CircuitOpened, rest=ctx.target.circuit.rested)
    elif event is CircuitRamping:
        ctx.emit(CircuitRamping, seconds=ctx.target.circuit.settings.ramp)
    elif event is not None:
        ctx.emit(event)
