"""What is under way is known to the attempt around it, and may be waited for.

Calls are, and work of ours that is no call, such as the block of a transaction: it stands in the ledger as they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from unbreakable.policies.effects import Effects
from unbreakable.policies.policy import Context, current
from unbreakable.runtime import Runtime, Waiter

QUIET, LOOK = 20, 0.001  # looks in vain, so many seconds apart, after which nothing follows


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

    ``until(None)`` is the moment until which work may stand in line for a thread.

    What was waited for may be followed by something else, or have left it under way: that is waited for, too, as is
    what stands in line for a thread.  An attempt of the calls *besides* which nothing is to be under way does not count
    when its time limit has cut it.
    """
    looks, in_line = 0, True
    while True:
        if in_line:
            began, in_line = await runtime.until_begun(until(None) - runtime.now()), False
            if began is False:
                return False
            looks = max(looks, QUIET if began else 0)
        call = _any_under_way(scope, besides)
        if call is None:
            if not looks:
                return True
            looks -= 1
            await runtime.sleep(LOOK)
            continue
        left, bell = until(call) - runtime.now(), runtime.waiter()
        if left <= 0:
            return False
        vars(call).setdefault("bells", []).append(bell)  # in one step, and before looking: threads may end it
        if call.live:
            await runtime.wait(bell, left)
        looks = QUIET  # what follows a call in a task that waits for it begins some turns of the event loop later
        in_line = True


def _any_under_way(scope: Context, besides: Container[Context]) -> Any:
    """Return a call that is under way inside of *scope*, None if there is none."""

    def may_hang(call: Any) -> bool:
        return getattr(call, "whole", None) in besides and call.given_up

    return next((each for each in scope.deeds.under_way(may_hang) if is_inside(each, scope)), None)


def is_inside(call: Any, scope: Context) -> bool:
    """Return whether *call* was begun inside of *scope*, near or far."""
    above = call.above
    while above is not None and above is not scope:
        above = above.above
    return above is not None
