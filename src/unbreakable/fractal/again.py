"""The quick repeat: a failed call that needs nothing but one more attempt is not worth a script.

That is so for most of them: nobody listens, there is no remedy, no call was made inside or around this one, and the
second attempt succeeds.  It is admitted by arithmetic, as the first was, and noted as the script would.  When it fails,
too, the script goes on where this leaves off, with both failures told.
"""

from __future__ import annotations

from typing import Any

from unbreakable.errors import Kind
from unbreakable.fractal import learning
from unbreakable.fractal.healing import in_words, left_at_work
from unbreakable.fractal.quick import close, failure_of, judged
from unbreakable.fractal.remedies import WAIT
from unbreakable.fractal.signature import sign
from unbreakable.fractal.trace import Story
from unbreakable.outcome import Failure
from unbreakable.policies import Context, deeds
from unbreakable.policies.breaker import tell
from unbreakable.policies.budget import PRICE
from unbreakable.policies.effects import may_repeat, may_run_twice_at_once
from unbreakable.policies.nos import may_be_down
from unbreakable.policies.places import is_back, pause
from unbreakable.policies.policy import enter
from unbreakable.policies.used_up import generators_in
from unbreakable.runtime import RESULTS, settle

TIMEOUT = Kind.TIMEOUT  # which Python takes long to find in its class


