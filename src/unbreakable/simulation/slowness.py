"""Whether it is calls, or times, that are slow: how often, and how many times as long all their requests take.

Slow by nature, or all slow for a while: a copy of such a request is as slow.  That shows in how long races last between
attempts that are late and their copies, sent after d seconds: both are out after s more with the chance

    R(s) = (1 - b) S(d + s) S(s) + b S((d + s) / k) S(s / k),  divided by R(0),

if a share b of the calls takes k times as long as others, of which S(t) take longer than t.  Which b and k make the
races likeliest that were seen is looked for on a grid.  G = 1 - S follows from what is known of all attempts, which is
F(t) = (1 - b) G(t) + b G(t / k), by a series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

FEWEST = 100  # races that it takes to tell anything: what is known of F has gaps as long as they are few
PER_DOUBLING = 8  # moments that are looked at
STEPS = (7, 11, 16, 20, 24, 28, 33, 38)  # factors that are tried first, by their logarithms in such moments
SHARES = np.append(0.0, 0.003 * 1.5 ** np.arange(11))  # none first
FINER = 1.5**0.25
NEARER = FINER ** np.arange(-3, 4)  # shares beside the best one, and factors
NEXT = 2.0 ** (1.0 / PER_DOUBLING)
BESIDE = (-3, -2, -1, 0, 1, 2, 3)
EVIDENCE = 8.0  # of the logarithm of likelihood: four standard deviations, as factors and shares are chosen
LIKELY = 1.35  # the same within which nine of ten are
LEAST = 0.5  # the same of one standard deviation: the least that likely is believed
STRANGE = 0.02  # share of races that end at any moment, whatever is known
OFF = 0.01, 0.2  # by which F is missed at most, and in terms of the share: no call is slow where F has no room for it


class Slowness(NamedTuple):
    """Say that a *share* of the calls, or of the time, is slow: all their requests take so many *times* as long."""

    share: float = 0.0
    times: float = 1.0


NONE = Slowness()


class Ended(NamedTuple):
    """Hold how races ended: copies sent after *delay* seconds, how many races were over after how long.

    *reached* is how likely attempts that succeed end by each of *edges*, *over* the same number of races; *failing* is
    how likely the first attempt fails since its copy was sent, in terms of those that succeed.  So many races
    *together* tell no more than one would that came alone.  After *until* others may end a race: a second copy.
    """

    delay: float
    edges: Any
    reached: Any
    over: Any
    failing: float
    together: float = 1.0
    until: float = math.inf


def slowness(ended: Ended) -> tuple[Slowness, tuple[Slowness, Slowness]]:
    """Return the likeliest slowness, none where chance explains the races, and what is likely at least and at most."""
    if ended.over[-1] < FEWEST:
        return NONE, (NONE, at_most(ended.reached, ended.edges))
    races = _Races(ended)
    tried = races.tried(SHARES, STEPS)
    alone, best = float(tried[0, 0]), _best(tried)
    if best[0] > alone + EVIDENCE / 4.0:
        middle = round(math.log2(best[2]) * PER_DOUBLING)
        finer = races.tried(best[1] * NEARER, [middle + steps for steps in BESIDE if middle + steps > 1])
        tried = np.concatenate((tried, finer), axis=1)
        best = _best(tried)
    found, most = NONE, alone
    if best[0] >= alone + EVIDENCE:
        most = best[0]
        found = _between_weights(tried, most - LEAST * ended.together)[0]
    least, greatest = _between_weights(tried, most - LIKELY * ended.together)
    near = [Slowness(found.share * FINER**side, found.times * NEXT**side) for side in (-1, 1) if found.share]
    return found, (min(least, *near, key=_weight), max(greatest, *near, key=_weight)) if near else (least, greatest)


def _best(tried: Any) -> list[float]:
    """Return the likeliest column."""
    return tried[:, int(tried[0].argmax())].tolist()  # type: ignore[no-any-return]


def _between_weights(tried: Any, chance: float) -> tuple[Slowness, Slowness]:
    """Return the least and the greatest slowness of those that are at least as likely as *chance*."""
    _, shares, times = tried[:, tried[0] >= chance]
    weights = shares * np.log(times)
    return tuple(
        Slowness(float(shares[place]), float(times[place])) if shares[place] else NONE
        for place in (int(weights.argmin()), int(weights.argmax()))
    )  # type: ignore[return-value]


def _weight(slow: Slowness) -> float:
    return slow.share * math.log(slow.times)


def at_most(reached: Any, edges: Any) -> Slowness:
    """Return what is possible where no copies were seen: that all that are slow are of slow calls.

    *reached* is how likely, in any unit, attempts that succeed end by each of *edges*.
    """
    median, slow = np.interp((0.5, 0.975), reached / max(float(reached[-1]), 1e-9), edges)
    return Slowness(0.05, max(1.0, float(slow / median)))


def quick(reached: Any, edges: Any, slow: Slowness) -> Any:
    """Return how likely requests of other calls end by each of *edges*, of which all *reached* are so many."""
    found, term, times = np.zeros(len(edges)), 1.0 / (1.0 - slow.share), 1.0
    while abs(term) > 1e-3 and times < 1e6:
        found += term * np.interp(edges / times, edges, reached)
        term, times = -term * slow.share / (1.0 - slow.share), times * slow.times
    return np.maximum.accumulate(np.clip(found, 0.0, 1.0))


class _Races:
    """Tell how likely the races are that were seen; moments are evenly spread by their logarithms."""

    def __init__(self, ended: Ended) -> None:
        edges, used = ended.edges, np.flatnonzero(np.diff(ended.reached) + np.diff(ended.over))
        self.first, last = float(edges[used[0]]), float(edges[used[-1] + 1])
        self.count = math.ceil(PER_DOUBLING * math.log2(last / self.first)) + 2
        self.moments = self.first * 2.0 ** (np.arange(self.count) / PER_DOUBLING)
        self.reached = np.interp(self.moments, edges, ended.reached)
        over = np.diff(np.interp(self.moments, edges, ended.over))
        told = max(1, min(len(over), int(self.moments.searchsorted(ended.until))))
        # The last of these is, where others may end a race: it is not over by then, nor perhaps ever.
        self.has_never = told < len(over)
        self.over = np.append(over[: told - 1], over[told - 1 :].sum())
        self.failing = ended.failing
        ages = np.append(ended.delay + self.moments, ended.delay)  # of first attempts, the last when copies are sent
        self.places = PER_DOUBLING * np.log2(ages / self.first)

    def tried(self, shares: Any, steps: Sequence[int]) -> Any:
        """Return columns: how likely the races are if such *shares* of calls take 2 ** (*steps* / 8) as long."""
        steps = [each for each in steps if each < self.count]
        if not steps:  # no answer takes so much longer than another: none is slow
            shares, steps = shares[:1], STEPS[:1]
        found = self.likelihood(shares, steps)
        times = 2.0 ** (np.array(steps) / PER_DOUBLING)
        return np.stack((found, *np.broadcast_arrays(shares, times[:, None]))).reshape(3, -1)

    def likelihood(self, shares: Any, steps: Sequence[int]) -> Any:
        """Return the logarithm of the same: a row for each of the *steps*, a column for each of the *shares*."""
        shares = shares[:, None]
        quick, missed = self._quick(shares, steps)
        late = 1.0 - quick
        slow, slowly = np.ones(late.shape), np.empty((*late.shape[:2], self.count + 1))
        for place, each in enumerate(steps):
            slow[place, :, each:] = late[place, :, : max(0, self.count - each)]
            slowly[place] = _between(late[place], *self._at(self.places - each))
        out = (1.0 - shares) * (_between(late, *self._at(self.places)) + self.failing)
        out[..., :-1] *= late
        slowly = shares * (slowly + self.failing)
        slowly[..., :-1] *= slow
        out += slowly
        out, begin = out[..., :-1], out[..., -1:]
        ends = np.maximum(out[..., :-1] - out[..., 1:], 0.0) / np.maximum(begin, 1e-9)
        last = len(self.over) - 1
        ends[..., last] = 1.0 - ends[..., :last].sum(axis=-1) if self.has_never else ends[..., last:].sum(axis=-1)
        ends = np.maximum(ends[..., : last + 1], 0.0)
        ends *= (1.0 - STRANGE) / np.maximum(ends.sum(axis=-1, keepdims=True), 1e-9)
        ends += STRANGE / len(self.over)
        return np.where(missed <= OFF[0] + OFF[1] * shares[:, 0], np.log(ends) @ self.over, -math.inf)

    def _quick(self, shares: Any, steps: Sequence[int]) -> tuple[Any, Any]:
        """Return how likely requests of other calls end by each moment, and by how much F is missed then."""
        odds, found = shares / (1.0 - shares), np.empty((len(steps), len(shares), self.count))
        found[...] = (1.0 + odds) * self.reached
        for each, rows in zip(steps, found, strict=True):
            for begin in range(each, self.count, each):
                now = rows[:, begin : begin + each]
                now -= odds * rows[:, begin - each :][:, : now.shape[1]]
        found = np.minimum(np.maximum(np.maximum.accumulate(found, axis=-1), 0.0), 1.0)
        back = (1.0 - shares) * found
        for each, rows, own in zip(steps, found, back, strict=True):
            own[:, each:] += shares * rows[:, : max(0, self.count - each)]
        return found, np.abs(back - self.reached).max(axis=-1)

    def _at(self, places: Any) -> tuple[Any, Any]:
        """Return between which moments these *places* are, and how far after the first of these."""
        place = np.minimum(np.maximum(places, 0.0), self.count - 1.001)
        begin = place.astype(np.intp)
        return begin, place - begin


def _between(rows: Any, begin: Any, part: Any) -> Any:
    return rows.take(begin, axis=-1) * (1.0 - part) + rows.take(begin + 1, axis=-1) * part
