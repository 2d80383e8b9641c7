"""What would become of a thousand requests under each of several plans: played in the model, never on the target.

Every plan meets the same universes (common random numbers), so that differences between plans are theirs and not
luck's.  Whether an attempt fails is not left to luck: both ends are played on, each with the weight of its chance
(conditional Monte Carlo), so that a thousand universes tell one failure in a million calls.  What is likely after a
failure follows by Bayes's rule from the model's spells of trouble.  An attempt is played as the policies play it:
copies start while the first is under way, each has the time limit to itself, the first success ends the race; a learned
limit lets the next attempt begin beside the one that is late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unbreakable.policies import Plan
from unbreakable.simulation.model import FOR_EVER, POINTS, Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.universes import LATER, MOST_ATTEMPTS, MOST_COPIES, UNIVERSES, Luck, Universes, universes

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
FINE = 5  # bits: 32 buckets to each doubling of a duration
LOWEST, HIGHEST = -17, 15  # powers of two, in seconds
LONG = 1e9  # seconds: no deadline


class Columns(NamedTuple):
    """Hold the settings of the plans, a column each."""

    attempts: Any
    timeout: Any
    soft: Any
    after: Any
    copies: Any
    share: Any
    first: Any
    factor: Any
    most: Any
    jitter: Any
    repeats_cut: Any


class Ends(NamedTuple):
    """Hold how calls end well: after how many seconds, and with which weight; a row for each plan."""

    took: Any
    weights: Any


def evaluate(model: Model, plans: Sequence[Plan], deadline: float, count: int = UNIVERSES) -> list[Prediction]:
    """Return what each of *plans* would do to calls that have *deadline* seconds, played in *count* universes."""
    ends, load = _play(model, _columns(plans), universes(count), np.float32(min(deadline, LONG)))
    success, quantiles = _summary(ends)
    return [
        Prediction(
            success=min(1.0, float(good)), load=max(1.0, float(requests)), **dict(zip(QUANTILES, row, strict=True))
        )
        for good, requests, row in zip(success, load, quantiles.tolist(), strict=True)
    ]


# ── playing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _play(model: Model, plan: Columns, met: Universes, deadline: Any) -> tuple[list[Ends], Any]:
    """Return how calls end well under each plan, and how many requests each makes."""
    hard = np.minimum(np.where(plan.soft, FOR_EVER, plan.timeout), deadline)
    first = model.answers[(met.first * POINTS).astype(np.intp)]
    slow, trouble = met.first >= model.slow_from, model.trouble
    beside = trouble.fails_well + (trouble.fails_in_trouble - trouble.fails_well) * trouble.share  # those of a good one
    best, sent, _ = _race(model, plan, first, met.beside, hard, likely=np.float32(beside), slow=slow, rising=True)
    fine = 1.0 - model.fails
    ends = [_within(best, met.weights * np.float32(fine), deadline)]
    load = fine * (sent @ met.weights)
    if model.fails or (hard < deadline).any():
        more, requests = _after_failures(model, plan, met, deadline, hard, best[:, met.quarter])
        ends, load = ends + more, load + requests
    return ends, load


def _race(
    model: Model,
    plan: Columns,
    first: Any,
    luck: Luck,
    hard: Any,
    *,
    likely: Any,
    slow: Any,
    rising: bool = False,
    lost: bool = False,
) -> tuple[Any, Any, Any]:
    """Return when an attempt or one beside it succeeds, how many were sent, and when all have ended without success.

    *first* is how long its own answer takes, or until it fails, if it is *lost*; *likely* is how often those beside it
    fail; *slow* says where the call is of the slow sort.  Where *first* is *rising* nobody asks when all have ended.
    """
    alone = np.minimum(first, hard)
    best = np.where(first <= hard, first, FOR_EVER) if not lost else np.full(alone.shape, FOR_EVER)
    sent, over = np.ones(best.shape, np.float32), alone
    copies = min(MOST_COPIES, int(plan.copies.max()))
    for number, (start, may) in enumerate(_beside(plan, hard, copies, len(luck.place))):
        least = start[may].min() if may.any() else FOR_EVER
        here = slice(
            int(np.searchsorted(first, least, "right")) if rising else 0 if least < FOR_EVER else len(slow), None
        )
        if here.start == len(slow):
            continue
        had, limit = best[:, here], hard if hard.shape[1] == 1 else hard[:, here]
        going = (np.minimum(had, alone[:, here]) > start) & may
        if number < copies - 1:
            going &= luck.sent[number, here] < plan.share
        length, chance = _drawn(model, luck, number, slow, here), likely if likely.ndim == 0 else likely[:, here]
        won = going & (luck.fails[number, here] >= chance) & (length <= limit)
        best[:, here] = np.where(won, np.minimum(had, start + length), had)
        sent[:, here] += going
        if not rising:
            over = np.where(going, np.maximum(over, start + np.minimum(length, limit)), over)
    return best, sent, over


def _beside(plan: Columns, hard: Any, copies: int, most: int) -> list[tuple[Any, Any]]:
    """Return when each request beside the first one begins, and under which plans there is one."""
    found = [(plan.after * np.float32(number), plan.copies > number) for number in range(1, copies)]
    if plan.soft.any():
        found += [
            (plan.timeout * np.float32(2.0**number - 1.0), plan.soft & (plan.attempts > number))
            for number in range(1, 1 + LATER)
        ]
    return found[:most]


def _drawn(model: Model, luck: Luck, number: int, slow: Any, here: Any = slice(None)) -> Any:
    """Return how long that request's answer takes, *here*; requests of one call tend to be of the same sort."""
    place = luck.place[number, here]
    if model.alike:
        border = np.float32(model.slow_from)
        same = np.where(slow[here], border + (1 - border) * place, border * place)
        place = np.where(luck.alike[number, here] < model.alike, same, place)
    return model.answers[(place * POINTS).astype(np.intp)]


