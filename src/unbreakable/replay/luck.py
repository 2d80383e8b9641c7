"""What becomes of each attempt that is played: what was recorded of it, else what became of others like it.

The n-th attempt of a call has what was recorded of the n-th attempt of that call, where it was made and has ended.  One
that was not made, or was cut, is drawn from first attempts that were made near it in time, by the product-limit
estimate (E. Kaplan and P. Meier, 1958), so that those that were cut count for as long as they were seen; one that was
cut takes longer than it was let.  The chance is that of the attempt: the same under all settings that are compared.

What has failed fails more often than others near it in time, where the request itself is at fault: by how much is
learned from recorded repeats (see ``tilts``).  What is beside an attempt that is late is drawn from others of which
that was so.  What was cut after longer than any took that ended is not known: by ``hopeful`` luck it ends as the rest
of its like would if the tail were exponential (B. Brown, M. Hollander and R. Korwar, 1974), by other luck never.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from unbreakable.observe.calls import Call, Ended, Tried
from unbreakable.replay.nearness import nearness
from unbreakable.replay.tilt import tilts

NEAR = 64  # attempts beside a late one from which one is drawn
ENOUGH = 30  # recorded ones beside a late one, to be drawn from
BESIDE = -1  # the situation of an attempt beside another one that is late; else it is the number of failures before
NEVER = 86_400.0  # seconds that an attempt takes which never ends


class Seen(NamedTuple):
    """An attempt that was recorded: when, in which call, how long it was seen, and how it ended, unless it was cut."""

    at: float
    call: int
    seconds: float
    was_cut: bool
    failure: Ended | None


class Luck:
    """Know what becomes of the attempts of *calls*; *seed* and *hopeful* are what is not known of them."""

    def __init__(self, calls: Sequence[Call], seed: int, *, hopeful: bool = False) -> None:
        self.drawn: Counter[str] = Counter()
        self._seed, self._hopeful = seed, hopeful
        self._recorded = {
            (number, tried.attempt, tried.copy): tried for number, call in enumerate(calls) for tried in call.attempts
        }
        made: dict[int, list[Seen]] = {}
        for number, call in enumerate(calls):
            for tried in call.attempts:
                seen = Seen(call.began + tried.began, number, tried.seconds, tried.was_cut, tried.failure)
                made.setdefault(situation_of(tried, call.attempts), []).append(seen)
        pools = {situation: sorted(pool, key=lambda seen: seen.at) for situation, pool in made.items()}
        self._first, beside = pools.get(0, []), pools.get(BESIDE, [])
        self._beside = beside if len(beside) >= ENOUGH else []
        self._size = nearness(self._first)
        again = {
            failed: [(seen, self._near(seen.at, seen.call)) for seen in pools[failed]] for failed in pools if failed > 0
        }
        self._tilts = tilts(again)

    def of(self, call: int, attempt: int, copy: int, at: float, situation: int) -> tuple[float, Ended | None]:
        """Return how many seconds an attempt takes that begins *at* a moment of the trace, and how it fails, if so."""
        recorded = self._recorded.get((call, attempt, copy))
        if recorded is not None and not recorded.was_cut:
            self.drawn["recorded"] += 1
            return recorded.seconds, recorded.failure
        pool, size, weight = self._like(situation)
        longer_than, u = -1.0 if recorded is None else recorded.seconds, chance(self._seed, call, attempt, copy)
        while True:
            near = around(pool, at, size, call)
            ended, u = draw(near, longer_than, u, weight)
            if ended is not None:
                return ended.seconds, ended.failure
            longer_than = max([longer_than, *(seen.seconds for seen in near if not seen.was_cut)])
            if size >= 2 * len(pool):
                return self._beyond(pool, longer_than, u), None
            size *= 4

    def _near(self, at: float, call: int) -> list[Seen]:
        return around(self._first, at, self._size, call)

    def _like(self, situation: int) -> tuple[list[Seen], int, float]:
        """Return from what an attempt in that situation is drawn, from how many, and how much failed ones weigh."""
        if situation == BESIDE:
            self.drawn["beside, seen" if self._beside else "beside, assumed"] += 1
            return (self._beside, NEAR, 1.0) if self._beside else (self._first, self._size, 1.0)
        if situation == 0:
            return self._first, self._size, 1.0
        tilt, is_seen = self._tilts.after(situation)
        self.drawn["again, seen" if is_seen else "again, assumed"] += 1
        return self._first, self._size, math.exp(tilt)

    def _beyond(self, pool: Sequence[Seen], longer_than: float, u: float) -> float:
        """Return how many seconds an attempt takes that takes *longer_than* any that ended."""
        self.drawn["beyond"] += 1
        ended = [seen.seconds for seen in pool if not seen.was_cut]
        left = share_left(pool)
        if not (self._hopeful and ended and 0.0 < left < 1.0):
            return NEVER
        return min(NEVER, longer_than + max(ended) / -math.log(left) * -math.log1p(-u))


def situation_of(tried: Tried, attempts: Sequence[Tried]) -> int:
    """Return after how many failures an attempt was made, or that it was made BESIDE one that was late."""
    others = [each for each in attempts if each is not tried and each.began <= tried.began]
    ended = [each for each in others if each.began + each.seconds <= tried.began and not each.was_cut]
    is_beside = tried.copy > 0 or (tried.attempt > 1 and len(ended) < len(others))
    return BESIDE if is_beside else sum(each.failure is not None for each in ended)


def around(pool: Sequence[Seen], at: float, size: int, call: int) -> list[Seen]:
    """Return the *size* attempts of *pool* nearest to a moment, by their order, without those of *call* itself.

    Its own say that it was that one which failed, or was slow: a call would be thought to fail together with itself.
    """
    middle = bisect_left(pool, at, key=lambda seen: seen.at)
    first = max(0, min(middle - size // 2, len(pool) - size))
    return [seen for seen in pool[first : first + size] if seen.call != call]


def draw(near: Sequence[Seen], longer_than: float, u: float, weight: float = 1.0) -> tuple[Seen | None, float]:
    """Return one of *near* that took *longer_than* so many seconds, by the chance *u*, or None and what is left of it.

    None: it takes longer than any of these that ended.  One that failed counts as *weight* others.

    >>> seen = [Seen(0.0, n, float(n), False, None) for n in range(1, 5)]
    >>> draw(seen, 2.0, 0.4)[0].seconds, draw(seen, 4.0, 0.4)
    (3.0, (None, 0.4))
    """
    order = sorted((seen for seen in near if seen.seconds > longer_than), key=lambda seen: (seen.seconds, seen.was_cut))
    weights = [1.0 if seen.failure is None else weight for seen in order]
    left, at_risk = 1.0, math.fsum(weights)  # the share that takes longer, and what of it was seen to
    for seen, own in zip(order, weights, strict=True):
        if not seen.was_cut:
            left *= max(0.0, 1.0 - own / at_risk) if seen is not order[-1] else 0.0
            if u < 1.0 - left:
                return seen, u
        at_risk -= own
    return None, 1.0 - (1.0 - u) / left


def share_left(pool: Sequence[Seen]) -> float:
    """Return what share took longer than any that ended."""
    left, order = 1.0, sorted(pool, key=lambda seen: (seen.seconds, seen.was_cut))
    for place, seen in enumerate(order):
        left *= 1.0 if seen.was_cut else 1.0 - 1.0 / (len(order) - place)
    return left


def chance(*numbers: int) -> float:
    """Return a number in [0, 1) that hangs on *numbers* alone (G. Steele and others, SplitMix, 2014)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return math.ldexp(state >> 11, -53)
