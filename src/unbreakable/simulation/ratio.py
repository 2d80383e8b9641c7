"""How a quantile of calls compares with the same quantile of their baselines, with an interval that keeps its word.

A call and its baseline ask the same target at the same moment, so both quantiles move together, and the interval has to
know that.  A ratio r of the baselines' p-quantile to that of the calls lies in it unless the shares that have ended by
r q and by q, q being where the two together show p, differ by more than chance explains: 1.96 standard deviations, for
variances that hold if r is right, the pairs' own covariance and the slope of one share against the other.  No density
is estimated and nothing is drawn.  It is E. Wilson's score interval ("Probable Inference", 1927), inverted for
quantiles as in R. Woodruff, "Confidence Intervals for Medians and Other Position Measures" (1952), for matched pairs.

Where the baseline is known of a random part of the calls alone, these stand for the others of their group: two-phase
sampling (W. Cochran, "Sampling Techniques", 1977, ch. 12).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]

Z = 1.959963984540054  # 97.5th percentile of the normal distribution
LEAST = 8  # known baselines that may speak for others of their group
ENOUGH = 5.0  # calls on either side of a quantile, each worth one that is known, below which none is told
MOST_TRIED = 64  # quantiles of the calls that are looked at for each ratio
NARROW, WIDE = 2.0**-9, 16.0  # of the logarithm of the ratio: the first step away from it, and what is endless
HALVINGS = 6  # of the last step: to a hundredth of the interval
FINEST, GOLDEN = 1e-4, (math.sqrt(5.0) - 1.0) / 2.0  # part by which pairs are kept apart that a coarse clock made equal
BLOCKS, CLUMPED = 25, 1.517  # of calls in a row; 95th percentile of what their variance may be of that of single calls


class Interval(NamedTuple):
    """Hold a ratio and its 95 % interval."""

    ratio: float
    low: float
    high: float


class Group:
    """Hold the calls whose baseline is a matter of sampling: those known stand for those that are not.

    *age* is the number of seconds from which on a baseline has to be sampled to be known; before, none had ended.
    """

    def __init__(self, call: Numbers, alone: Numbers, age: Numbers) -> None:
        known = ~np.isnan(alone)
        self.ages, self.ages_known = np.sort(age), np.sort(age[known])
        self.call, self.alone, self.rising = call[known], alone[known], np.sort(alone[known])

    def at(self, x: Numbers, guess: float) -> Sampled:
        """Return what is known of the baselines by *x*; *guess* is the share that ended where too few are known."""
        size = np.searchsorted(self.ages, x).astype(np.float64)
        known = np.searchsorted(self.ages_known, x).astype(np.float64)
        ended = np.searchsorted(self.rising, x, side="right")
        return Sampled(size, known, np.where(known >= LEAST, ended / np.maximum(known, 1.0), guess))

    def both(self, q: Numbers, ratio: float) -> Numbers:
        """Return how many of those known had ended by *q*, and their baselines by *ratio* times that."""
        return counted(np.maximum(self.call, self.alone / ratio), q)


class Sampled(NamedTuple):
    """Hold, at each x, how many may have ended by then, of how many of these that is known, and which share did."""

    size: Numbers
    known: Numbers
    share: Numbers

    def spread(self, shift: Numbers | float = 0.0) -> Numbers:
        """Return the variance that sampling adds to the number of those ended; *shift* is added to the share."""
        edge = 0.5 / (self.known + 1.0)
        share = np.clip(self.share + shift, edge, 1.0 - edge)
        extra = np.maximum(self.size / np.maximum(self.known, 1.0) - 1.0, 0.0)
        found: Numbers = np.where(self.known >= LEAST, self.size * extra * share * (1.0 - share), 0.0)
        return found


class Paired:
    """Hold calls beside their baselines, in seconds: what never ends is ``inf``, a baseline that is not known ``nan``.

    *age* is ``nan`` where the baseline is known in any case; else see ``Group``: 0 for a call that went another way.
    """

    def __init__(self, call: Numbers, alone: Numbers, age: Numbers) -> None:
        self.count = len(call)
        apart = 1.0 + FINEST * (np.arange(self.count) * GOLDEN % 1.0 - 0.5)
        call, alone, age = self.given = call * apart, alone * apart, age * apart
        self.calls, sure = np.sort(call), np.isnan(age)
        self.call, self.alone, self.rising = call[sure], alone[sure], np.sort(alone[sure])
        self.parts = [part for part in (~sure & (age > 0.0), ~sure & (age <= 0.0)) if part.any()]
        self.groups = [Group(call[part], alone[part], age[part]) for part in self.parts]

    def interval(self, p: float) -> Interval | None:
        """Return the ratio of the two *p*-quantiles; None where too little is known, or the interval has no end."""
        q, x = self._quantile(p), self._quantile_alone(p)
        if not (0.0 < q < math.inf and 0.0 < x < math.inf) or self._worth(x, p) * min(p, 1.0 - p) < ENOUGH:
            return None
        if not self.groups and np.array_equal(self.call, self.alone):
            return Interval(1.0, 1.0, 1.0)  # nothing has come between a call and its first attempt
        near, ratio = self._near(p), x / q
        sure = Z * math.sqrt(self._clumps(near, ratio))
        low = farthest(lambda r: self.deviation(p, near, r, 1.0) < -sure, ratio, -1.0)
        high = farthest(lambda r: self.deviation(p, near, r, 0.0) > sure, ratio, 1.0)
        return None if low is None or high is None else Interval(ratio, low, high)

    def _quantile(self, p: float) -> float:
        at = self.count * p
        below, above = max(0, math.ceil(at) - 1), min(self.count - 1, math.floor(at))
        return float((self.calls[below] + self.calls[above]) / 2.0)

    def _quantile_alone(self, p: float) -> float:
        rising = np.unique(np.concatenate([self.alone, *(group.alone for group in self.groups)]))
        ended = self._ended(rising, self._sampled(rising, 1.0)) / self.count
        below, above = np.searchsorted(ended, p - 1e-9), np.searchsorted(ended, p + 1e-9)
        return math.inf if above >= len(rising) else float((rising[below] + rising[above]) / 2.0)

    def _worth(self, x: float, p: float) -> float:
        """Return how many calls with a known baseline would tell as much of the share that has ended by *x*."""
        spread = sum(float(each.spread()[0]) for each in self._sampled(np.array([x]), 1.0)) / self.count
        return self.count * p * (1.0 - p) / (p * (1.0 - p) + spread)

    def _near(self, p: float) -> Numbers:
        """Return the calls, shortest first, among which the *p*-quantile may be, or as many as are looked at."""
        reach, at = 1.05 * Z * math.sqrt(self.count * p * (1.0 - p)), self.count * p
        near = self.calls[max(0, math.floor(at - reach) - 1) : math.ceil(at + reach) + 1]
        near = near[near < math.inf]
        tried: Numbers = near[np.unique(np.linspace(0, len(near) - 1, MOST_TRIED).astype(int))]
        return tried

    # ── deviations ───────────────────────────────────────────────────────────────────────────────────────────────

    def _sampled(self, x: Numbers, guess: float) -> list[Sampled]:
        return [group.at(x, guess) for group in self.groups]

    def _ended(self, x: Numbers, sampled: list[Sampled]) -> Numbers:
        return counted(self.rising, x, is_rising=True) + sum(each.size * each.share for each in sampled)

    def deviation(self, p: float, q: Numbers, ratio: float, guess: float) -> float:
        """Return by how many standard deviations more baselines than calls have ended, if *ratio* is the true one.

        *q* are quantiles of the calls near *p*; *guess* is as in ``Group.at``: 1 for what speaks against a speed-up.
        """
        n, plain, sampled = self.count, p * (1.0 - p), self._sampled(ratio * q, guess)
        calls, alone = counted(self.calls, q, is_rising=True) / n, self._ended(ratio * q, sampled) / n
        both = counted(np.maximum(self.call, self.alone / ratio), q) / n
        for group, each in zip(self.groups, sampled, strict=True):
            both = both + each.size / np.maximum(each.known, 1.0) * group.both(q, ratio) / n
        shift = (p - alone) * n / np.maximum(sum(each.size for each in sampled), 1.0)
        variance = plain + sum(each.spread(shift) for each in sampled) / n
        u, v = (calls - p) * math.sqrt(n / plain), (alone - p) * np.sqrt(n / variance)
        together = plain - np.maximum(calls + alone - 2.0 * both, 0.0) / 2.0  # by those of whom one alone has ended
        slope, at = slope_of(u, v), int(np.argmin(np.abs(u + v)))
        correlation = min(1.0, float(together[at]) / math.sqrt(plain * float(np.broadcast_to(variance, u.shape)[at])))
        return float(v[at] - slope * u[at]) / math.sqrt(max(1.0 + slope * slope - 2.0 * correlation * slope, 1e-12))

    # ── calls in a row ───────────────────────────────────────────────────────────────────────────────────────────

    def _clumps(self, q: Numbers, ratio: float) -> float:
        """Return how many times more calls in a row vary together than single ones would; 1 if that may be chance."""
        size = self.count // BLOCKS
        if size < ENOUGH:
            return 1.0
        calls, alone = counted(self.calls, q, is_rising=True), self._ended(ratio * q, self._sampled(ratio * q, 1.0))
        each = self._each_alone(ratio * float(q[len(q) // 2]))
        each -= slope_of(calls, alone) * (self.given[0] <= q[len(q) // 2])
        single, blocks = float(each.var()), each[-size * BLOCKS :].reshape(BLOCKS, size).mean(axis=1)
        found = size * float(blocks.var(ddof=1)) / single if single > 0.0 else 1.0
        return found if found > CLUMPED else 1.0

    def _each_alone(self, x: float) -> Numbers:
        """Return what each call adds to the number of baselines that have ended by *x*."""
        _, alone, age = self.given
        found = np.where(alone <= x, 1.0, 0.0)
        for part, each in zip(self.parts, self._sampled(np.array([x]), 1.0), strict=True):
            weight, share = float(each.size[0]) / max(float(each.known[0]), 1.0), float(each.share[0])
            drawn = np.where(np.isnan(alone), share, share + weight * (found - share))
            found = np.where(part, np.where(age < x, drawn, 0.0), found)
        return found


def counted(values: Numbers, x: Numbers, *, is_rising: bool = False) -> Numbers:
    """Return how many *values* are at most each *x*."""
    rising = values if is_rising else np.sort(values)
    return np.searchsorted(rising, x, side="right").astype(np.float64)


def slope_of(u: Numbers, v: Numbers) -> float:
    """Return how much *v* rises with *u*, by least squares; 1 where *u* does not."""
    away = u - u.mean()
    spread = float((away * away).sum())
    return 1.0 if spread == 0.0 else float((away * v).sum()) / spread


def farthest(is_refuted: Callable[[float], bool], ratio: float, sign: float) -> float | None:
    """Return the last value from *ratio* on, upwards or (*sign* -1) downwards, that is not refuted; None: no end."""
    inside, outside, step = 0.0, NARROW, NARROW
    while not is_refuted(ratio * math.exp(sign * outside)):
        step *= 2.0
        inside, outside = outside, outside + step
        if outside > WIDE:
            return None
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2.0
        if is_refuted(ratio * math.exp(sign * middle)):
            outside = middle
        else:
            inside = middle
    return ratio * math.exp(sign * inside)
