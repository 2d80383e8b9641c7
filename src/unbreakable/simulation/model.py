"""A learned model of one target, a digital twin: how long its answers take and how often there is none.

Attempts that were cut are not thrown away, which would make the target look faster than it is: the product-limit
estimator takes them for "longer than that" (E. Kaplan, P. Meier, "Nonparametric Estimation from Incomplete
Observations", JASA 53, 1958).  What is left over beyond the slowest answer is an answer that never comes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unbreakable.stats import Quantile, Traffic
from unbreakable.stats.quantile import edges

POINTS = 4096  # equally likely durations that stand for a distribution
SUPPORT = 5.0  # observations beyond a quantile that it takes to believe it
NOTHING_SEEN = 0.01  # seconds that a failure is taken to need before one was seen
_P = (np.arange(POINTS) + 0.5) / POINTS
_EDGES = np.array(edges())


class Model:
    """Answer what an attempt at a target is like; durations are seconds.

    ``answers`` and ``faults`` are tables of equally likely durations, ``math.inf`` for an answer that never comes.
    ``fails`` is how likely an attempt is to fail, ``fails_again`` how likely one that follows a failure is.
    """

    def __init__(self, traffic: Traffic) -> None:
        self.observations: int = traffic.count
        ended = traffic.ok.count + traffic.failed.count
        self.fails: float = traffic.failed.count / ended if ended else 0.0
        # Until repeats have been seen, they are thought to fail no more often than others.
        self.fails_again: float = (traffic.repeats_failed + 2.0 * self.fails) / (traffic.repeats + 2.0)
        self._mass = _survivors(traffic.ok, traffic.cut)
        self.answers: Any = _table(self._mass)
        self.faults: Any = _table(_counts(traffic.failed)) if traffic.failed.count else np.full(POINTS, NOTHING_SEEN)

    def quantile(self, p: float) -> float:
        """Return what a share *p* of the answers does not exceed, as far as there is evidence that far out."""
        p = min(p, 1.0 - SUPPORT / max(self.observations, 2.0 * SUPPORT))
        seen = float(self.answers[min(POINTS - 1, int(p * POINTS))])
        return seen if seen < math.inf else self.slowest

    @property
    def slowest(self) -> float:
        """Return the longest duration of an answer."""
        used = np.flatnonzero(self._mass[:-1])
        return float(_EDGES[used[-1] + 1]) if used.size else 0.0


def _counts(seen: Quantile) -> Any:
    """Return the counts by bucket, with a last one for what never ends."""
    return np.append(np.array(seen.counts(), dtype=float), 0.0)


def _survivors(ok: Quantile, cut: Quantile) -> Any:
    """Return the share of answers in each bucket, those that were not waited for spread over later ones."""
    ended, given_up = _counts(ok)[:-1], _counts(cut)[:-1]
    at_risk = np.cumsum((ended + given_up)[::-1])[::-1]
    hazard = np.divide(ended, at_risk, out=np.zeros_like(ended), where=at_risk > 0)
    alive = np.cumprod(1.0 - hazard)
    before = np.append(1.0, alive[:-1])
    return np.append(before * hazard, alive[-1])


def _table(mass: Any) -> Any:
    """Return POINTS equally likely durations of a distribution given by the mass in each bucket."""
    total = mass.sum()
    if total <= 0:
        return np.full(POINTS, math.inf)
    cumulated = np.append(0.0, np.cumsum(mass[:-1])) / total
    return np.where(cumulated[-1] >= _P, np.interp(_P, cumulated, _EDGES), math.inf)
