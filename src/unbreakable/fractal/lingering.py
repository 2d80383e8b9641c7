"""What takes long at a target that is not known yet: those calls are still under way, and no success tells of them.

Where a third of the answers take ten times as long as the others, the first forty that come are quick ones.  What
follows from these alone is a time limit by which the others are asked for twice, and copies of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unbreakable.fractal.target import Target
from unbreakable.stats import Traffic

YOUNG = 2_000  # observations, by which slow answers are among them
MANY, LONG = 0.05, 4.0  # share of the calls that are under way for so many times as long as most take: no accident
HANGS = 12.0  # times as long as the slowest success: what takes longer than that does not come
SHARE = 1.0 / 9.0  # of the deadline, by three times which another attempt is to begin, should they hang
QUARTER = 0.25  # of the deadline: what takes longer leaves hardly time for two more attempts, and is not waited for
AS_LONG_AGAIN = 2.0  # times what it has taken so far: that long takes what is slower than all that has come


def with_what_lingers(target: Target, drivers: Iterable[Any]) -> Traffic:
    """Return what was seen of *target*; while that is little, and many calls linger, together with what these say.

    An attempt under way takes longer than it has so far.  One that has taken longer than any success is thought to come
    as late as that once more: were it one that never comes, copies and repeats would be seen to help against it.
    """
    seen, typical, slowest = target.traffic, *(target.latency.value(share) for share in (0.5, 1.0))
    if typical is None or slowest is None or seen.count >= YOUNG:
        return seen
    ages = [age for driver in drivers for age in driver.ages(target)]
    longest = min(HANGS * slowest, QUARTER * target.plan.deadline)
    lingering = sum(min(slowest, LONG * typical) < age <= longest for age in ages)
    hanging = sum(age > longest for age in ages)
    if lingering < max(MANY * (target.latency.count + len(ages)), 2.0 * hanging):
        return seen
    believed = Traffic()
    believed.merge(seen)
    late, most = [age for age in ages if slowest < age <= longest], SHARE * target.plan.deadline
    others = [age for age in ages if not slowest < age <= longest]
    believed.update(ok=[max(age, min(AS_LONG_AGAIN * age, most)) for age in late], cut=others)
    return believed
