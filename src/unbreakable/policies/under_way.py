"""What is under way is known to the attempt around it, and may be waited for.

Calls are, and work of ours that is no call, such as the block of a transaction: it stands in the ledger as they do.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable, Container, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from unbreakable.policies.bounded import nearest
from unbreakable.policies.effects import Effects
from unbreakable.policies.policy import Context, _current, current
from unbreakable.runtime import Runtime, Waiter

LOOKS, LOOK, QUIET = 5, 0.001, 0.02  # so many looks in vain, seconds apart, and over all, after which nothing follows


class Declared(NamedTuple):
    """Say what the work does to the world, as the plan of a call does."""

    effects: Effects


class UnderWay:
    """Be under way, for the attempt *around* it, until ``end()``; whoever begins it outside of any call tells nobody.

    What is done in it is told to the attempt before its end, by whoever does it.
    """

    bells: Sequence[Waiter] = ()  #: of those who wait until it is over
    idle = False

    def __init__(self, effects: Effects, around: Context | None, *, endless: bool = False) -> None:
        self.plan, self.live, self.above = Declared(effects), True, around
        #: the moment by which it may be expected to be over, should somebody wait: the attempt's, or any time
        self.deadline = -math.inf if endless or around is None else around.deadline
        if around is not None:
            around.deeds.at_work.add(self)

    def end(self) -> None:
        """Be over; ending twice is the same as once."""
        self.live = False
        if self.above is not None:
            self.above.deeds.at_work.discard(self)
        for bell in self.bells:
            bell.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end()


def under_way(effects: Effects, *, endless: bool = False) -> UnderWay:
    """Return what is under way from now on for the call that runs here, and over at the end of its block.

    What is *endless* may go on for ever, so that nobody waits for it for long.
    """
    return UnderWay(effects, current(), endless=endless)


Until: TypeAlias = Callable[[Any], float]  # the moment until which a call is waited for


async def all_over(scope: Context, runtime: Runtime, until: Until, besides: Container[Context] = ()) -> bool:
    """Wait until nothing is under way inside of *scope*, for each call *until* its moment; return whether nothing is.

    What was waited for may be followed by something else, or have left it under way: that is waited for, too, as is
    what stands in line for a thread, until the moment ``until(None)``.  An attempt of the calls *besides* which nothing
    is to be under way does not count when its time limit has cut it.
    """
    may_follow = False
    while await runtime.until_begun(partial(is_of, scope), until(None) - runtime.now()):
        call = _any_under_way(scope, besides)
        if call is None:
            may_follow = may_follow or runtime.others_at_work()
            if not (may_follow and await _follows(scope, runtime, besides)):
                return True
            continue
        left, bell = until(call) - runtime.now(), runtime.waiter()
        if left <= 0:
            return False
        vars(call).setdefault("bells", []).append(bell)  # in one step, and before looking: threads may end it
        if call.live:
            await runtime.wait(bell, left)
        may_follow = True  # what follows a call in a task that waits for it begins some turns of the event loop later
    return False


async def _follows(scope: Context, runtime: Runtime, besides: Container[Context]) -> bool:
    """Return whether something comes to be under way inside of *scope* in the next moments."""
    since, looks = runtime.now(), 0
    while looks < LOOKS or runtime.now() - since < QUIET:
        await runtime.sleep(LOOK)
        looks += 1
        if _any_under_way(scope, besides) is not None:
            return True
    return False


def _any_under_way(scope: Context, besides: Container[Context]) -> Any:
    """Return a call that is under way inside of *scope*, None if there is none."""

    def may_hang(call: Any) -> bool:
        return getattr(call, "whole", None) in besides and call.given_up

    return next((each for each in scope.deeds.under_way(may_hang) if is_inside(each, scope)), None)


def is_in_call(variables: contextvars.Context) -> bool:
    """Return whether what runs with these context variables is part of a call that is under way."""
    return nearest(variables.get(_current)) is not None


def is_of(scope: Context, context: contextvars.Context) -> bool:
    """Return whether what is done with the variables of *context* is done inside of *scope*."""
    around = context.get(_current)
    return around is not None and (around is scope or is_inside(around, scope))


def is_inside(call: Any, scope: Context) -> bool:
    """Return whether *call* was begun inside of *scope*, near or far."""
    above = call.above
    while above is not None and above is not scope:
        above = above.above
    return above is not None
