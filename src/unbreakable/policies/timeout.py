"""How long one attempt may take."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any

from unbreakable.errors import AttemptTimeout, BulkheadFull, DeadlineExceeded, Kind
from unbreakable.outcome import Failure, Result, in_one_line
from unbreakable.policies import check
from unbreakable.policies.policy import Context, Inner
from unbreakable.policies.states import State
from unbreakable.policies.used_up import leave_behind, may_run_beside
from unbreakable.record import Preset
from unbreakable.runtime import TimeUp

USUALLY = 0.5  # share of cut attempts after which the next one was slow, too, above which it is no accident
NEARLY = 0.9  # of a learned limit: with so much time left another attempt is worth it; limits of half of it ring late
MOST_DOUBLINGS = 64  # of a learned limit: by then any deadline comes first, and a float holds no more than 1023


class Timeout(Preset):
    """Cut an attempt after *seconds*, or at the caller's deadline if that comes first.

    Async attempts are cancelled, and one that goes on all the same is cancelled once more at the call's deadline; what
    it returns counts, however late.  A sync attempt cannot be cancelled: with *cut_threads* (what a pinned timeout has)
    it runs in a worker thread that is left behind; without, the limit is cooperative: ``ub.current().remaining()``
    tells.

    A *learned* limit is a guess about a target whose next answer may be slower than all before, so it is never the
    reason why a call fails.  On an event loop it is soft: when it is over another attempt begins, if that is paid for,
    and the old one races on (see ``Patience``).  It doubles with every attempt.  It cuts a probe of a half-open
    circuit, a block and a generator; and what plain code asks how long it has is told it while another attempt is sure
    to follow.  There, where what was cut is slow again most of the time it counts no more.  It costs sync code no
    thread.  Given with a node, it is the guess to begin with: it holds until the first limit is learned.
    """

    seconds: float = field(default=math.inf, kw_only=False)
    cut_threads: bool = field(default=True, repr=False)
    learned: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        check.seconds("Timeout.seconds", self.seconds, positive=True, endless=True)
        check.switch("Timeout.cut_threads", self.cut_threads)
        check.switch("Timeout.learned", self.learned)

    @property
    def costs_threads(self) -> bool:
        """Return whether sync code runs in a worker thread, which is left behind: never for the sake of a guess."""
        return self.cut_threads and not self.learned

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* within the limit; our own cut is a failure that says so."""
        now = ctx.runtime.now()
        started = now if ctx.pursuit is None else ctx.started
        limit = math.inf if ctx.raced else ctx.patience * (self.patience(ctx) if self.learned else self.seconds)
        seconds = min(limit, ctx.deadline - started)
        if seconds <= 0:
            return ctx.refuse(DeadlineExceeded("the time was up before the attempt began"))
        due = ctx.due = started + seconds
        ctx.own_due = started + limit
        try:
            if not ctx.runtime.preemptive and (self.seconds == math.inf or not self.costs_threads):
                return await inner(ctx)
            left = due - now
            return await ctx.runtime.within(left, lambda: inner(ctx), ctx.target, ctx.respite, ctx.deadline)
        except TimeUp:
            leave_behind(ctx)
            return cut(ctx, started)
        except BulkheadFull as full:  # every worker thread is held by a call that does not come back
            return ctx.refuse(full)
        except BaseException:  # given up by its caller, or because a rival won: it would have taken longer
            if not ctx.astray:
                given_up = ctx.target.beside_cut if ctx.rival else ctx.target.ages
                given_up.append(ctx.runtime.now() - started - ctx.aside)
            raise
        finally:
            if ctx.runtime.now() < due:  # else it may have been left behind in a thread, whose time is up
                ctx.due = math.inf

    def patience(self, ctx: Context) -> float:
        """Return how many seconds the attempt that begins now may take by this learned limit.

        A circuit that looks whether its target is back waits longer each time that it was in vain.
        """
        if is_slow(ctx):
            return math.inf
        if not (ctx.runtime.preemptive or (is_followed(ctx, self) and (ctx.prepaid or ctx.node.may_pay(ctx)))):
            return math.inf  # nobody could put off the cut later, as a watch does
        return self.grown(ctx)

    def grown(self, ctx: Context) -> float:
        """Return the limit in seconds as it is for this attempt: twice that of the one before."""
        circuit = ctx.target.circuit
        doublings = ctx.attempt - 1 + (2 * (1 + circuit.in_vain) if circuit.is_probing else 0)
        return self.seconds * 2.0 ** min(doublings, MOST_DOUBLINGS)


