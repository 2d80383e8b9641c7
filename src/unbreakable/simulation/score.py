"""How good a plan is, from what the model predicts of it: time, quality and safety in one number, 0 to 100.

time     50 is as fast as calling without any plan, 15 points more for each halving; median, p90 and p99 weigh 0.4,
         0.2 and 0.4
quality  25 points for each nine of the success rate, no more than the observations can show; calls that fail whatever
         is done are left out
risk     100 without extra requests; 5 % of them cost 4 points, 10 % cost 16, 25 % all (higher is safer)
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.record import Preset
from unbreakable.simulation.prediction import Prediction

HEADROOM = 0.25  # share of extra requests that a target is thought to bear
OF_P50, OF_P90, OF_P99 = 0.4, 0.2, 0.4  # what each weighs in the score of time
TENFOLD = 50.0  # points of it for being ten times as fast
SURELY = 10**9  # observations: then what they cannot show counts no more
MOST_WEIGHT = 1e300  # of all together: times a score that is still a number
NINES = 4.0  # of success that count as perfect


class ScoreWeights(Preset):
    """Weigh time, quality and safety; the weights are shares of their sum."""

    time: float = 0.3
    quality: float = 0.5
    risk: float = 0.2

    def __post_init__(self) -> None:
        for name in ("time", "quality", "risk"):
            check.amount(f"ScoreWeights.{name}", getattr(self, name))
        if not 0 < self.time + self.quality + self.risk <= MOST_WEIGHT:
            raise refuse("ScoreWeights", f"weights of which one is more than 0, {MOST_WEIGHT:g} in all at most", self)


class Scores(NamedTuple):
    """Hold the three scores and their weighted mean, each in 0..100, higher is better."""

    time: float
    quality: float
    risk: float
    total: float


def score(
    found: Prediction, baseline: Prediction, observations: int, weights: ScoreWeights, hopeless: float = 0.0
) -> Scores:
    """Return the scores of a plan that is predicted to do *found* where one plain attempt does *baseline*.

    A share of the calls is *hopeless*: they fail under any plan.  In the success rate they would hide what a plan does
    for the others.
    """
    time = OF_P50 * _time(found.p50, baseline.p50) + OF_P90 * _time(found.p90, baseline.p90)
    time += OF_P99 * _time(found.p99, baseline.p99)
    lost = max(0.0, 1.0 - found.success - hopeless) / max(1.0 - hopeless, 1e-9)
    failing = lost + 0.5 / max(1, observations)
    quality = 100.0 * _clipped(-math.log10(failing) / NINES) if failing < 1.0 else 0.0
    risk = 100.0 * (1.0 - _clipped((found.load - 1.0) / HEADROOM) ** 2)
    total = weights.time * time + weights.quality * quality + weights.risk * risk
    return Scores(time, quality, risk, total / (weights.time + weights.quality + weights.risk))


def exchange_rates(weights: ScoreWeights) -> dict[str, float]:
    """Return what each of some changes adds to the total with these *weights*, in points.

    >>> [round(points, 1) for points in exchange_rates(ScoreWeights()).values()]
    [12.5, 4.5, 1.8, -0.8, -3.2, -20.0]
    """
    alone = Prediction(success=0.9, p50=1.0, p90=1.0, p99=1.0, p999=1.0, load=1.0)
    changed = {
        "ten times fewer failures": replace(alone, success=0.99),
        "twice as fast": replace(alone, p50=0.5, p90=0.5, p99=0.5),
        "half the p99": replace(alone, p99=0.5),
        "5 % more requests": replace(alone, load=1.05),
        "10 %": replace(alone, load=1.1),
        "25 %": replace(alone, load=1.25),
    }

    def total(found: Prediction) -> float:
        return score(found, alone, SURELY, weights).total

    return {change: total(found) - total(alone) for change, found in changed.items()}


def _time(seconds: float, baseline: float) -> float:
    if not 0.0 < seconds < math.inf:
        return 0.0 if seconds > 0.0 else 100.0
    if baseline == math.inf:
        return 100.0
    points = 50.0 + TENFOLD * math.log10(max(baseline, 1e-9) / seconds)
    if 0.0 < points < 100.0:
        return points
    return 0.0 if points <= 0.0 else 100.0


def _clipped(share: float) -> float:
    if 0.0 < share < 1.0:
        return share
    return 0.0 if share <= 0.0 else 1.0
