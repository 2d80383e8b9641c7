"""What a budget leaves of a plan: when repeats and copies would cost more than calls earn, some calls go without.

A call that succeeds earns a share of a repeat (``RetryBudget.ratio``), so what is sent beside first attempts is no more
than that share of the successes, however long it goes on.  What failed calls earn is left out: it is a trickle, and
bounded in time.  Copies are paid from the upper half of what is saved, so they are the first to go; then as many calls
are repeated as can be paid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from unbreakable.policies import Plan
from unbreakable.simulation.attempts import ONCE


class Calls(NamedTuple):
    """Hold what calls under a plan come to: how likely they end well after how long, in all, and their requests."""

    mass: Any
    success: float
    load: float

    def lacks(self, plan: Plan) -> float:
        """Return by how many requests a call what is sent is more than what the budget of *plan* lets calls earn."""
        return -math.inf if plan.budget is None else self.load - 1.0 - plan.budget.ratio * self.success


def afforded(
    plans: Sequence[Plan], found: Sequence[Calls], play: Callable[[list[Plan]], list[Calls]]
) -> dict[int, Calls]:
    """Return what calls come to of which not all are made as planned, by the places of their *plans*.

    *found* is what would be without a budget; *play* returns the same of other plans.
    """
    dear = [place for place, plan in enumerate(plans) if found[place].lacks(plan) > 0.0]
    if not dear:
        return {}
    plain = [plans[place] if plans[place].hedge is None else replace(plans[place], hedge=None) for place in dear]
    cheaper = play([*plain, *(replace(plan, retry=ONCE) for plan in plain)])
    return {
        place: _mixed(plans[place], cheaper[number + len(dear)], cheaper[number], found[place])
        for number, place in enumerate(dear)
    }


def _mixed(plan: Plan, once: Calls, plain: Calls, full: Calls) -> Calls:
    """Return what calls come to of which as many are made as planned as can be paid."""
    low, high = (plain, full) if plain.lacks(plan) <= 0.0 else (once, plain)
    lacking, beyond = low.lacks(plan), high.lacks(plan)
    share = lacking / (lacking - beyond)

    def between(one: Any, other: Any) -> Any:
        return one + share * (other - one)

    return Calls(*map(between, low, high))