def is_slow(ctx: Context) -> bool:
    """Return whether who was cut here was slow again most of the time: it is the call that takes long."""
    return bool(ctx.target.slow_again > USUALLY and not ctx.target.circuit.is_probing)


def is_followed(ctx: Context, limit: Timeout) -> bool:
    """Return whether an attempt that is cut now may be followed by another that has the time for it."""
    return not is_slow(ctx) and may_be_followed(ctx, limit) and may_run_beside(ctx)


def may_be_followed(ctx: Context, limit: Timeout) -> bool:
    """Return whether another attempt is allowed, and has about as much time as the *limit* gives to a first one."""
    retry = ctx.plan.retry
    return (
        retry is not None
        and ctx.attempt < retry.attempts
        and retry.covers(AttemptTimeout())
        and ctx.left() > NEARLY * limit.seconds
    )


def vouched(ctx: Context) -> float:
    """Return the moment until which *ctx*, which asks, has time: not a learned limit if it could fail by keeping to it.

    Where it can be cut nobody has to be told of a guess: whether it cuts is decided when it is due.
    """
    limit, now = guess(ctx), ctx.runtime.now()
    if limit is None:
        return ctx.due
    if ctx.runtime.preemptive or ctx.is_aside:
        return ctx.due if ctx.given_up else ctx.deadline
    if (ctx.asked and now >= ctx.due) or not (ctx.whole or ctx).live:
        return ctx.due
    may_end = is_dispensable(ctx) or (is_followed(ctx, limit) and is_let_through(ctx, now) and is_paid(ctx))
    if not may_end and now >= ctx.due:
        ctx.due = ctx.deadline  # it goes on for good
    ctx.asked = may_end
    return ctx.due if may_end else ctx.deadline


def is_paid(ctx: Context) -> bool:
    """Return whether the attempt after *ctx* is paid for; pay it in advance if it is not, and can be.

    Many who ask at the same time must not all count on the same tokens; who did not need his gives it back.
    """
    if not ctx.prepaid and ctx.node.prepay(ctx):
        ctx.unsettled = True
    return ctx.prepaid > 0


def guess(ctx: Context) -> Timeout | None:
    """Return the learned limit for the attempts of *ctx*, endless when nothing is learned; None if it is pinned.

    It is the target's of this moment: what was learned since the call began counts for its attempts, too.
    """
    limit: Timeout | None = ctx.target.plan.timeout
    if limit is None:
        return ONLY_THE_DEADLINE
    return limit if limit.learned else None


def is_dispensable(ctx: Context) -> bool:
    """Return whether *ctx* may be cut in any case: a leader goes on, or others wait for what its circuit finds out."""
    circuit = ctx.target.circuit
    return bool(ctx.rival or (circuit.is_probing and ctx.stamp == circuit.generation))


def respite(ctx: Context) -> float:
    """Return the moment until which an attempt that is due may go on; one that has to end is paid for instead.

    Who cannot pay for another attempt keeps this one until the deadline; while the circuit would let none through, it
    is asked again later, as is one that waits for something other than its target.
    """
    limit, now = guess(ctx), ctx.runtime.now()
    if now >= ctx.deadline:
        ctx.keep_deadline()
        if ctx.runtime.preemptive and not ctx.in_a_thread:  # a thread that is left behind hears nothing of it
            ctx.grace = 0.0
        return 0.0
    was_put_off, ctx.put_off = ctx.put_off, False
    if was_put_off and ctx.due > now:
        return ctx.due
    if limit is None:
        return 0.0
    if ctx.raced or ctx.pursuit is not None:
        return ctx.deadline
    if ctx.entry is not None and ctx.node.pursue(ctx):
        return ctx.due
    if ctx.is_aside:
        return min(ctx.deadline, now + limit.seconds)
    ctx.due = spared(ctx, limit, now)
    ctx.given_up = ctx.due <= now
    return 0.0 if ctx.given_up else ctx.due


