"""What a budget leaves of a plan: when repeats and copies would cost more than calls earn, some calls go without.

A call that succeeds earns a share of a repeat (``RetryBudget.ratio``), so what is sent beside first attempts is no more
than that share of the successes, however long it goes on.  What failed calls earn is left out: it is a trickle, and
bounded in time.  Copies are paid from the upper half of what is saved, so they are the first to go; then as many calls
are repeated as can be paid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from unbreakable.simulation.manner import Manner


class Calls(NamedTuple):
    """Hold what becomes of calls: how likely they end well after how long, in all, and their requests."""

    mass: Any
    success: float
    load: float

    def lacks(self, manner: Manner) -> float:
        """Return by how many requests a call what is sent is more than calls that are made in that *manner* earn."""
        return self.load - 1.0 - manner.ratio * self.success


def afforded(found: dict[Manner, Calls], play: Callable[[list[Manner]], list[Calls]]) -> list[Calls]:
    """Return what becomes of calls of which not all are made as they should be, and of others as *found*.

    *found* is what would be without a budget; *play* returns the same of calls that are made in other manners.
    """
    dear = {manner: calls for manner, calls in found.items() if calls.lacks(manner) > 0.0}
    if not dear:
        return list(found.values())
    cheaper = play([manner.plain() for manner in dear] + [manner.once() for manner in dear])
    mixed = found | {
        manner: _mixed(manner, once, plain, full)
        for (manner, full), plain, once in zip(dear.items(), cheaper, cheaper[len(dear) :], strict=False)
    }
    return list(mixed.values())


def _mixed(manner: Manner, once: Calls, plain: Calls, full: Calls) -> Calls:
    """Return what becomes of calls of which as many are made in that *manner* as can be paid."""
    low, high = (plain, full) if plain.lacks(manner) <= 0.0 else (once, plain)
    lacking, beyond = low.lacks(manner), high.lacks(manner)
    share = lacking / (lacking - beyond)

    def between(one: Any, other: Any) -> Any:
        return one + share * (other - one)

    return Calls(*map(between, low, high))