def _after_failures(
    model: Model, plan: Columns, met: Universes, deadline: Any, hard: Any, best: Any
) -> tuple[list[Ends], Any]:
    """Return how calls end well whose first attempt failed, or was cut (it is not the *best*), and their requests."""
    weights, place = met.weights_of_quarter, met.first[met.quarter]
    slow, memory = place >= model.slow_from, np.float32(model.trouble.memory)
    share, well, ill = (np.float32(each) for each in model.trouble[:3])
    bad, began = share * ill / np.maximum(np.float32(model.fails), np.float32(1e-9)), np.float32(0.0)
    cut = (best == FOR_EVER) & (hard < deadline)
    chance = np.where(cut, np.float32(1.0), np.float32(model.fails)) * weights
    clock = np.where(cut, hard, model.faults[(met.faults[0] * POINTS).astype(np.intp)])
    load, ends = np.full(plan.attempts.shape[0], model.fails), []
    if (clock > np.where(plan.copies > 1, plan.after, FOR_EVER)).any():
        beside = Luck(*(rows[:, met.quarter] for rows in met.beside))
        likely = np.where(cut, well + (ill - well) * share, _stubbornly(model, well + (ill - well) * bad))
        won, sent, clock = _race(model, plan, clock, beside, hard, likely=likely, slow=slow, lost=True)
        ends.append(_within(won, np.where(cut, np.float32(0.0), chance), deadline))
        load = load + (np.where(cut, np.float32(0.0), chance) * (sent - 1)).sum(axis=1)
        chance = np.where(won < FOR_EVER, np.float32(0.0), chance)
    goes_on = np.where(cut, plan.repeats_cut, True)
    for number in range(1, min(MOST_ATTEMPTS, int(plan.attempts.max()))):
        pause = np.minimum(plan.most, plan.first * plan.factor ** np.float32(number - 1))
        start = clock + np.where(plan.jitter, pause * met.pauses[number], pause)
        alive = goes_on & (plan.attempts > number) & (start < deadline) & (chance > 0)
        chance = np.where(alive, chance, np.float32(0.0))
        if not alive.any():
            break
        bad = share + (bad - share) * np.exp(np.minimum(began - start, 0) / memory)
        fails = well + (ill - well) * bad
        likely = _stubbornly(model, fails)
        luck, left = met.after[number - 1], np.maximum(np.minimum(hard, deadline - start), 0)
        answer = _drawn(model, luck, 0, slow)
        took, sent, over = _race(model, plan, answer, _others(luck), left, likely=fails, slow=slow)
        ends.append(_within(start + took, chance * (1 - likely), deadline))
        load = load + (chance * (1 + (1 - likely) * (sent - 1))).sum(axis=1)
        late = took == FOR_EVER
        chance = chance * np.where(late, np.float32(1.0), likely)
        clock = start + np.where(late, over, model.faults[(met.faults[number] * POINTS).astype(np.intp)])
        goes_on = alive & np.where(late, plan.repeats_cut, True)
        bad, began = bad * ill / np.maximum(fails, np.float32(1e-9)), start
    return ends, load


