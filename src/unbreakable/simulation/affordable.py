"""What a budget leaves of a plan: when repeats and copies would cost more than calls earn, some calls go without.

A call that succeeds earns a share of a repeat (``RetryBudget.ratio``), so what is sent beside first attempts is no more
than that share of the successes, however long it goes on.  What failed calls earn is left out: it is a trickle, and
bounded in time.  Copies are paid from the upper half of what is saved, so they are the first to go; then as many calls
are repeated as can be paid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unbreakable.policies import Plan, Retry

ONCE, ENDLESS = Retry(1), 1e9
Play = Callable[[list[Plan]], tuple[Any, Any]]


def afforded(plans: Sequence[Plan], mass: Any, load: Any, play: Play) -> tuple[Any, Any]:
    """Return *mass*, how likely calls end well after how long, and *load*, each a row a plan, as can be paid.

    They are what would be without a budget; *play* returns the same of other plans.
    """
    ratio = np.array([ENDLESS if plan.budget is None else plan.budget.ratio for plan in plans])
    lacks = _lacks(mass, load, ratio)
    dear = np.flatnonzero(lacks > 0.0)
    if not dear.size:
        return mass, load
    plain = [replace(plans[each], hedge=None) for each in dear.tolist()]
    masses, loads = play([*plain, *(replace(plan, retry=ONCE) for plan in plain)])
    mass, load = mass.copy(), load.copy()
    for number, place in enumerate(dear.tolist()):
        rows = number + len(dear), number
        rungs = [(masses[row], loads[row]) for row in rows] + [(mass[place], load[place])]
        (low, sent), (high, more) = rungs[1:] if _lacks(*rungs[1], ratio[place]) <= 0.0 else rungs[:2]
        lacking, beyond = _lacks(low, sent, ratio[place]), _lacks(high, more, ratio[place])
        share = lacking / (lacking - beyond)  # of calls that are made as planned, so that nothing is lacking
        mass[place], load[place] = low + share * (high - low), sent + share * (more - sent)
    return mass, load


def _lacks(mass: Any, load: Any, ratio: Any) -> Any:
    """Return by how many requests a call what is sent is more than what is earned."""
    return load - 1.0 - ratio * mass.sum(axis=-1)
