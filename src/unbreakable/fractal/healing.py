"""HEAL: diagnose a failed attempt, fix what can be fixed, try again."""

from __future__ import annotations

from functools import partial
from typing import Any

from unbreakable.errors import Kind
from unbreakable.events import AttemptFailed, RetryDenied, Retrying
from unbreakable.fractal.applying import apply
from unbreakable.fractal.choosing import choose, is_shut_out, why_give_up
from unbreakable.fractal.episode import Episode
from unbreakable.fractal.forbidding import why_not
from unbreakable.fractal.overtaking import overtake
from unbreakable.fractal.peace import heed
from unbreakable.fractal.preventing import prevent
from unbreakable.fractal.remedies import WAIT, Remedy
from unbreakable.fractal.signature import is_named, root_cause, sign
from unbreakable.fractal.telling import note_end
from unbreakable.fractal.verdicts import blame, confirm, owe
from unbreakable.outcome import Failure, Result, in_one_line, is_a
from unbreakable.policies import Context, Inner, Retry, deeds
from unbreakable.policies.breaker import spared, tell, verdict, was_probe
from unbreakable.policies.effects import may_run_twice_at_once, tell_of_all
from unbreakable.policies.nos import is_last_word, is_told_no, may_be_down
from unbreakable.policies.places import come_back
from unbreakable.policies.places import pause as rest
from unbreakable.policies.policy import enter, leave
from unbreakable.policies.pushback import NEVER
from unbreakable.policies.retry import PERMANENT
from unbreakable.policies.under_way import is_of

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
            if ctx.made:
                note_end(ctx, result)
        return result

    async def _healed(self, inner: Inner, ctx: Context) -> Result[Any]:
        if ctx.first is not None:
            result = await _first_attempt(inner, ctx)
        else:
            if ctx.started >= ctx.target.experience.foreseen:
                await prevent(ctx)
            result = await _attempt(inner, ctx)
        if isinstance(result, Failure):
            episode = Episode(ctx.failed_by, ctx.left_open)
            result = await self._repeated(inner, ctx, result, episode)
            episode.end(ctx.target, result, self.retry.attempts)
            if episode.open and isinstance(result, Failure):
                blame(ctx, episode)
        return result

    async def _repeated(self, inner: Inner, ctx: Context, result: Result[Any], episode: Episode) -> Result[Any]:
        while isinstance(result, Failure):
            failure = diagnose(ctx, result)
            if ctx.laggard is not None:
                result = await overtake(ctx, failure, partial(self._beside, inner, ctx, failure, episode))
                return told_late(ctx, result, failure.attempt)
            result = await self._repeat(inner, ctx, failure, episode)
            if result is failure:
                break
        return result

    async def _beside(self, inner: Inner, ctx: Context, failure: Failure, episode: Episode) -> Result[Any]:
        """Go on after a *failure* that is none yet: its attempt is late."""
        result = await self._repeat(inner, ctx, failure, episode)
        return result if result is failure else await self._repeated(inner, ctx, result, episode)

    async def _repeat(self, inner: Inner, ctx: Context, failure: Failure, episode: Episode) -> Result[Any]:
        """Return what one more attempt came to, or *failure* itself when there is none."""
        says = failure.mendable and verdict(failure.but(mendable=False), ctx)
        if failure.mendable and spared(says, failure, ctx, ctx.target.circuit) is False:
            ctx.spared = ctx.stamp, failure.began(ctx.runtime.now())
        remedy = choose(ctx, failure, episode)
        is_repeated = self._is_repeated(ctx, failure, remedy, episode)
        if not is_repeated and not self._is_for_the_next(ctx, failure, remedy):
            return failure
        since = ctx.runtime.now()
        mended = await apply(ctx, failure, remedy)
        why = why_not(ctx, failure) if is_repeated else ""  # for which it was told before
        if why is not None:
            owe(ctx, failure.signature, mended)  # in vain for this call, but the next finds it mended
            return deny(ctx, failure, why) if why else failure
        episode.tried(failure, remedy, mended)
        if mended is None and not self._wants(failure, remedied=False):
            return await self._instead(inner, ctx, failure, episode)
        if not (await self._pace(ctx, failure, mended) and await has_place(ctx, failure)):
            owe(ctx, failure.signature, mended)
            return failure
        if not may_run_twice_at_once(ctx.plan.effects) and await left_at_work(ctx):
            return deny(ctx, failure, "what the attempt had left at work must not be done twice")
        ctx.attempt += 1
        with ctx.notebook.doing("heal.retry.reattempt"):
            result = await _paid_attempt(inner, ctx)
        if isinstance(result, Failure) and result.refused:
            return deny(ctx, failure, str(result.error))  # refused before it was made: the failure stays what it is
        began, again = ctx.runtime.now() - result.elapsed, result if isinstance(result, Failure) else None
        answered, lag = again is not None and not may_be_down(again, ctx), began - failure.began(began)
        ctx.target.take_repeat(failure, lag, result.elapsed, again, answered=answered)
        confirm(ctx, failure, mended, result, ctx.runtime.now() - since, episode)
        return result

    async def _instead(self, inner: Inner, ctx: Context, failure: Failure, episode: Episode) -> Result[Any]:
        """Go on after a remedy that has raised, where an attempt makes no sense unless something was changed.

        The next one is tried, or the same once more: for each there is an attempt less.
        """
        now_later = failure.but(attempt=failure.attempt + 1, mendable=False)
        pause = self.retry.pause(failure, ctx.runtime.random(), ctx.left())
        if now_later.attempt >= self.retry.attempts or pause >= ctx.left():
            return deny(ctx, failure, not_repeated(failure.kind))
        await rest(ctx, pause)
        if ctx.came_late is not None:
            episode.untold(failure)  # its remedy was left to others, so nothing was in vain
        if not await has_place(ctx, failure):
            return failure
        result = await self._repeat(inner, ctx, now_later, episode)
        return failure if result is now_later else result

    def _is_repeated(self, ctx: Context, failure: Failure, remedy: Remedy | None, episode: Episode) -> bool:
        if ctx.is_unwanted() or ctx.loop_left:
            reason = "its loop was left" if ctx.loop_left else "the caller has cancelled the call"
        elif self._wants(failure, remedied=remedy is not None):
            why = why_give_up(ctx, failure, remedy, episode)
            if why is None:
                return True
            reason, ctx.vain = why, True
            if failure.attempt == 1 and not failure.cut and may_be_down(failure, ctx):
                with ctx.target.lock:
                    ctx.target.in_vain += 1
        elif failure.attempt >= self.retry.attempts:
            reason = f"all {self.retry.attempts} attempts are used"
        elif failure.exhausted:
            reason = "a protected call inside has repeated it already"
        else:
            reason = not_wanted(failure, self.retry)
        deny(ctx, failure, reason)
        return False

    def _is_for_the_next(self, ctx: Context, failure: Failure, remedy: Remedy | None) -> bool:
        """Return whether the *remedy* is one whose call would never be repeated after such a failure, mended or not."""
        is_one = remedy is not None and remedy.apply is not None
        if not is_one or ctx.is_unwanted():
            return False
        if failure.attempt > 1:
            return was_probe(ctx)
        return is_shut_out(ctx) or not self._wants(failure, remedied=True)

    def _wants(self, failure: Failure, *, remedied: bool) -> bool:
        return self.retry.wants(failure, remedied=remedied, named=is_named(failure, self.retry.on))

    async def _pace(self, ctx: Context, failure: Failure, mended: Remedy | None) -> bool:
        """Wait before the next attempt; False when the caller has no time for it or the budget is spent."""
        with ctx.notebook.doing("heal.retry.pace"):
            if ctx.is_unwanted():
                deny(ctx, failure, "the caller has cancelled the call")
                return False
            fresh = False  #: whether something was mended just now, for the first time in this call
            if mended is not None and mended.apply is not None:
                fresh = ctx.notebook.remedies.count(mended.name) == 1
            is_rested = failure.attempt in (ctx.overtakes, ctx.rested)  # or nothing has failed that would need a rest
            pause = 0.0 if fresh or is_rested else self.retry.pause(failure, ctx.runtime.random(), ctx.left())
            if pause == NEVER:
                deny(ctx, failure, "its target asked not to be asked again")
                return False
            pause = pause if mended is None else max(pause, mended.pause)
            if pause >= ctx.left():
                deny(ctx, failure, too_late(ctx.left(), pause))
                return False
            if not (ctx.excused or ctx.prepaid or ctx.node.pay(ctx)):
                deny(ctx, failure, ctx.node.why_unpaid(ctx))
                return False
            ctx.emit(Retrying, attempt=ctx.attempt + 1, pause=pause)
            if mended is None:
                ctx.notebook.did("heal.fix.apply")  # waiting is the remedy that is always at hand
                ctx.notebook.remedies.append(WAIT)
            if pause > 0:
                ctx.notebook.tell(f"waits {pause:.3f} s before attempt {ctx.attempt + 1}")
                await rest(ctx, pause)
        return True