def spared(ctx: Context, limit: Timeout, now: float) -> float:
    """Return the moment until which an attempt is spared that its learned *limit* would cut *now*; now: not at all."""
    if ctx.aside and ctx.counts_from + limit.patience(ctx) > now:
        return min(ctx.deadline, ctx.counts_from + limit.patience(ctx))
    if is_dispensable(ctx):
        return now
    if not is_followed(ctx, limit):
        return ctx.deadline
    if not is_let_through(ctx, now):
        return min(ctx.deadline, now + limit.seconds)
    if ctx.excused or ctx.prepaid or ctx.node.pay(ctx):
        return now
    return ctx.deadline


def is_guessing(ctx: Context) -> bool:
    """Return whether a limit for the attempts of *ctx*, if there is one, is a learned one."""
    return guess(ctx) is not None


def is_let_through(ctx: Context, now: float) -> bool:
    """Return whether the circuit lets an attempt through that comes *now*, or is waited for until it does."""
    circuit, breaker = ctx.target.circuit, ctx.plan.breaker
    if circuit.stamp is not None or breaker is None:
        return circuit.stamp is not None
    until = min(now + breaker.wait - ctx.waited, ctx.deadline)
    return circuit.state is State.OPEN and circuit.until < until


def is_soft(ctx: Context, now: float, *, ours: bool) -> bool:
    """Return whether a learned limit ended the attempt that is over *now*.

    It did when we cut it (*ours*), or when the attempt kept to the limit by itself.
    """
    return (ours or ctx.due <= now) and now < ctx.deadline and guess(ctx) is not None


def is_guessed(ctx: Context, error: BaseException) -> bool:
    """Return whether a learned limit is why the attempt of *ctx* ended in *error* now: it may be merely slow."""
    ours = bool(ctx.cut) or ctx.given_up or not isinstance(error, Exception)
    return (ours or ctx.asked) and is_soft(ctx, ctx.runtime.now(), ours=ours)


def learned_limit(seconds: float, deadline: float) -> Timeout | None:
    """Return a learned limit of so many *seconds*; None when the *deadline*, in seconds, comes first."""
    return Timeout(seconds, cut_threads=False, learned=True) if seconds < deadline else None


def time_is_up(ctx: Context, started: float) -> Exception:
    """Return the error of an attempt that has no more time: by the caller's deadline or by its own limit."""
    now = ctx.runtime.now()
    took, kept_by = now - started, ctx.kept_by
    reason = "" if kept_by is None else f", kept waiting by {in_one_line(kept_by)}"
    error = (
        DeadlineExceeded(f"the deadline came {took:.3f} s into the attempt{reason}")
        if now >= ctx.deadline
        else AttemptTimeout(f"cut after {took:.3f} s{reason}")
    )
    if kept_by is not None:
        error.__cause__ = kept_by
    if ctx.is_aside:
        vars(error).update(may_have_arrived=False)  # it waited for something of ours
    return error


def cut(ctx: Context, started: float) -> Failure:
    """Return the failure of an attempt that we cut."""
    now, error = ctx.runtime.now(), time_is_up(ctx, started)
    ctx.given_up = True
    elapsed = now - started - ctx.aside
    facts: dict[str, Any] = {"node": ctx.node.name, "attempt": ctx.attempt, "elapsed": elapsed, "at": now}
    failure = Failure(error, Kind.TIMEOUT, **facts, cut=True, soft=is_soft(ctx, now, ours=True))
    return failure.but(mendable=True) if ctx.node.mends(failure, ctx) else failure


ONLY_THE_DEADLINE = Timeout(math.inf)
