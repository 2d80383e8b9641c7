"""One attempt with all that runs beside it, played as the policies play it, once for all plans that make it alike.

Copies start while the first request is under way, each has the time limit to itself, the first success ends the race; a
learned limit lets the next attempt begin beside the one that is late.  Most attempts are over before anything could
happen to them: only the others are played.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unbreakable.policies import Plan, Retry
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.simulation.model import FOR_EVER, POINTS, Model
from unbreakable.simulation.universes import BELOW_ONE, LATER, MOST_COPIES, Universes

ONCE = Retry(1)  # the settings of repeats where there are none
_LITTLE = np.float32(1e-9)


class Kinds(NamedTuple):
    """Hold the kinds of attempts that plans make, those with most requests beside the first one first."""

    hard: Any  # (kinds, 1): seconds after which a request is cut
    starts: Any  # (requests beside, kinds, 1): when each begins, rising; for ever if it does not
    repeats: Any  # (requests beside, kinds, 1): whether it is the next attempt, and no copy
    doubles: list[bool]  # whether any of them is, for each request beside
    soonest: list[float]  # when each of these begins at the earliest
    having: list[int]  # how many kinds have that request beside the first one
    deadline: float
    numbers: dict[tuple[Any, ...], int]  # by ``_kind``
    sorts: dict[tuple[Any, ...], int]  # the same of each sort of plan that was seen, see ``_sort``
    cut: bool  # whether any request is cut before the deadline
    quiet: float  # for how many seconds nothing happens to a request, whatever its kind

    def has(self, plan: Plan) -> bool:
        """Return whether attempts under *plan* are of one of these kinds."""
        return _sort(plan) in self.sorts or _kind(plan, self.deadline) in self.numbers

    def of(self, plans: Sequence[Plan]) -> Any:
        """Return the number of each plan's kind."""
        return np.array([self.number(plan) for plan in plans])

    def number(self, plan: Plan) -> int:
        """Return the number of the kind of attempts under *plan*."""
        known = self.sorts.get(_sort(plan))
        return self.numbers[_kind(plan, self.deadline)] if known is None else known


class Races(NamedTuple):
    """Hold how attempts end; *at* are the columns of those to which something may happen, a row for each kind.

    ``best`` is when the first good answer comes, ``sent`` how many requests were made beside the first one, ``over``
    when all have ended.  The other columns are as long as their ``own`` request.
    """

    own: Any
    at: Any
    best: Any
    sent: Any
    over: Any


def kinds_of(plans: Sequence[Plan], deadline: float) -> Kinds:
    """Return the kinds of attempts that *plans* make."""
    found = {_sort(plan): plan for plan in plans}
    of_sort = {sort: _kind(plan, deadline) for sort, plan in found.items()}
    kinds = sorted(dict.fromkeys(of_sort.values()), key=lambda kind: -len(kind[1]))
    number = {kind: place for place, kind in enumerate(kinds)}
    slots = range(len(kinds[0][1]))
    begun = [[times[slot] if len(times) > slot else (math.inf, False) for _, times in kinds] for slot in slots]
    starts = [[start for start, _ in row] for row in begun]
    soonest, hardest = [min(each) for each in starts], min([hard for hard, _ in kinds])
    return Kinds(
        hard=np.array([[hard] for hard, _ in kinds], np.float32),
        starts=np.array(starts, np.float32)[..., None],
        repeats=np.array([[is_repeat for _, is_repeat in row] for row in begun], bool)[..., None],
        doubles=[any(is_repeat for _, is_repeat in row) for row in begun],
        soonest=soonest,
        having=[sum([len(times) > slot for _, times in kinds]) for slot in slots],
        deadline=deadline,
        numbers=number,
        sorts={sort: number[kind] for sort, kind in of_sort.items()},
        cut=hardest < deadline,
        quiet=min([hardest, *soonest]),
    )


def _sort(plan: Plan) -> tuple[Any, ...]:
    """Return what is the same of plans whose attempts are of one kind: the very same policies, and who may follow."""
    return id(plan.timeout), id(plan.hedge), plan.effects, min(LATER, attempts_of(plan) - 1)


def _kind(plan: Plan, deadline: float) -> tuple[float, tuple[tuple[float, bool], ...]]:
    """Return when a request is cut, and when those beside the first one begin, each with whether it is a repeat."""
    soft, copied = soft_limit(plan), first_copy(plan)
    hard = plan.timeout.seconds if plan.timeout is not None and soft == math.inf else deadline
    starts = list[tuple[float, bool]]()
    if plan.hedge is not None:
        starts += [(number * copied, False) for number in range(1, min(MOST_COPIES, 1 + plan.hedge.most))]
    if soft < deadline:
        starts += [(soft * (2**number - 1), True) for number in range(1, 1 + min(LATER, attempts_of(plan) - 1))]
    return min(hard, deadline), tuple(sorted([start for start in starts if start[0] < deadline]))


def soft_limit(plan: Plan) -> float:
    """Return after how many seconds the next attempt begins beside a late first one; infinite if none does."""
    limit = plan.timeout
    return limit.seconds if limit is not None and limit.learned and may_run_twice_at_once(plan.effects) else math.inf


def first_copy(plan: Plan) -> float:
    """Return after how many seconds a request is copied first; infinite if it is not."""
    return plan.hedge.after if plan.hedge is not None and may_run_twice_at_once(plan.effects) else math.inf


def attempts_of(plan: Plan) -> int:
    """Return how many attempts *plan* makes at most."""
    return 1 if plan.retry is None or plan.effects == "once" else plan.retry.attempts