async def has_place(ctx: Context, failure: Failure) -> bool:
    """Return whether there is a place for the next attempt, if one was given back for a pause, until the deadline."""
    with ctx.notebook.doing("heal.retry.pace"):
        refused = await come_back(ctx)
    if refused is not None:
        deny(ctx, failure, str(refused.error))
    return refused is None


async def _first_attempt(inner: Inner, ctx: Context) -> Result[Any]:
    """Return what the first attempt came to, which was made, or is under way, on the quick path."""
    if ctx.pursuit is None:
        return await inner(ctx)
    try:
        result = await inner(ctx)
    except BaseException:
        deeds.cancelled(ctx)
        raise
    if isinstance(result, Failure):
        deeds.failed(ctx, result)
    else:
        deeds.succeeded(ctx)
    return result


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


async def _paid_attempt(inner: Inner, ctx: Context) -> Result[Any]:
    """Make an attempt that is paid for, or excused; give that back if it was refused, or given up, before it was made.

    What a thread may still begin with is not known to be given up.
    """
    paid, made, result = 0.0 if ctx.excused else ctx.prepaid, ctx.made, None
    ctx.prepaid, ctx.excused = ctx.prepaid - paid, False
    try:
        result = await _attempt(inner, ctx)
    finally:
        if ctx.made == made and (result.refused if isinstance(result, Failure) else ctx.runtime.preemptive):
            ctx.prepaid += paid
            ctx.node.give_back(ctx)
    return result


