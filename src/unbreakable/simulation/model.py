"""A learned model of one target, a digital twin: how long its answers take and how often there is none.

Attempts that were cut are not thrown away, which would make the target look faster than it is: the product-limit
estimator takes them for "longer than that" (E. Kaplan, P. Meier, "Nonparametric Estimation from Incomplete
Observations", JASA 53, 1958).  What is left over beyond the slowest answer is an answer that never comes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unbreakable.simulation.spells import Spells, spells
from unbreakable.stats import Quantile, Traffic
from unbreakable.stats.quantile import edges

FOR_EVER = np.float32(math.inf)
POINTS = 4096  # equally likely durations that stand for a distribution
SUPPORT = 5.0  # observations beyond a quantile that it takes to believe it
NOTHING_SEEN = 0.01  # seconds that a failure is taken to need before one was seen
FEW_COPIES = 20.0  # that say nothing, beside those that were seen: so chance makes no copies alike
# Where slow answers may begin, as shares.
BORDERS = (0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
LIKELY_BORDER = 0.95  # as long as no copies were seen
ERRORS = (-1.0, -1.645, 1.645)  # standard errors beside the estimate: what is believed, and what holds nine of ten
LONG_AGO = 3600.0  # seconds that trouble lasts where it comes at any time: then nothing is learned from a failure
_P = (np.arange(POINTS) + 0.5) / POINTS
_EDGES = np.array(edges())


class Model:
    """Answer what an attempt at a target is like; durations are seconds.

    ``answers`` and ``faults`` are tables of equally likely durations, ``math.inf`` for an answer that never comes.
    ``fails`` is how likely an attempt is to fail.  Where failures come in spells, ``trouble`` tells of these.
    ``stubborn`` is the share of failures that belong to the request: however often it is repeated, it fails.
    ``alike`` is how often the requests of one call are of the same sort, beyond chance: all slow, among the slowest
    from the share ``slow_from`` up, or all not; ``alike_between`` is its band.
    """

    def __init__(self, traffic: Traffic) -> None:
        self.observations: int = traffic.count
        # Repeats are left out: what fails in a spell is repeated there, and would count as often as it is.
        firsts = traffic.ok.count + traffic.failed.count - traffic.repeats
        failed = max(0, traffic.failed.count - traffic.repeats_failed)
        self.fails: float = min(1.0, failed / firsts) if firsts > 0 else 0.0
        self.trouble: Spells = spells(traffic.lags, self.fails) or Spells(0.0, self.fails, self.fails, LONG_AGO)
        self._mass = _survivors(traffic.ok, traffic.cut)
        self.answers: Any = _table(self._mass)
        self.faults: Any = _table(_counts(traffic.failed)) if traffic.failed.count else _same(NOTHING_SEEN)
        self.alike, self.slow_from, self.alike_between = _alike(traffic, self._mass, self.fails)
        self.stubborn: float = _stubborn(traffic, self.trouble, self.fails)

    def quantile(self, p: float) -> float:
        """Return what a share *p* of the answers does not exceed, as far as there is evidence that far out."""
        p = min(p, 1.0 - SUPPORT / max(self.observations, 2.0 * SUPPORT))
        seen = float(self.answers[min(POINTS - 1, int(p * POINTS))])
        return seen if seen < math.inf else self.slowest

    @property
    def bad_after_failure(self) -> float:
        """Return how likely the target is in trouble when an attempt has just failed, by Bayes's rule."""
        return self.trouble.share * self.trouble.fails_in_trouble / max(self.fails, 1e-9)

    def failing(self, bad: float) -> float:
        """Return how often attempts fail when that large a share of the times is *bad*."""
        return self.trouble.fails_well + (self.trouble.fails_in_trouble - self.trouble.fails_well) * bad

    def stubbornly(self, fails: float) -> float:
        """Return how likely an attempt fails that follows one that did, or is beside it."""
        return self.stubborn + (1.0 - self.stubborn) * fails

    @property
    def fails_again(self) -> float:
        """Return how likely an attempt fails that is beside one that does."""
        return self.stubbornly(self.failing(self.bad_after_failure))

    def points(self) -> tuple[Any, Any]:
        """Return by bucket how many of the POINTS answers are before it, and how many within, with fractions."""
        within = self._mass * (POINTS / self._mass.sum())
        within[-1] = 0.0  # those that never come
        return within.cumsum() - within, within

    @property
    def slowest(self) -> float:
        """Return the longest duration of an answer."""
        used = np.flatnonzero(self._mass[:-1])
        return float(_EDGES[used[-1] + 1]) if used.size else 0.0


def _counts(seen: Quantile) -> Any:
    """Return the counts by bucket, with a last one for what never ends; what is in a wide one is spread evenly."""
    counts = np.zeros(len(_EDGES))
    low, kept, width = seen.span()
    counts[low : low + len(kept) * width] = kept if width == 1 else np.repeat(np.array(kept) / width, width)
    return counts


