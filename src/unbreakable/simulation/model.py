"""A learned model of one target, a digital twin: how long its answers take and how often there is none.

Attempts that were cut are not thrown away, which would make the target look faster than it is: the product-limit
estimator takes them for "longer than that" (E. Kaplan, P. Meier, "Nonparametric Estimation from Incomplete
Observations", JASA 53, 1958).  What is left over beyond the slowest answer is an answer that never comes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unbreakable.fractal.tuner import TIMEOUT_FLOOR
from unbreakable.simulation.slowness import NONE, Ended, Slowness, at_most, quick, slowness
from unbreakable.simulation.spells import Spells, spells
from unbreakable.stats import Quantile, Traffic
from unbreakable.stats.quantile import edges

FOR_EVER = np.float32(math.inf)
KNOWN, MANY = 1.0 + 1.0 / 32.0, 0.05  # times as long, which answers are not told apart by; a share that is many
POINTS = 4096  # equally likely durations that stand for a distribution
SUPPORT = 5.0  # observations beyond a quantile that it takes to believe it
NOTHING_SEEN = 0.01  # seconds that a failure is taken to need before one was seen
LIMIT = 1.5  # times p99.9: see the limits of strategies
SECOND = 1.8  # times as late as copies are sent are second ones
FEW_NEAR, MOSTLY = 20.0, 0.95  # answers next to a failure that say nothing; share of these that is slow at most
LONG_AGO = 3600.0  # seconds that trouble lasts where it comes at any time: then nothing is learned from a failure
_P = (np.arange(POINTS) + 0.5) / POINTS
_EDGES = np.array(edges())


class Model:
    """Answer what an attempt at a target is like; durations are seconds.

    ``answers`` and ``faults`` are tables of equally likely durations, ``math.inf`` for an answer that never comes.
    ``fails`` is how likely an attempt is to fail, which one that is answered by a no does not.  Where failures come in
    spells, ``trouble`` tells of these.
    ``stubborn`` is the share of failures that belong to the request: however often it is repeated, it fails.  After a
    share ``in_vain`` of those of first attempts there is no repeat, as it has turned out that none helps.
    ``slow`` says how often a call, or a time, is slow as a whole, ``slow_between`` is its band.  Then ``slowly`` are
    answers of these and ``quick`` those of others; ``of_slow`` is how likely each of ``answers`` is of the former.
    ``again`` and ``of_slow_again`` are answers, and the same of these, after a failure.
    """

    def __init__(self, traffic: Traffic) -> None:
        self.observations: int = traffic.count
        # Repeats are left out: what fails in a spell is repeated there, and would count as often as it is.
        firsts = traffic.ok.count + traffic.answered + traffic.failed.count - traffic.repeats
        failed = max(0, traffic.failed.count - traffic.repeats_failed)
        self.fails: float = min(1.0, failed / firsts) if firsts > 0 else 0.0
        self.in_vain: float = min(1.0, traffic.in_vain / failed) if failed > 0 else 0.0
        self.trouble: Spells = spells(traffic.lags, self.fails) or Spells(0.0, self.fails, self.fails, LONG_AGO)
        self._mass = _survivors(traffic.ok, traffic.cut)
        self.answers: Any = _table(self._mass)
        self.faults: Any = _table(_counts(traffic.failed)) if traffic.failed.count else _same(NOTHING_SEEN)
        self._near = _counts(traffic.near)
        slow, self._slow_between = NONE, None
        if traffic.sent.count:
            good = 1.0 - self.fails - traffic.answered / max(1, firsts)
            slow, self._slow_between = slowness(_ended(traffic, self._mass, self.fails / max(good, 1e-9), self._limit))
        self.take(slow)
        self.stubborn: float = _stubborn(traffic, self.trouble, self.fails)

    @property
    def slow_between(self) -> tuple[Slowness, Slowness]:
        """Return what slowness is likely at least and at most: none, and all that can be, where no races were seen."""
        return self._slow_between or (NONE, at_most(_cumulated(self._mass), _EDGES))

    def take(self, slow: Slowness) -> None:
        """Believe that so many calls, or times, are *slow*."""
        self.slow = slow
        self.of_slow: Any = None
        self.of_slow_again: Any = None
        self.quick = self.slowly = self.again = self.answers
        total = float(self._mass.sum())
        if slow.share and total > 0.0:
            reached = _cumulated(self._mass) / total
            share = _shares_of_slow(reached, slow)
            self._parts = self._mass * (1.0 - share), self._mass * share  # so both together are what was seen
            self.quick, self.slowly = map(_table, self._parts)
            self.of_slow = share.astype(np.float32).take(reached[1:].searchsorted(_P))
            self._take_failures(share)

    def _take_failures(self, share: Any) -> None:
        """Find how often calls, or times, are slow in which attempts fail, as *share* of the answers are, by bucket."""
        slow, quick = (
            mass / max(float(mass.sum()), 1e-12) for mass in (self._mass * share, self._mass * (1.0 - share))
        )
        seen, least, most = float(self._near.sum()), float(quick @ share), float(slow @ share)
        usual, told = self.slow.share, (float(self._near @ share) - seen * least) / max(most - least, 0.1)
        likely = min(MOSTLY, max(usual, (told + FEW_NEAR * usual) / (seen + FEW_NEAR)))
        mass = (1.0 - likely) * quick + likely * slow
        self.again = _table(mass)
        at = _cumulated(mass)[1:].searchsorted(_P)
        self.of_slow_again = (
            (likely * slow / np.maximum(mass, 1e-12)).astype(np.float32).take(np.minimum(at, len(mass) - 1))
        )

    def quantile(self, p: float) -> float:
        """Return what a share *p* of the answers does not exceed, as far as there is evidence that far out."""
        p = min(p, 1.0 - SUPPORT / max(self.observations, 2.0 * SUPPORT))
        seen = float(self.answers[min(POINTS - 1, int(p * POINTS))])
        return seen if seen < math.inf else self.slowest

    def past_many(self, seconds: float) -> float:
        """Return *seconds*, or a little more where many answers take just as long, as far as is known.

        A copy that is sent at such a moment is one for each of them.
        """
        at = np.searchsorted(self.answers, [seconds / KNOWN, seconds * KNOWN])
        return seconds * KNOWN if at[1] - at[0] > MANY * POINTS else seconds

    @property
    def hopeless(self) -> float:
        """Return which share of the calls fails whatever is done, as far as that is known."""
        return self.fails * self.in_vain

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
        """Return how likely an attempt fails that is beside one that does, after others that did."""
        return self.stubbornly(self.failing(self.bad_after_failure))

    def fails_beside(self, bad: float, *, good: bool) -> float:
        """Return how likely a request fails beside a first one, *good* or not, when that large a share is *bad*.

        The call of a good one is none of those whose requests fail whatever is done.
        """
        if not good:
            return self.in_vain + (1.0 - self.in_vain) * self.fails_again
        always = self.in_vain + (1.0 - self.in_vain) * self.stubborn
        fails = self.failing(bad)
        return fails * (1.0 - always) / max(1.0 - fails * always, 1e-9)

    def points(self) -> list[tuple[Any, Any]]:
        """Return by bucket how many of the POINTS answers are before it, and how many within, with fractions.

        Where calls are slow that is told of the others, then of these.
        """
        found = []
        for mass in self._parts if self.slow.share else [self._mass]:
            within = mass * (POINTS / mass.sum())
            within[-1] = 0.0  # those that never come
            found.append((within.cumsum() - within, within))
        return found

    @property
    def _limit(self) -> float:
        """Return after how many seconds the next attempt begins beside one that is late, by about any plan."""
        return max(TIMEOUT_FLOOR, LIMIT * self.quantile(0.999))

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


def _ended(traffic: Traffic, mass: Any, failing: float, limit: float) -> Ended:
    """Return how races between late attempts and their copies ended.

    Who wins is cut short by nobody, so what is told is how long races last: until one is back.  So many attempts are
    *failing*, in terms of those that succeed.  After *limit* seconds the next attempt begins beside them, and may end
    them: where both hang it is that one that is back.
    """
    delay = traffic.sent.value(0.5) or 0.0
    until = delay if (traffic.sent.value(1.0) or 0.0) > SECOND * delay else max(0.0, limit - delay)
    since = 1.0 - _share(_counts(traffic.failed), delay)
    return Ended(
        delay=delay,
        edges=_EDGES,
        reached=_cumulated(mass) / max(float(mass.sum()), 1e-9),
        over=_cumulated(_counts(traffic.beside) + _counts(traffic.beside_cut)),
        failing=failing * float(since),
        together=traffic.slow.value(),
        until=until,
    )


def _shares_of_slow(reached: Any, slow: Slowness) -> Any:
    """Return by bucket which share of the answers is of calls, or times, that are slow; *reached* are at its edges."""
    others, everyone = (np.diff(np.append(each, 1.0)) for each in (quick(reached, _EDGES, slow), reached))
    return np.clip(1.0 - (1.0 - slow.share) * others / np.maximum(everyone, 1e-12), 0.0, 1.0)


def _cumulated(mass: Any) -> Any:
    """Return how much mass is below each of the edges of buckets."""
    found = np.zeros(len(mass))
    np.cumsum(mass[:-1], out=found[1:])
    return found


def _share(mass: Any, seconds: Any) -> Any:
    """Return which share of a distribution, given by the mass in each bucket, is within so many *seconds*."""
    return np.interp(seconds, _EDGES, _cumulated(mass) / max(mass.sum(), 1e-9))


def _stubborn(traffic: Traffic, trouble: Spells, fails: float) -> float:
    """Return the share of failures that repeats do not help, at least, beyond what spells of trouble explain."""
    if not traffic.repeats:
        return 0.0
    expected = trouble.fails_in_trouble if trouble.share else fails
    believed = (traffic.repeats_failed + 2.0 * expected) / (traffic.repeats + 2.0)
    least = believed - math.sqrt(max(believed * (1.0 - believed), 1e-4) / (traffic.repeats + 2.0))
    return min(1.0, max(0.0, (least - expected) / max(1.0 - expected, 1e-9)))
