"""Two ways to do the same job begin at once, and the first good answer wins: only for what has no effects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unbreakable.errors import BulkheadFull, ConfigurationError
from unbreakable.outcome import Result
from unbreakable.policies import Context, Hedge, Inner
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects
from unbreakable.policies.states import State
from unbreakable.simulation.leftovers import Leftovers
from unbreakable.simulation.select import outlasted

if TYPE_CHECKING:
    from unbreakable.simulation.jobs import Order


class TwoAtOnce(Hedge):
    """Begin a copy with the attempt: on an event loop of what is awaited there, in plain code in threads.

    Where no thread is to be had for the two, one attempt is made as usual.
    """

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Race the two copies."""
        try:
            return await self.race(inner, ctx)
        except BulkheadFull:
            return await inner(ctx)


TWO_AT_ONCE = TwoAtOnce(0.0, threads=False)  # what is plain stays on its event loop


class Race:
    """Hold by which ways the first attempt of a call is made, one or two, and how the copies ended so far.

    *at_once* says that both begin at once; else the second one begins when the first one is late.
    """

    def __init__(self, *ways: str, at_once: bool = True) -> None:
        self.ways, self.at_once, self.is_won = ways, at_once, False
        self.sent = self.ended = 0  # copies
        self.fault: tuple[float, float] | None = None  #: when the first copy began, and its seconds, if it failed

    @property
    def is_at_work(self) -> bool:
        """Return whether a copy is under way."""
        return self.sent > self.ended

    def worked(self, ctx: Context, seconds: float) -> None:
        """Take in a good answer after so many *seconds*, of which the call tells its target if it is the first one.

        One of a thread that was left behind came later; so the target knows at least how long it took.
        """
        self.ended += 1
        if self.is_won:
            ctx.target.ages.append(seconds)
            return
        self.is_won = True
        if ctx.rival and self.fault is not None:
            ctx.target.take_fault(*self.fault)
        if self.is_at_work:
            outlasted(ctx.target.arms, self.ways[1 - ctx.rival], seconds)

    def failed(self, ctx: Context, seconds: float, *, blamed: bool) -> None:
        """Take in a failure after so many *seconds*; the first copy's is the call's, unless the other one wins.

        *blamed* says that it is the target that failed.
        """
        self.ended += 1
        fault = (ctx.runtime.now() - seconds, seconds)
        if blamed and (ctx.rival or self.is_won):
            ctx.target.take_fault(*fault)
        elif blamed:
            self.fault = fault


class Left(Leftovers[Race]):
    """The races of one job whose losers are at work in threads although the calls are over."""

    def look(self, race: Race, ctx: Context) -> None:
        """See whether a copy of *race*, of which the one of *ctx* has ended, is left at work."""
        if race.is_won and race.is_at_work and not ctx.runtime.preemptive:
            self.take(race, ctx.deadline)
        else:
            self.drop(race)


def check_race(race: object, effects: Effects) -> None:
    """Refuse to race what may have effects: both copies are executed."""
    if not isinstance(race, bool):
        raise refuse("race", "True or False", race)
    if race and effects != "none":
        raise ConfigurationError(
            f'race must be False with effects="{effects}": both copies of a race are executed, which only '
            'effects="none" says is harmless. Declare that, if it only reads; else leave race out: the best way is '
            "found without"
        )


def line_up(ctx: Context, order: Order) -> bool:
    """Have the first attempt of the call *ctx* raced, if nothing is wrong with its target and a copy can be paid.

    Return whether it is; else it is an ordinary call.
    """
    if not (is_calm(ctx) and ctx.node.could_hedge(ctx) and ctx.node.has_to_spare(ctx)):
        return False
    plan, ctx.plan = ctx.plan, replace(ctx.plan, hedge=TWO_AT_ONCE)
    ways = order.line_up(ctx)
    if len(ways) < 2:
        ctx.plan = plan
        return False
    ctx.race = Race(*ways)
    return True


def is_calm(ctx: Context) -> bool:
    """Return whether nothing says that the target has too much to do, is down, or is no longer what was learned."""
    target = ctx.target
    return is_at_ease(ctx) and (target.learned_at is None or target.plan.observations > 0)  # else it was forgotten


def is_at_ease(ctx: Context) -> bool:
    """Return whether nothing says that the target has too much to do, or is down."""
    target, now = ctx.target, ctx.runtime.now()
    if target.circuit.state is not State.CLOSED or target.peace.kept or target.peace.ends > now:
        return False
    if target.flow is not None and target.flow.is_shedding:
        return False
    return target.gate is None or target.gate.inside < target.gate.most


def with_copies(load: float | None, copies: int, calls: int) -> float | None:
    """Return the share of extra requests, *load* by the plans in force, with the *copies* that races have sent.

    >>> with_copies(None, 0, 10), with_copies(None, 1, 10), with_copies(0.25, 1, 4)
    (None, 0.1, 0.5)
    """
    return load if not copies else (load or 0.0) + copies / max(1, calls)
