"""Two ways to do the same job begin at once, and the first good answer wins: only for what has no effects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unbreakable.errors import ConfigurationError
from unbreakable.policies import Context, Hedge
from unbreakable.policies.check import refuse
from unbreakable.policies.circuit import State
from unbreakable.policies.effects import checked

if TYPE_CHECKING:
    from unbreakable.simulation.jobs import Order

TWO_AT_ONCE = Hedge(0.0)


class Race:
    """Hold by which ways the first attempt of a call is made at once, one or two, and how the copies ended so far."""

    __slots__ = ("fault", "is_won", "ways")

    def __init__(self, *ways: str) -> None:
        self.ways, self.is_won = ways, False
        self.fault: float | None = None  #: seconds after which the first copy failed

    @property
    def has_rivals(self) -> bool:
        """Return whether two copies are made."""
        return len(self.ways) > 1

    def worked(self, ctx: Context, seconds: float) -> None:
        """Take in a good answer after so many *seconds*, of which the call tells its target if it is the first one.

        One of a thread that was left behind came later; so the target knows at least how long it took.
        """
        if self.is_won:
            ctx.target.ages.append(seconds)
        elif ctx.rival and self.fault is not None:
            ctx.target.faults.append(self.fault)
        self.is_won = True

    def failed(self, ctx: Context, seconds: float) -> None:
        """Take in a failure after so many *seconds*; the first copy's is the call's, unless the other one wins."""
        if ctx.rival or self.is_won:
            ctx.target.faults.append(seconds)
        else:
            self.fault = seconds


def check_race(race: object, effects: Any) -> None:
    """Refuse to race what may have effects: both copies are executed."""
    if not isinstance(race, bool):
        raise refuse("race", "True or False", race)
    if race and checked(effects) != "none":
        raise ConfigurationError(
            f'race must be False with effects="{effects}": both copies of a race are executed, which only '
            'effects="none" says is harmless. Declare that, if it only reads; else leave race out: the best way is '
            "found without"
        )


def line_up(ctx: Context, order: Order) -> None:
    """Have the first attempt of the call *ctx* raced, if nothing is wrong with its target and a copy can be paid."""
    if not (is_calm(ctx) and ctx.node.could_hedge(ctx)):
        return
    plan, ctx.plan = ctx.plan, replace(ctx.plan, hedge=TWO_AT_ONCE)
    ctx.race = order.line_up(ctx)
    if ctx.race is None or not ctx.race.has_rivals:
        ctx.plan = plan


def is_calm(ctx: Context) -> bool:
    """Return whether nothing says that the target has too much to do, is down, or is no longer what was learned."""
    target, now = ctx.target, ctx.runtime.now()
    if target.circuit.state is not State.CLOSED or target.peace.kept or target.peace.ends > now:
        return False
    if target.flow is not None and target.flow.is_shedding:
        return False
    if target.gate is not None and target.gate.inside >= target.gate.most:
        return False
    return target.learned_at is None or target.plan.observations > 0  # else what was known was forgotten


def with_copies(load: float | None, copies: int, calls: int) -> float | None:
    """Return the share of extra requests, *load* by the plans in force, with the *copies* that races have sent.

    >>> with_copies(None, 0, 10), with_copies(None, 1, 10), with_copies(0.25, 1, 4)
    (None, 0.1, 0.5)
    """
    return load if not copies else (load or 0.0) + copies / max(1, calls)
