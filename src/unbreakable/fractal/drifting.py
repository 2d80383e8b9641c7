"""A target whose latency has drifted is another one; and if that is over soon, it is the one that was known before.

A slow spell, which a drift cannot be told from while it lasts, costs no knowledge so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from unbreakable.events import DriftDetected
from unbreakable.fractal.target import Target
from unbreakable.runtime import breathe
from unbreakable.stats import Quantile, Stretches, Traffic
from unbreakable.stats.drift import LEAST_CHANGE

HOUR = 3_600.0  # seconds after which a drift is no spell, whatever comes then
ENOUGH = 100  # durations that tell whether a target is what it was, if no drift says so
SURE = 2.0  # standard deviations of a mean
SHARES = [(2 * number + 1) / 40 for number in range(20)]  # the middles of twenty parts
ALL, MIDDLE = slice(0, 20), slice(5, 15)  # where a drift begins is a guess: some of what came before it may be there
AT_ONCE = 0x3F  # calls that are looked at before others have their turn


class Former:
    """What was known of a target before its latency drifted, and some durations since that may tell that it is back."""

    __slots__ = ("at", "hedge", "portion", "traffic")

    def __init__(self, target: Target, at: float) -> None:
        self.traffic, self.hedge, self.at, self.portion = target.traffic, target.plan.hedge, at, Quantile()

    def is_back(self, durations: Sequence[float]) -> bool:
        """Return whether these *durations* fill a portion, which is like what was known."""
        portion = self.portion
        portion.update_many(durations)
        if portion.count < ENOUGH:
            return False
        self.portion = Quantile()
        return are_alike(portion, self.traffic.ok)


def detect_drift(node: Any, target: Target, batch: Sequence[float], fresh: Traffic, now: float) -> bool:
    """Return whether the latency is no longer what it was; if so, what was known of it is forgotten.

    What came in the *batch* before it was another one is forgotten in its statistic *fresh*, too.  Where the target is
    again what it was before, *fresh* holds what was known of that.
    """
    latest = latest_drift(target, batch)
    former = former_of(target, now)
    is_back = not latest and former is not None and former.is_back(batch)
    if not (latest or is_back):
        return False
    if latest:
        recent = Quantile()
        recent.update_many(batch[-latest:])
        # A group of slow calls is over by now, and somebody else may have noticed what is not.
        if are_alike(recent, target.latency, MIDDLE if target.relearned else ALL):
            return False
        fresh.ok, fresh.slow, fresh.late = recent, Stretches(), Stretches()
        before, after = target.latency.value(0.5), recent.value(0.5)
        node.tell(DriftDetected(at=now, node=node.name, before=before or 0.0, after=after or 0.0))
    forget(target, now)
    if former is not None and (is_back or are_alike(fresh.ok, former.traffic.ok, MIDDLE)):
        fresh.merge(former.traffic)
        target.former = None
    return True


def forget(target: Target, now: float) -> None:
    """Forget what is known of *target*, but for the case that it comes back; of two such cases the better known one."""
    former = former_of(target, now)
    if target.latency.count and (former is None or former.traffic.count < target.traffic.count):
        target.former = Former(target, now)
    target.traffic, target.courses, target.relearned = Traffic(), None, False


def relearn(target: Target, known: Traffic, now: float) -> None:
    """Know of *target* what others do, who have noticed that it is no longer what it was, or that it is again."""
    forget(target, now)
    target.traffic.merge(known)
    target.relearned = True
    if target.former is not None and are_alike(target.latency, target.former.traffic.ok):
        target.former = None


def are_alike(some: Quantile, known: Quantile, which: slice = ALL) -> bool:
    """Return whether *some* durations may be of those that are *known*, by the mean of the logarithms of *which*."""
    here, there = logarithms(some), logarithms(known)
    noise = SURE * statistics.pstdev(there) / math.sqrt(some.count)
    return abs(statistics.fmean(here[which]) - statistics.fmean(there[which])) <= max(LEAST_CHANGE, noise)


def logarithms(durations: Quantile) -> list[float]:
    """Return the logarithms of twenty durations that stand for all; of none, zeros."""
    return [math.log(durations.value(share) or 1.0) for share in SHARES]


def latest_drift(target: Target, batch: Sequence[float]) -> int:
    """Return how many durations, the last ones of *batch*, came since the latest drift; 0 if there was none."""
    latest = 0
    for left, seconds in zip(range(len(batch) - 1, -1, -1), batch, strict=True):
        if target.drift.update(seconds):
            latest = left + target.drift.span
        if not left & AT_ONCE:
            breathe()
    return min(latest, len(batch))


def former_of(target: Target, now: float) -> Former | None:
    """Return what was known before a drift that may be over yet."""
    former: Former | None = target.former
    if former is not None and now - former.at > HOUR:
        target.former = former = None
    return former