def race(model: Model, kinds: Kinds, met: Universes, columns: int, chances: Sequence[float]) -> Races:
    """Return how each kind of attempts ends in the first so many *columns*.

    *chances* are how likely requests fail that are beside a good first attempt, a bad one, and a good later one.
    """
    good, failed = len(met.weights), met.failed
    own = np.empty(columns, np.float32)
    own[:good] = model.answers.take(met.first[:good])
    if columns > good:
        own[good : good + failed] = model.faults.take(met.faults[0, :failed])
        rest = slice(good + failed, columns)
        own[rest] = _drawn(model, met, met.luck[0, rest], rest)
    at = (own > np.float32(kinds.quiet)).nonzero()[0]
    mine, hard, (bad, later) = own.take(at), kinds.hard, at.searchsorted((good, good + failed))
    best = np.empty((len(hard), len(at)), np.float32)
    best[:] = np.where(mine <= (hard if kinds.cut else hard[0]), mine, FOR_EVER)
    best[:, bad:later] = FOR_EVER
    sent, over, ends = np.zeros(best.shape, np.float32), best, best
    if kinds.cut or bad < later:  # else nobody asks when all have ended, and who has ended has won
        over = np.minimum(mine, hard)
        ends = over.copy()
    told = slice(None) if kinds.cut else slice(bad, later)
    counts = (bad, later - bad, len(at) - later)
    longest = float(mine.max(initial=0.0))
    slots = sum([soonest < longest for soonest in kinds.soonest])  # nobody is under way when later ones begin
    lengths, lasts = _beside(model, met, at, slots, chances, counts, ends=ends is not best)
    for slot, having in enumerate(kinds.having[:slots]):
        start, length, last = _starts(kinds, slot, later, len(at)), lengths[slot], lasts[slot]
        going = ends[:having] > start
        if bad < later and kinds.doubles[slot]:  # what fails is repeated, late or not: ``repeats`` tells when
            going[:, bad:later] &= (best[:having, bad:later] < FOR_EVER) | ~kinds.repeats[slot, :having]
        sent[:having] += going
        if ends is not best:
            late = np.maximum(over[:having], start + np.minimum(last, hard[:having]))[:, told]
            over[:having, told] = np.where(going[:, told], late, over[:having, told])
            going &= length <= hard[:having]
            won = np.where(going, start + length, FOR_EVER)
            np.minimum(ends[:having], won, out=ends[:having])
        else:
            won = start + length  # that is later than the best, too, where it does not begin
        np.minimum(best[:having], won, out=best[:having])
    return Races(own, at, best, sent, over)


def _starts(kinds: Kinds, slot: int, later: int, columns: int) -> Any:
    """Return when requests of that *slot* begin, a column for all where nothing differs.

    Limits double with each attempt: in the columns from *later* on there is at least the second one.
    """
    having = kinds.having[slot]
    starts, repeats = kinds.starts[slot, :having], kinds.repeats[slot, :having]
    if later >= columns or not kinds.doubles[slot]:
        return starts
    found = np.empty((having, columns), np.float32)
    found[:, :later] = starts
    found[:, later:] = np.where(repeats, 2 * starts, starts)
    return found


def _beside(
    model: Model,
    met: Universes,
    at: Any,
    slots: int,
    chances: Sequence[float],
    counts: tuple[int, int, int],
    *,
    ends: bool,
) -> tuple[Any, Any]:
    """Return when good answers come to requests beside others, and when each *ends*; the unluckiest ones fail."""
    luck = met.luck[1 : 1 + slots].take(at, axis=1)
    if not any(chances):
        lengths = _drawn(model, met, luck, at)
        return lengths, lengths
    fails = _filled(chances, counts)
    place = luck / np.maximum(1 - fails, _LITTLE)
    bad = place >= 1
    lasts = _drawn(model, met, np.minimum(place, BELOW_ONE), at)
    lengths = np.where(bad, FOR_EVER, lasts)
    if ends:
        place = np.clip((luck - (1 - fails)) / np.maximum(fails, _LITTLE), 0, BELOW_ONE)
        lasts = np.where(bad, model.faults.take((place * POINTS).astype(np.intp)), lasts)
    return lengths, lasts


def _filled(values: Sequence[float], counts: Sequence[int]) -> Any:
    """Return each of the *values* so many times: as ``numpy.repeat``, which takes longer for a few long runs."""
    found, begin = np.empty(sum(counts), np.float32), 0
    for value, count in zip(values, counts, strict=True):
        found[begin : begin + count] = value
        begin += count
    return found


def _drawn(model: Model, met: Universes, place: Any, at: Any) -> Any:
    """Return the answers at these places; the requests of one call tend to be of the same sort as its first one."""
    if model.alike:
        place = np.minimum(_of_a_sort(model, place, met.first[at]), BELOW_ONE)
    return model.answers.take((place * np.float32(POINTS)).astype(np.intp))


def _of_a_sort(model: Model, place: Any, first: Any) -> Any:
    """Return where a request is among the durations that is of its first one's sort, slow or not, that often.

    What is at a *place* among those of a mixture of both sorts, each evenly spread, is found by its cumulated shares.
    It is a call that is slow, or a time, so of further copies, in further rows, more is known: that the one before them
    is as late as the first.
    """
    border, slow = model.slow_from, first >= model.slow_from * POINTS
    alike: Any = model.alike
    if place.ndim > 1 and len(place) > 1:
        by_chance = np.where(slow, 1.0 - border, border)
        alike = np.repeat(alike / (alike + (1.0 - alike) * by_chance)[None], len(place), axis=0)
        alike[0] = model.alike
    any_sort = 1.0 - alike
    below = np.where(slow, any_sort, any_sort + alike / border)  # how dense they are among the fast ones
    above = np.where(slow, any_sort + alike / (1.0 - border), any_sort)
    fast = np.minimum(place, below * border)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, fast / below, border) + np.nan_to_num((place - fast) / above)