def _survivors(ok: Quantile, cut: Quantile) -> Any:
    """Return the share of answers in each bucket, those that were not waited for spread over later ones."""
    ended = _counts(ok)
    if not cut.count and ok.count:
        return ended / ok.count
    both = ended + _counts(cut)
    used = both.nonzero()[0]
    hazard = ended[used] / both[used][::-1].cumsum()[::-1]
    alive = np.ones(len(used) + 1)
    np.cumprod(1.0 - hazard, out=alive[1:])
    mass = np.zeros(len(_EDGES))
    mass[used], mass[-1] = alive[:-1] * hazard, alive[-1]
    return mass


def _table(mass: Any) -> Any:
    """Return POINTS equally likely durations of a distribution given by the mass in each bucket.

    Within a bucket, durations are spread evenly; those of the last one never end.
    """
    total = mass.sum()
    if total <= 0:
        return _same(math.inf)
    used = (mass[:-1] > 0).nonzero()[0]
    within, begins = mass[used], _EDGES[used]
    reached = within.cumsum()
    points = (reached * (POINTS / total) + 0.5).astype(np.intp)  # how many are no longer than that
    points[1:] -= points[:-1].copy()
    slope = (_EDGES[used + 1] - begins) / within
    begins -= (reached - within) * slope
    found = (slope * total).repeat(points)
    found *= _P[: len(found)]
    found += begins.repeat(points)
    table = np.empty(POINTS, np.float32)
    table[: len(found)], table[len(found) :] = found, math.inf
    return table


def _same(seconds: float) -> Any:
    return np.full(POINTS, seconds, np.float32)


def _alike(traffic: Traffic, mass: Any, fails: float) -> tuple[float, float, tuple[float, float]]:
    """Return how often copies of slow attempts are slow by their nature, at least; from which share up; its band.

    Who wins is cut short by nobody, so what is compared is how many races are still under way after so long: the first
    attempt slow, or failed since its copy was sent, and the copy not back either.  Of the borders between slow and not,
    that is taken which tells most.
    """
    seen = traffic.beside.count + traffic.beside_cut.count
    delay = traffic.sent.value(0.5)
    if delay is None or seen < FEW_COPIES:
        return 0.0, LIKELY_BORDER, (0.0, 1.0)
    reached = np.cumsum(mass[:-1])
    at = np.minimum(np.searchsorted(reached, BORDERS), len(reached) - 1)
    since = np.maximum(_EDGES[at + 1] - delay, 0.0)  # for how long the copy is out when the first turns out to be slow
    failing = fails / max(1.0 - fails, 1e-9) * (1.0 - _share(_counts(traffic.failed), delay))
    slower = np.maximum(1.0 - reached[at], 0.0)
    slow = np.minimum(1.0, (slower + failing) / max(1.0 - _share(mass, delay) + failing, 1e-9))
    by_chance = 1.0 - _share(mass, since)
    out = _counts(traffic.beside) + _counts(traffic.beside_cut)
    both = (out.sum() - _share(out, since) * out.sum()) / seen
    believed = (both * seen + slow * by_chance * FEW_COPIES) / (seen + FEW_COPIES)
    error = np.sqrt(np.maximum(believed * (1.0 - believed), 1e-4) / (seen + FEW_COPIES))
    sides = believed + np.array(ERRORS)[:, None] * error  # a row each
    shares = (sides / np.maximum(slow, 1e-9) - by_chance) / np.maximum(1.0 - by_chance, 1e-9)
    tells = (by_chance < 0.5) & (slow * seen > SUPPORT) & (slower > 1e-9)  # beyond the slowest there is no border
    if not tells.any():
        return 0.0, LIKELY_BORDER, (0.0, 1.0)
    shares = np.where(tells, np.clip(shares, 0.0, 1.0), 0.0)
    best = int(np.argmax(shares[0] * np.sqrt(slow)))  # beyond chance in terms of it: so many races, their root
    least, low, high = shares[:, best].tolist()
    return least, float(reached[at[best]]), (low, high)


def _share(mass: Any, seconds: Any) -> Any:
    """Return which share of a distribution, given by the mass in each bucket, is within so many *seconds*."""
    return np.interp(seconds, _EDGES, np.append(0.0, np.cumsum(mass[:-1])) / max(mass.sum(), 1e-9))


def _stubborn(traffic: Traffic, trouble: Spells, fails: float) -> float:
    """Return the share of failures that repeats do not help, at least, beyond what spells of trouble explain."""
    if not traffic.repeats:
        return 0.0
    expected = trouble.fails_in_trouble if trouble.share else fails
    believed = (traffic.repeats_failed + 2.0 * expected) / (traffic.repeats + 2.0)
    least = believed - math.sqrt(max(believed * (1.0 - believed), 1e-4) / (traffic.repeats + 2.0))
    return min(1.0, max(0.0, (least - expected) / max(1.0 - expected, 1e-9)))