def _stubbornly(model: Model, fails: Any) -> Any:
    """Return how likely a request fails that follows one that did, or is beside it."""
    return np.float32(model.stubborn) + (1 - np.float32(model.stubborn)) * fails


def _others(luck: Luck) -> Luck:
    return Luck(*(rows[1:] for rows in luck))


def _within(took: Any, weights: Any, deadline: Any) -> Ends:
    return Ends(took, np.where(took <= deadline, weights, np.float32(0.0)))


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _summary(ends: list[Ends]) -> tuple[Any, Any]:
    """Return the share of successes under each plan, and the quantiles of their durations.

    The durations are counted in buckets cut from the bits of a float, as in ``stats.Quantile``, only finer.
    """
    took = np.ascontiguousarray(np.concatenate([end.took for end in ends], axis=1), np.float32)
    weights = np.concatenate([end.weights for end in ends], axis=1)
    rows, size = len(took), (HIGHEST - LOWEST) << FINE
    lowest = (127 + LOWEST) << FINE
    buckets = np.minimum(np.maximum((took.view(np.int32) >> (23 - FINE)) - lowest, 0), size - 1)
    buckets += (np.arange(rows, dtype=np.int32) * size)[:, None]
    mass = np.bincount(buckets.ravel(), weights.ravel(), rows * size).reshape(rows, size)
    reached = np.cumsum(mass, axis=1)
    success = reached[:, -1]
    wanted = np.array(list(QUANTILES.values())) * success[:, None]
    at = (reached[:, :, None] < wanted[:, None, :]).sum(axis=1)
    row = np.arange(rows)[:, None]
    below = np.where(at > 0, reached[row, at - 1], 0.0)
    part = (wanted - below) / np.maximum(mass[row, at], 1e-30)
    power, step = np.divmod(at, 1 << FINE)
    found = np.ldexp(1.0 + (step + np.minimum(part, 1.0)) / (1 << FINE), power + LOWEST)
    found = np.where(success[:, None] > 0, found, math.inf)
    return success, found


def _columns(plans: Sequence[Plan]) -> Columns:
    rows = [
        (
            1 if plan.retry is None or plan.effects == "once" else plan.retry.attempts,
            plan.limit,
            plan.timeout is not None and plan.timeout.learned and plan.effects in ("none", "idempotent"),
            plan.hedge.after if plan.hedge is not None and plan.hedges else 0.0,
            1 + plan.hedge.most if plan.hedge is not None and plan.hedges else 1,
            1.0,
            *((0.0, 1.0, 0.0, False) if plan.retry is None else _pacing(plan)),
            plan.effects != "unknown",
        )
        for plan in plans
    ]
    kinds = (int, np.float32, bool, np.float32, int, np.float32, np.float32, np.float32, np.float32, bool, bool)
    return Columns(
        *(np.array(column, kind)[:, None] for column, kind in zip(zip(*rows, strict=True), kinds, strict=True))
    )


def _pacing(plan: Plan) -> tuple[float, float, float, bool]:
    assert plan.retry is not None  # noqa: S101 - asked for plans that repeat
    backoff = plan.retry.backoff
    return backoff.first, backoff.factor, backoff.most, backoff.jitter
