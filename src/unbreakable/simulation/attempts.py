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

from unbreakable.simulation.manner import Kind, Manner
from unbreakable.simulation.model import FOR_EVER, POINTS, Model
from unbreakable.simulation.universes import BELOW_ONE, Universes

_LITTLE = 1e-9
_FOR_EVER = np.array([FOR_EVER])
_Begun = tuple[float, float]  # see ``_begun``
_NEVER: _Begun = (math.inf, math.inf)


class Kinds(NamedTuple):
    """Hold the kinds of attempts that are made, those with most requests beside the first one first."""

    hard: Any  # (kinds, 1): seconds after which a request is cut
    starts: Any  # (requests beside, kinds, 1): when each begins, rising; for ever if it does not
    later: Any  # the same of later attempts
    repeats: Any  # (requests beside, kinds, 1): whether it is the next attempt, and no copy
    soonest: list[float]  # when each of these begins at the earliest
    having: list[int]  # how many kinds have that request beside the first one
    numbers: dict[Kind, int]
    cut: bool  # whether any request is cut before the deadline
    quiet: float  # for how many seconds nothing happens to a request, whatever its kind

    def has(self, manner: Manner) -> bool:
        """Return whether attempts that are made in this *manner* are of one of these kinds."""
        return manner.kind in self.numbers

    def of(self, manners: Sequence[Manner]) -> Any:
        """Return the number of the kind of attempts that are made in each of these *manners*."""
        return np.array([self.numbers[manner.kind] for manner in manners])


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


def kinds_of(manners: Sequence[Manner], deadline: float) -> Kinds:
    """Return the kinds of attempts that are made in these *manners*."""
    begun = {kind: _begun(kind, deadline) for kind in dict.fromkeys([manner.kind for manner in manners])}
    kinds = sorted(begun, key=lambda kind: -len(begun[kind]))
    most = len(begun[kinds[0]])
    slots = list(zip(*[begun[kind] + [_NEVER] * (most - len(begun[kind])) for kind in kinds], strict=True))
    table = np.array(slots, np.float32).reshape(most, len(kinds), 2, 1)
    hard, soonest = [min(kind[0], deadline) for kind in kinds], [min(slot)[0] for slot in slots]
    return Kinds(
        hard=np.array(hard, np.float32)[:, None],
        starts=table[:, :, 0],
        later=table[:, :, 1],
        repeats=table[:, :, 1] > table[:, :, 0],
        soonest=soonest,
        having=[len(kinds) - slot.count(_NEVER) for slot in slots],
        numbers={kind: place for place, kind in enumerate(kinds)},
        cut=min(hard) < deadline,
        quiet=min(hard + soonest),
    )


def _begun(kind: Kind, deadline: float) -> list[_Begun]:
    """Return when requests begin beside a first one, and when beside later ones: limits double, delays do not."""
    _, copied, followed = kind
    copies = [(start, start) for start in copied if start < deadline]
    return sorted(copies + [(start, 2.0 * start) for start in followed if start < deadline])


def race(model: Model, kinds: Kinds, met: Universes, columns: int, chances: Sequence[float]) -> Races:
    """Return how each kind of attempts ends in the first so many *columns*.

    *chances* are how likely requests fail that are beside a good first attempt, a bad one, and a good later one.
    """
    good, failed, own = len(met.weights), met.failed, _alone(model, met, columns)
    at = (own > np.float32(kinds.quiet)).nonzero()[0]
    mine, hard, (bad, later) = own.take(at), kinds.hard, at.searchsorted((good, good + failed))
    best = np.empty((len(hard), len(at)), np.float32)
    best[:] = mine
    best[best > hard] = FOR_EVER
    sent, over, ends = np.zeros(best.shape, np.float32), best, best
    if kinds.cut or bad < later:  # else nobody asks when all have ended, and who has ended has won
        best[:, bad:later] = FOR_EVER
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
        if bad < later:  # what fails is repeated, late or not: ``repeats`` tells when
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


def _alone(model: Model, met: Universes, columns: int) -> Any:
    """Return how long the first request of each attempt takes in the first so many *columns*."""
    good, failed, own = len(met.weights), met.failed, np.empty(columns, np.float32)
    own[:good] = model.answers.take(met.first[:good])
    if columns > good:
        own[good : good + failed] = model.faults.take(met.faults[0, :failed])
        rest = slice(good + failed, columns)
        own[rest] = _drawn(model, met, met.luck[0, rest], rest)
        if model.slow.share:  # of a call whose attempts have failed nothing is known
            told, found = (each[rest].reshape(-1, met.pauses.shape[1])[:, :failed] for each in (met.first, own))
            found[...] = model.again.take(told)
    return own


def _starts(kinds: Kinds, slot: int, later: int, columns: int) -> Any:
    """Return when requests of that *slot* begin, a column for all where nothing differs.

    From the column *later* on they are beside later attempts.
    """
    having = kinds.having[slot]
    starts = kinds.starts[slot, :having]
    if later >= columns:
        return starts
    found = np.empty((having, columns), np.float32)
    found[:, :later], found[:, later:] = starts, kinds.later[slot, :having]
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
    well = _filled([max(1.0 - chance, _LITTLE) for chance in chances], counts)
    lengths = lasts = _drawn(model, met, luck / well, at)
    if ends:
        fails = _filled([max(chance, _LITTLE) for chance in chances], counts)
        place = np.clip((luck - well) / fails, 0, BELOW_ONE)
        lasts = np.where(luck < well, lengths, model.faults.take((place * POINTS).astype(np.intp)))
    return lengths, lasts


def _filled(values: Sequence[float], counts: Sequence[int]) -> Any:
    """Return each of the *values* so many times: as ``numpy.repeat``, which takes longer for a few long runs."""
    found, begin = np.empty(sum(counts), np.float32), 0
    for value, count in zip(values, counts, strict=True):
        found[begin : begin + count] = value
        begin += count
    return found


def _drawn(model: Model, met: Universes, place: Any, at: Any) -> Any:
    """Return the answers at these places, which never come from 1 on.

    If it is the call, or the time, that is slow, and not its first request, so are all others.
    """
    at_place = (place * np.float32(POINTS)).astype(np.intp)
    found = np.concatenate([model.quick, _FOR_EVER]).take(at_place, mode="clip")
    if model.of_slow is None:
        return found
    slowly = np.concatenate([model.slowly, _FOR_EVER]).take(at_place, mode="clip")
    first = met.first[at]
    likely = np.where(met.failing[at], model.of_slow_again.take(first), model.of_slow.take(first))
    return np.where(met.slow[at] < likely, slowly, found)
