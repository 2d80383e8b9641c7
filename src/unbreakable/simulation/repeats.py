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

from unbreakable.policies import Plan, Retry
from unbreakable.simulation.durations import Repeats
from unbreakable.simulation.model import Model
from unbreakable.simulation.universes import Universes

ONCE = Retry(1)


class Failed(NamedTuple):
    """Hold what goes on after the first attempt, a row for each kind: how likely it is, and its time by then."""

    chance: Any
    clock: Any


class Later(NamedTuple):
    """Hold how later attempts go, a row for each kind and each of its *most* repeats.

    ``sent`` are how many requests are made beside them, None for nowhere any; *late* and *over*, whether and when they
    are cut, are None where none is.
    """

    most: int
    best: Any
    sent: Any
    late: Any
    over: Any


class _Rows(NamedTuple):
    """Hold which repeats there are: the first one of every plan, then the second ones, and so on."""

    first: int  # how many there are of these, in the first rows
    plan: Any
    number: Any  # 0 for the first repeat
    again: list[tuple[slice, slice]]  # of each later number, the rows of those before them, and their own
    failures: list[tuple[int, int]]  # the plan of each, and how many attempts have failed before


@functools.lru_cache
def _rows(attempts: tuple[int, ...]) -> _Rows:
    """Return a row for each repeat of plans that make so many *attempts*, of each number first that of who has most."""
    plans = sorted(range(len(attempts)), key=lambda plan: -attempts[plan])
    having = [sum(each > number for each in attempts) for number in range(1, max(attempts))]
    begins = [0, *itertools.accumulate(having)]
    steps = zip(begins, begins[1:], having[1:], strict=False)
    failures = [(plan, number) for number, many in enumerate(having, 1) for plan in plans[:many]]
    return _Rows(
        first=having[0],
        plan=np.array([plan for plan, _ in failures]),
        number=np.array([number - 1 for _, number in failures]),
        again=[(slice(begin, begin + plans), slice(middle, middle + plans)) for begin, middle, plans in steps],
        failures=failures,
    )


def repeated(
    model: Model,
    met: Universes,
    plans: Sequence[Plan],
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
    kind, late = kind.take(rows.plan[: rows.first]), None
    start = _pauses(met, plans, rows)
    start[: rows.first] += failed.clock.take(kind, axis=0)
    start[rows.first :] += _lasts(model, met, rows, where, later)
    likely = _likely(model, start, rows)
    for before, after in rows.again:
        start[after] += start[before]
    chance = np.empty(start.shape, np.float32)
    chance[: rows.first] = failed.chance.take(kind, axis=0)
    if later.late is not None:
        goes_on = np.array([[plan.effects != "unknown"] for plan in plans]).take(rows.plan, axis=0)
        late = later.late.take(where, axis=0) & goes_on
        chance[: rows.first, met.failed :] *= goes_on[: rows.first]
    _carry(chance, likely, late, met, rows)
    chance *= (start < np.float32(deadline)).astype(np.float32)
    good = met.weights_later.take(rows.number, axis=0)
    good *= chance
    good *= 1 - likely
    start += later.best.take(where, axis=0)
    load = chance.sum(axis=1)
    if later.sent is not None:
        load += np.einsum("ij,ij->i", good, later.sent.take(where, axis=0))
    return Repeats(rows.plan, start, good, np.bincount(rows.plan, load, len(plans)))


def _pauses(met: Universes, plans: Sequence[Plan], rows: _Rows) -> Any:
    """Return the pauses before repeats, by row and column."""
    backoffs = [(plan.retry or ONCE).backoff for plan in plans]
    longest = np.array([backoffs[plan].pause(failures, 1.0) for plan, failures in rows.failures], np.float32)
    pauses = met.pauses.take(rows.number + 1, axis=0)
    if not all(each.jitter for each in backoffs):
        pauses[[not backoffs[plan].jitter for plan, _ in rows.failures]] = 1.0
    pauses *= longest[:, None]
    return pauses


def _lasts(model: Model, met: Universes, rows: _Rows, where: Any, later: Later) -> Any:
    """Return how long it takes the repeats to fail that others follow on, a row for each of these."""
    lasts = model.faults.take(met.faults[: len(rows.again) + 1]).take(rows.number[rows.first :], axis=0)
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
    ill, well, usual = trouble.fails_in_trouble, trouble.fails_well, model.failing(trouble.share)
    likely = apart * np.float32(-1.0 / trouble.memory)
    np.exp(likely, out=likely)
    likely[: rows.first] *= np.float32((ill - well) * (model.bad_after_failure - trouble.share))
    likely[: rows.first] += np.float32(usual)
    product, most = np.float32(ill * well), np.float32(ill + well - usual)
    for before, after in rows.again:
        beyond = product / likely[before]
        np.subtract(most, beyond, out=beyond)
        beyond *= likely[after]
        np.add(beyond, np.float32(usual), out=likely[after])
    if model.stubborn:
        likely *= np.float32(1.0 - model.stubborn)
        likely += np.float32(model.stubborn)
    return likely
