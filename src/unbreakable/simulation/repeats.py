"""What comes of calls whose first attempt failed: their repeats, as many as each plan makes, a row for each.

How an attempt goes does not depend on when it begins, so that is known by kind; here is when it begins, and how likely
it is that it does.  What is likely after a failure follows by Bayes's rule from the model's spells of trouble.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unbreakable.simulation.durations import Repeats
from unbreakable.simulation.manner import Manner
from unbreakable.simulation.model import Model
from unbreakable.simulation.universes import Universes


class Failed(NamedTuple):
    """Hold what goes on after the first attempt, a row for each kind: how likely it is, and its time by then."""

    chance: Any
    clock: Any


class Later(NamedTuple):
    """Hold how later attempts go, a row for each kind and each of its *most* repeats.

    ``own`` is how long answers take that nothing is beside, a row for each repeat.  ``sent`` are how many requests are
    made beside them; *late* and *over*, whether and when they are cut, are None where none is.
    """

    most: int
    own: Any
    best: Any
    sent: Any
    late: Any
    over: Any


class _Copies(NamedTuple):
    """Hold when repeats are copied, and which of those that fail are, by row and column; and how many are *good*."""

    after: Any
    sent: Any
    good: Any


class _Rows(NamedTuple):
    """Hold which repeats there are: the first one of every plan, then the second ones, and so on."""

    first: int  # how many there are of these, in the first rows
    plan: Any
    number: Any  # 0 for the first repeat
    again: list[tuple[slice, slice]]  # of each later number, the rows of those before them, and their own
    repeats: list[tuple[int, int]]  # the plan of each, and its number


@functools.lru_cache
def _rows(attempts: tuple[int, ...]) -> _Rows:
    """Return a row for each repeat of plans that make so many *attempts*, of each number first that of who has most."""
    plans = sorted(range(len(attempts)), key=lambda plan: -attempts[plan])
    having = [sum(each > number for each in attempts) for number in range(1, max(attempts))]
    begins = [0, *itertools.accumulate(having)]
    steps = zip(begins, begins[1:], having[1:], strict=False)
    repeats = [(plan, number) for number, many in enumerate(having) for plan in plans[:many]]
    return _Rows(
        first=having[0],
        plan=np.array([plan for plan, _ in repeats]),
        number=np.array([number for _, number in repeats]),
        again=[(slice(begin, begin + plans), slice(middle, middle + plans)) for begin, middle, plans in steps],
        repeats=repeats,
    )


def repeated(
    model: Model,
    met: Universes,
    manners: Sequence[Manner],
    attempts: Sequence[int],
    kind: Any,
    failed: Failed,
    later: Later,
    deadline: float,
) -> Repeats:
    """Return the repeats that are good, and how many requests all repeats make.

    *attempts* is how many each of the *plans* makes, *kind* of which kind these are.
    """
    rows = _rows(tuple(attempts))
    where = kind.take(rows.plan) * later.most + rows.number  # the rows of what is told of kinds
    kind, late, copies = kind.take(rows.plan[: rows.first]), None, _copies(model, met, manners, rows)
    lasts = _lasts(model, met, rows, where, later, copies)
    start = _apart(met, manners, rows, failed.clock.take(kind, axis=0), lasts, deadline)
    likely = _likely(model, start, rows)
    for before, after in rows.again:
        start[after] += start[before]
    chance = np.empty(start.shape, np.float32)
    chance[: rows.first] = failed.chance.take(kind, axis=0)
    if later.late is not None:
        after_cuts = np.array([[manner.goes_on] for manner in manners]).take(rows.plan, axis=0)
        late = later.late.take(where, axis=0) & after_cuts
        chance[: rows.first, met.failed :] *= after_cuts[: rows.first]
    goes_on = likely if copies is None else likely * (1 - copies.sent * copies.good)
    _carry(chance, goes_on * np.float32(1.0 - model.in_vain) if model.in_vain else goes_on, late, met, rows)
    chance *= (start < np.float32(deadline)).astype(np.float32)
    good = met.weights_later.take(rows.number, axis=0)
    good *= chance
    good *= 1 - likely
    took = later.best.take(where, axis=0)
    took += start
    sent = _sent(chance, good, later.sent.take(where, axis=0))
    found = Repeats(rows.plan, took, good, np.bincount(rows.plan, sent, len(manners)))
    if copies is None:
        return found
    copied = chance * likely * copies.sent
    saved = copied * met.weights_later.take(rows.number, axis=0) * copies.good
    start += later.own.take(rows.number, axis=0) + np.minimum(copies.after, np.float32(deadline))
    return _and(found, start, saved, np.bincount(rows.plan, copied.sum(axis=1), len(manners)))


def _sent(chance: Any, good: Any, beside: Any) -> Any:
    """Return how many requests are made in each row: attempts, and so many *beside* good ones."""
    beside *= good
    beside += chance
    return beside.sum(axis=1)


def _and(found: Repeats, took: Any, weights: Any, load: Any) -> Repeats:
    """Return what was *found* and others, a row for each of its rows."""
    plan, both = np.concatenate([found.plan, found.plan]), np.concatenate([found.took, took])
    return Repeats(plan, both, np.concatenate([found.weights, weights]), found.load + load)


def _apart(met: Universes, manners: Sequence[Manner], rows: _Rows, clock: Any, lasts: Any, deadline: float) -> Any:
    """Return how long after the attempts before them repeats begin: first ones took *clock*, later ones *lasts*."""
    start = _pauses(met, manners, rows)
    start[: rows.first] += clock
    start[rows.first :] += lasts
    soft = min([manner.followed[0] for manner in manners])
    if soft < deadline and soft < max(clock.max(), lasts.max(initial=0.0)):
        _hasten(start, np.concatenate([clock, lasts]), manners, rows, deadline)
    return start


def _copies(model: Model, met: Universes, manners: Sequence[Manner], rows: _Rows) -> _Copies | None:
    """Return which repeats that fail are copied; None where failures come sooner than any copy is sent."""
    copied = [manner.copied[0] for manner in manners]
    if model.faults.item(-1) <= min(copied):
        return None
    after = np.array(copied, np.float32).take(rows.plan)[:, None]
    lasts = model.faults.take(met.faults[: int(rows.number.max()) + 2]).take(rows.number + 1, axis=0)
    return _Copies(after, (lasts > after).astype(np.float32), np.float32(1 - model.fails_again))


def _hasten(start: Any, took: Any, manners: Sequence[Manner], rows: _Rows, deadline: float) -> None:
    """Have repeats begin when a learned limit is over, after what fails later than that, and without a pause.

    *start* says how long after the attempts before them they begin, which *took* so long; limits double each time.
    """
    limit = np.array([manner.followed[0] for manner in manners], np.float32).take(rows.plan)[:, None]
    due = limit * np.float32(2.0) ** rows.number[:, None]
    late, latest, begun = took > due, np.float32(deadline) - limit, np.zeros(start.shape, np.float32)
    for before, after in [(None, slice(rows.first)), *rows.again]:
        now = begun[before] if before is not None else np.float32(0.0)
        np.copyto(start[after], due[after], where=late[after] & (now + due[after] < latest[after]))
        begun[after] = now + start[after]


def _pauses(met: Universes, manners: Sequence[Manner], rows: _Rows) -> Any:
    """Return the pauses before repeats, by row and column."""
    longest = np.array([manners[plan].pauses[number] for plan, number in rows.repeats], np.float32)
    pauses = met.pauses.take(rows.number + 1, axis=0)
    if not all(manner.jitter for manner in manners):
        pauses[[not manners[plan].jitter for plan, _ in rows.repeats]] = 1.0
    pauses *= longest[:, None]
    return pauses


def _lasts(model: Model, met: Universes, rows: _Rows, where: Any, later: Later, copies: _Copies | None) -> Any:
    """Return how long it takes the repeats to fail that others follow on, a row for each of these."""
    lasts = model.faults.take(met.faults[: len(rows.again) + 1]).take(rows.number[rows.first :], axis=0)
    if copies is not None:
        for before, after in rows.again:
            here = lasts[after.start - rows.first : after.stop - rows.first]
            np.add(here, copies.after[before], out=here, where=copies.sent[before] > 0)
    if later.late is None:
        return lasts
    before = where[rows.first :] - 1
    return np.where(later.late.take(before, axis=0), later.over.take(before, axis=0), lasts)


def _carry(chance: Any, likely: Any, late: Any, met: Universes, rows: _Rows) -> None:
    """Set how likely each repeat is made from how likely those before it are, and fail."""
    if late is not None:  # an answer that is late is one that would have been good
        likely = likely + late * (1 - likely) * met.weights_later.take(rows.number, axis=0)
    alike = np.ndim(likely) == 0
    for before, after in rows.again:
        np.multiply(chance[before], likely if alike else likely[before], out=chance[after])


def _likely(model: Model, apart: Any, rows: _Rows) -> Any:
    """Return how likely each repeat fails that begins so many seconds *apart* from the end of the one before it.

    With b, how likely it is that a target is in trouble, attempts fail with chance f = w + (i - w) b; after a failure b
    is b i / f, and what it is beyond the usual decays with time.  Written for f alone, that is the loop below.
    """
    trouble = model.trouble
    if not trouble.share:
        return np.float32(model.stubbornly(trouble.fails_well))
    ill, well, usual = trouble.fails_in_trouble, trouble.fails_well, np.float32(model.failing(trouble.share))
    likely = apart * np.float32(-1.0 / trouble.memory)
    np.exp(likely, out=likely)
    fewer = likely[rows.first :] * np.float32(ill * well)
    likely[: rows.first] *= np.float32((ill - well) * (model.bad_after_failure - trouble.share))
    likely[rows.first :] *= np.float32(ill + well - usual)
    likely += usual
    for before, after in rows.again:
        beyond = fewer[after.start - rows.first : after.stop - rows.first]
        beyond /= likely[before]
        likely[after] -= beyond
    if model.stubborn:
        likely *= np.float32(1.0 - model.stubborn)
        likely += np.float32(model.stubborn)
    return likely
