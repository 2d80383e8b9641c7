"""What is under way is known to the attempt around it, and may be waited for.

Calls are, and work of ours that is no call, such as the block of a transaction: it stands in the ledger as they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from unbreakable.policies.effects import Effects
from unbreakable.policies.policy import Context, current
from unbreakable.runtime import Runtime, Waiter


class Declared(NamedTuple):
    """Say what the work does to the world, as the plan of a call does."""

    effects: Effects


class UnderWay:
    """Be under way, for the attempt *around* it, until ``end()``; whoever begins it outside of any call tells nobody.

    What is done in it is told to the attempt before its end, by whoever does it.
    """

    bells: Sequence[Waiter] = ()  #: of those who wait until it is over
    idle = False

    def __init__(self, effects: Effects, around: Context | None) -> None:
        self.plan, self.live, self.above = Declared(effects), True, around
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


def under_way(effects: Effects) -> UnderWay:
    """Return what is under way from now on for the call that runs here, and over at the end of its block."""
    return UnderWay(effects, current())


async def all_over(scope: Context, runtime: Runtime, until: float) -> bool:
    """Wait until nothing is under way inside of *scope*, at most until that moment; return whether nothing is.

    What was waited for may have been followed by something else meanwhile, or have left it under way: that is waited
    for, too.
    """
    while (call := next((each for each in scope.deeds.under_way() if is_inside(each, scope)), None)) is not None:
        left, bell = until - runtime.now(), runtime.waiter()
        if left <= 0:
            return False
        vars(call).setdefault("bells", []).append(bell)  # in one step, and before looking: threads may end it
        if call.live:
            await runtime.wait(bell, left)
    return True


def is_inside(call: Any, scope: Context) -> bool:
    """Return whether *call* was begun inside of *scope*, near or far."""
    above = call.above
    while above is not None and above is not scope:
        above = above.above
    return above is not None