def once_more(ctx: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Repeat | None:
    """Pay for a second attempt after the first has failed; None sends the call to the script, with nothing taken."""
    failure, retry, node = ctx.first, ctx.plan.retry, ctx.node
    if node.listeners or node.remedies or ctx.above is not None or ctx.unsettled or ctx.iteration is not None:
        return None
    if ctx.says is not False or failure.cut or failure.retry_after is not None:
        return None  # among others when its caller has cancelled it, or it is our fault
    if ctx.target.experience.is_grim or not is_admitted(ctx):
        return None
    if retry is None or not (retry.wants(failure, remedied=False) and may_repeat(ctx.plan.effects, failure)):
        return None
    longest = retry.pause(failure, 1.0)
    if not longest < ctx.deadline - failure.at or generators_in(args, kwargs):
        return None
    purse = node.payer.purse
    if purse is not None and not purse.spend(node.payer.successes(), failure.at):
        return None
    ctx.prepaid = PRICE  # until it is made
    return Repeat(ctx, longest)


def is_admitted(ctx: Context) -> bool:
    """Return whether an attempt that begins now is let through by arithmetic, and by what was in force before."""
    target, colour = ctx.target, ctx.runtime.preemptive
    return (
        ctx.own_deeds is None  # what a call inside has done, or is at, is for the ledger
        and ctx.plan is target.plan
        and target.circuit.stamp is not None
        and target.quick[colour] is not None
        and (target.plan.hedge is None or not (colour and target.plan.hedges))
    )


def attempt_of(ctx: Context) -> Context:
    """Return the context of one more attempt of a call with which nothing was ever out of the ordinary.

    So it has all that ``Context.scope()`` would find, without a look at all that a call can have.
    """
    scope, target = Context(), ctx.target
    scope.whole = scope.above = ctx
    scope.node, scope.target, scope.plan, scope.runtime = ctx.node, target, ctx.plan, ctx.runtime
    scope.started, scope.until, scope.due, scope.unsettled = ctx.started, ctx.until, ctx.until, False
    scope.stamp, scope.attempt, scope.made = target.circuit.stamp, ctx.attempt, ctx.made
    return scope


class Repeat:
    """The second attempt of a call, whose first has failed.

    The failure lies in ``ctx.first``, and nowhere else: it holds an exception, whose traceback holds what holds us.
    """

    __slots__ = ("began", "ctx", "ended", "in_doubt", "pause", "scope", "waits")

    def __init__(self, ctx: Context, longest: float) -> None:
        self.ctx = self.scope = ctx
        self.pause = ctx.plan.retry.pause(ctx.first, ctx.runtime.random()) if longest else 0.0
        self.ended = self.began = ctx.first.at
        self.in_doubt = False
        self.waits = self.pause > 0 or not may_run_twice_at_once(ctx.plan.effects)

    async def wait(self) -> None:
        """Pause, and let what the first attempt may have left in line for a thread begin."""
        ctx = self.ctx
        if self.pause > 0:
            await pause(ctx, self.pause)
        if not may_run_twice_at_once(ctx.plan.effects):
            self.in_doubt = await left_at_work(ctx)

    def begin(self) -> bool:
        """Begin, after the pause; False when something has come up meanwhile that the script has to wait for."""
        ctx, limit = self.ctx, self.ctx.plan.timeout
        if self.waits and (self.in_doubt or not is_admitted(ctx) or not is_back(ctx)):
            deeds.failed_before(ctx, ctx.first)
            ctx.made, ctx.notebook = 1, Story(ctx.runtime.now, ctx.started)
            ctx.rested = 1  # the script pauses no more
            return False
        ctx.attempt = ctx.made = 2
        ctx.prepaid = 0.0
        self.began = now = ctx.runtime.now()
        self.scope = scope = attempt_of(ctx)
        if limit is not None:
            seconds = limit.patience(scope) if limit.learned else limit.seconds
            scope.due = min(ctx.deadline, now + seconds)
        enter(scope)
        return True

    def succeed(self, value: Any) -> Any:
        """Count a call that was healed by waiting, and return its value; raise VerificationFailed if it is no good."""
        ctx, scope, clock = self.ctx, self.scope, self.ctx.runtime.now
        ended = now = clock()
        if ctx.node.judges or scope.unsettled or type(value) not in RESULTS[ctx.runtime.preemptive]:
            value = judged(scope, value)
            if scope.unsettled:
                settle(scope, None)
                ctx.node.give_back(scope)
            ended = clock()
        seconds = now - self.began - scope.aside
        event = ctx.target.circuit.settle(scope.stamp, True, now, seconds)
        if event is not None:
            tell(ctx, event)
        self._learn(ended, seconds, None)
        ctx.first = None
        scope.end()
        close(ctx)
        learning.record_success(ctx.node, ctx, seconds, ended)
        return value

    def fail(self, error: BaseException) -> bool:
        """Settle an attempt that ended badly, or a pause; the script goes on with ``ctx.first``, if True."""
        ctx, scope = self.ctx, self.scope
        if ctx.first is None:
            return False  # it has succeeded; then a signal's exception came up
        result = None if scope is ctx else failure_of(scope, error, self.began)
        enter(ctx)
        if result is None:
            ctx.first = None
            scope.end()
            close(ctx)
            return False
        deeds.failed_before(ctx, ctx.first)
        failure = result if isinstance(result, Failure) else None
        if failure is None:  # the end of an iteration
            deeds.succeeded(scope)
        else:
            deeds.failed(scope, failure)
        self._learn(ctx.runtime.now(), result.elapsed, failure)
        ctx.notebook = self._story()
        ctx.take_over(scope)
        scope.end()
        ctx.first = result
        return True

    def _learn(self, now: float, seconds: float, again: Failure | None) -> None:
        """Note how both attempts ended, the second, after so many *seconds*, by failing *again* or by a success.

        That says whether waiting has helped; of another sort of failure the end of the call may.
        """
        ctx, failure, target = self.ctx, self.ctx.first, self.ctx.target
        began = failure.at - failure.elapsed
        target.take_fault(began, failure.elapsed)
        if target.flow is not None and (failure.kind is TIMEOUT or target.flow.shedding is not None):
            target.flow.failed(ctx.node, failure, now)  # it does not say that its target is full
        answered = again is not None and not may_be_down(again, ctx)
        target.take_repeat(failure, self.began - began, seconds, again, answered=answered)
        ctx.failed_by = signature = sign(failure.error)
        worked = again is None
        if again is not None and (answered or again.kind is not failure.kind):
            from unbreakable.fractal.verdicts import came_through, left_open  # success does not pay for it

            worked = came_through(failure, again, ctx)
            if not worked:
                ctx.left_open = left_open(self.scope, again, signature, None, now - self.ended)
                return
        target.experience.update(signature, None, worked=worked, seconds=now - self.ended)
        if worked:
            target.experience.healed((signature,))

    def _story(self) -> Story:
        """Return what the script would have told until now."""
        story = Story(self.ctx.runtime.now, self.ctx.started)
        story.tell(in_words(self.ctx.first), at=self.ended)
        if self.pause > 0:
            story.tell(f"waits {self.pause:.3f} s before attempt 2", at=self.ended)
        story.remedies.append(WAIT)
        return story
