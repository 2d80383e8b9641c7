"""What would become of a thousand requests under each of several plans: played in the model, never on the target.

Every plan meets the same universes (common random numbers), so that differences between plans are theirs and not
luck's.  The slowest tenth of first attempts gets half of the universes, and weights undo it: the tail is where plans
differ.  An attempt is played as the policies play it: copies start while the leader is under way, each has the time
limit to itself, the first success ends the race.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unbreakable.policies import Plan
from unbreakable.simulation.model import POINTS, Model
from unbreakable.simulation.prediction import Prediction

UNIVERSES = 1_000
MOST_ATTEMPTS = 8  # later ones are not played: hardly any request lives that long
MOST_COPIES = 3  # of one attempt, the original included
TAIL, SHARE = 0.1, 0.5  # the slowest tenth of first attempts gets half of the universes
SEED = 20_131  # of the universes: the same in every process


class Universes(NamedTuple):
    """Hold uniform numbers for each attempt and copy in each universe, and how much each universe weighs."""

    places: Any  # (attempts, copies, universes): which of the model's equally likely durations
    luck: Any  # (attempts, copies, universes): whether it fails
    pauses: Any  # (attempts, universes)
    weights: Any  # (universes,)


class Columns(NamedTuple):
    """Hold the settings of the plans, a column each."""

    attempts: Any
    timeout: Any
    soft: Any
    after: Any
    copies: Any
    first: Any
    factor: Any
    most: Any
    jitter: Any
    repeats_cut: Any


def evaluate(model: Model, plans: Sequence[Plan], deadline: float) -> list[Prediction]:
    """Return what each of *plans* would do to calls that have *deadline* seconds."""
    met = universes()
    took, fine, made = _play(model, _columns(plans), met, min(deadline, 1e9))
    weights = met.weights
    load, success = made @ weights, fine @ weights
    return [
        Prediction(
            success=min(1.0, float(success[row])),
            load=max(1.0, float(load[row])),
            **_quantiles(took[row][good], weights[good]),
        )
        for row in range(len(plans))
        for good in (fine[row],)
    ]


def _play(model: Model, plan: Columns, universes: Universes, deadline: float) -> tuple[Any, Any, Any]:
    """Return for each plan and universe how long the call took, whether it succeeded, how many requests it made."""
    shape = (len(plan.attempts), len(universes.weights))
    clock, fine, made = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape)
    alive = np.ones(shape, bool)
    for number in range(min(MOST_ATTEMPTS, int(plan.attempts.max()))):
        here = np.flatnonzero(alive.any(axis=0))  # after the first attempt few universes are left
        if not here.size:
            break
        going, at = alive[:, here], clock[:, here]
        end, won, cut, requests = _attempt(model, plan, universes, number, here, deadline - at)
        late = at + end > deadline
        won &= ~late
        clock[:, here] = np.where(going, np.minimum(at + end, deadline), at)
        fine[:, here] |= going & won
        made[:, here] += np.where(going, requests, 0.0)
        pause = np.minimum(plan.most, plan.first * plan.factor**number)
        pause = pause * np.where(plan.jitter, universes.pauses[number, here], 1.0)
        again = going & ~won & ~late & (plan.attempts > number + 1) & (plan.repeats_cut | ~cut)
        again &= clock[:, here] + pause < deadline
        clock[:, here] += np.where(again, pause, 0.0)
        alive[:, here] = again
    return clock, fine, made


def _attempt(
    model: Model, plan: Columns, universes: Universes, number: int, here: Any, left: Any
) -> tuple[Any, Any, Any, Any]:
    """Return how long one attempt takes, whether it succeeds, whether it was cut, how many copies were sent."""
    fails = model.fails if number == 0 else model.fails_again
    # A learned limit doubles with every attempt, and the last one has what is left of the deadline.
    patience = np.where(plan.attempts > number + 1, plan.timeout * 2.0**number, math.inf)
    limit = np.minimum(np.where(plan.soft, patience, plan.timeout), np.maximum(left, 0.0))
    best = np.full((len(plan.attempts), len(here)), math.inf)
    last, sent = np.zeros_like(best), np.zeros_like(best)
    leader, cut = best, None
    for copy in range(min(MOST_COPIES, int(plan.copies.max()))):
        place, failed = universes.places[number, copy, here], universes.luck[number, copy, here] < fails
        length = np.where(failed, model.faults[place], model.answers[place])
        start = copy * plan.after
        going = (plan.copies > copy) & (leader > start) & (best > start) if copy else np.ones_like(best, dtype=bool)
        end = np.where(copy > 0, start, 0.0) + np.minimum(length, limit)
        best = np.minimum(best, np.where(going & ~failed & (length <= limit), end, math.inf))
        last, sent = np.maximum(last, np.where(going, end, 0.0)), sent + going
        if cut is None:
            leader, cut = end, length > limit
    won = best < math.inf
    return np.where(won, best, last), won, cut, sent


def _columns(plans: Sequence[Plan]) -> Columns:
    rows = [
        (
            1 if plan.retry is None or plan.effects == "once" else plan.retry.attempts,
            plan.limit,
            plan.timeout is not None and plan.timeout.learned,
            plan.hedge.after if plan.hedge is not None and plan.hedges else 0.0,
            1 + plan.hedge.most if plan.hedge is not None and plan.hedges else 1,
            *((0.0, 1.0, 0.0, False) if plan.retry is None else _pacing(plan)),
            plan.effects != "unknown",
        )
        for plan in plans
    ]
    return Columns(*(np.array(column)[:, None] for column in zip(*rows, strict=True)))


def _pacing(plan: Plan) -> tuple[float, float, float, bool]:
    assert plan.retry is not None  # noqa: S101 - asked for plans that repeat
    backoff = plan.retry.backoff
    return backoff.first, backoff.factor, backoff.most, backoff.jitter


def _quantiles(took: Any, weights: Any) -> dict[str, float]:
    if not took.size:
        return dict.fromkeys(("p50", "p90", "p99"), math.inf)
    rising = np.argsort(took)
    reached = np.cumsum(weights[rising])
    at = np.searchsorted(reached, np.array([0.5, 0.9, 0.99]) * reached[-1])
    values = took[rising[np.minimum(at, took.size - 1)]]
    return {name: float(value) for name, value in zip(("p50", "p90", "p99"), values, strict=True)}


@functools.cache
def universes() -> Universes:
    """Return the universes that every plan meets; making them takes some 10 ms, once."""
    dice = np.random.default_rng(SEED)
    tail = int(UNIVERSES * SHARE)
    body = UNIVERSES - tail

    def even() -> Any:
        """Return places that are spread evenly over the body and over the tail alike, in an order of their own."""
        return np.concatenate([dice.permutation((np.arange(size) + 0.5) / size) for size in (body, tail)])

    first = np.concatenate(
        [(np.arange(body) + 0.5) / body * (1.0 - TAIL), 1.0 - TAIL + (np.arange(tail) + 0.5) / tail * TAIL]
    )
    shape = (MOST_ATTEMPTS, MOST_COPIES)
    places = np.array([[even() for _ in range(shape[1])] for _ in range(shape[0])])
    places[0, 0] = first
    return Universes(
        places=(places * POINTS).astype(int),
        luck=np.array([[even() for _ in range(shape[1])] for _ in range(shape[0])]),
        pauses=dice.random((MOST_ATTEMPTS, UNIVERSES)),
        weights=np.concatenate([np.full(body, (1.0 - TAIL) / body), np.full(tail, TAIL / tail)]),
    )