async def left_at_work(ctx: Context) -> bool:
    """Return whether the attempts so far have left a call at work that must happen once, or may have in line."""
    began = await ctx.runtime.until_begun(partial(is_of, ctx), min(IN_LINE, ctx.left()))
    return not began or (ctx.own_deeds is not None and ctx.own_deeds.settle().unrepeatable)


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
    failure = failure.but(signature=signature, cause=cause)
    foresee(ctx, failure)
    blamed, told_no = verdict(failure, ctx) is False, is_told_no(failure, ctx)
    ctx.target.take(failure, blamed=blamed, goes_on=ctx.laggard is not None)
    if told_no and not blamed:
        ctx.target.take_no(failure)
    flow = ctx.target.flow
    if flow is not None and ctx.laggard is None and not is_refused_inside(failure, ctx):
        flow.failed(ctx.node, failure, ctx.runtime.now(), told_no=told_no)
    heed(ctx, failure, told_no=told_no)
    book.trouble = in_one_line(failure.error)
    book.tell(in_words(failure))
    ctx.emit(
        AttemptFailed,
        attempt=failure.attempt,
        signature=signature,
        error=book.trouble,
        elapsed=failure.elapsed,
    )
    return failure


def told_late(ctx: Context, result: Result[Any], attempt: int) -> Result[Any]:
    """Return the *result* of a race; that the late *attempt* was told no is told here, of which nobody has heard."""
    if not (isinstance(result, Failure) and result.attempt == attempt and is_last_word(result, ctx)):
        return result
    return deny(ctx, diagnose(ctx, result), not_wanted(result, ctx.plan.retry or ONE_ATTEMPT))


def is_refused_inside(failure: Failure, ctx: Context) -> bool:
    """Return whether a call inside the attempt, of the very same node, was refused by a limit or a throttle of ours.

    That of another node is a target that bears no more; this one is at its own limit already, and would count it twice.
    """
    if not ctx.fails_inside:
        return False
    from unbreakable.policies.full import OURS  # hardly any call is made inside one of the same node

    return is_a(failure.error, OURS)


def in_words(failure: Failure) -> str:
    """Return *failure*, with its root cause, in a line of its call's story."""
    cause = root_cause(failure.error) if failure.cause is None else failure.cause
    because = "" if cause is failure.error else f", caused by {in_one_line(cause, 80)}"
    beside = f"; unwell at the same time: {', '.join(failure.suspects)}" if failure.suspects else ""
    return f"{failed_in_words(failure.attempt, failure.kind, failure.error)}{because}{beside}"


def failed_in_words(attempt: int, kind: Kind, error: Exception) -> str:
    """Return in words that an attempt has failed."""
    return f"attempt {attempt} failed ({kind.value}): {in_one_line(error)}"


def not_again_in_words(reason: str) -> str:
    """Return in words that there is no further attempt."""
    return f"no further attempt: {reason}"


def not_repeated(kind: Kind) -> str:
    """Return why failures of that *kind* are not repeated."""
    return f"a failure of this kind ({kind.value}) is not repeated unless a remedy changes something first"


def not_wanted(failure: Failure, retry: Retry) -> str:
    """Return why *failure* is not repeated: for its kind, or, where that would be repeated, for its type."""
    if failure.refused or failure.kind in PERMANENT or retry.covers(failure.error):
        return not_repeated(failure.kind)
    return f"Retry.on leaves out {type(failure.error).__name__}"


def too_late(left: float, pause: float) -> str:
    """Return why there is no time for an attempt after a *pause*."""
    return f"the deadline comes before the next attempt, which is {pause:.3f} s away" if left > 0 else "no time is left"


def foresee(ctx: Context, failure: Failure) -> None:
    """Learn when a failure that has been mended before came back, and so whether that was mended."""
    target, experience, now = ctx.target, ctx.target.experience, ctx.runtime.now()
    experience.settle(failure.signature, failure.began(now), target.successes_of_all)
    if experience.outlook is not None:
        worked_at = max(target.circuit.latest, experience.worked_at)
        experience.outlook.fell(failure.signature, now, worked_at, target.successes_of_all())
        target.look_ahead()


# ── retry ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def deny(ctx: Context, failure: Failure, reason: str) -> Failure:
    """Return *failure* as the last one, having told why there is no further attempt."""
    if ctx.plan.retry is not None and ctx.plan.retry.attempts > 1:
        ctx.notebook.tell(not_again_in_words(reason))
        ctx.emit(RetryDenied, reason=reason)
    return failure
