"""The seven strategies: complete settings of attempts, time limit, pauses and copies, cut to what was learned.

============= ======== ================ ============ ========================== =======================================
strategy      attempts time limit       first pause  copies                     in a word
============= ======== ================ ============ ========================== =======================================
optimistic    2        the deadline     Q(.5)        none                       trusts the target
pessimistic   3        1.5 · Q(.99)     Q(.5)        one at Q(.95)              trusts nothing
conservative  2        2 · Q(.999)      Q(.99)       none                       spares the target
aggressive    4        1.5 · Q(.99)     Q(.5) / 2    two, Q(.9) apart           spares the caller
balanced      3        1.5 · Q(.999)    Q(.5)        one at Q(.95)              the default where nothing stands out
adaptive      the best of a grid around all of these                             learned
random        drawn from the same grid                                           finds out
============= ======== ================ ============ ========================== =======================================

Q(p) is the learned quantile of the answers' duration.  What the user pinned stays pinned; what the operation's effects
forbid is left out; no time limit is below 0.5 s, and none is set to less than three times what a young model (fewer
than 500 observations) has seen.  The later pauses grow so fast that a call outlives a short outage, however quick its
target is when it is well: two and more add up to 0.7 s, as the cold ones of as many do, a single one is 0.3 s.  Copies
are sent only where one attempt in twenty takes 5 ms or more.  An attempt without one, and without another that follows
it in time, gets a copy when half of the deadline is over; where it gets none either, another begins beside it after a
time limit longer than all answers that were seen, or of half of the deadline (see ``hanging``).  "Optimistic" and
"conservative" do without where a user named them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from unbreakable.fractal.tuner import HEDGE_FLOOR, TIMEOUT_FLOOR
from unbreakable.policies import Backoff, Hedge, Plan, Retry, Timeout
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.simulation.hanging import against_hangs, copies_of, limit_of
from unbreakable.simulation.hedging import best_delay
from unbreakable.simulation.model import Model
from unbreakable.simulation.score import ScoreWeights

LEAST_PAUSE, LONGEST_FIRST_PAUSE = 0.01, 5.0  # seconds
LEAST_SPAN, LEAST_ONLY_PAUSE = 0.7, 0.3  # seconds that all pauses of a call come to, or its only one
AIM, ENOUGH = 1.001, 1.01  # times that, about, and at most
DOUBLED, LONGEST_PAUSE = Backoff().factor, Backoff().most
YOUNG, CARE = 500, 3.0  # observations below which time limits are so many times what was seen
FIELDS = [each.name for each in dataclasses.fields(Plan)]
Free = Callable[[str], bool]


class Shape(NamedTuple):
    """Describe a plan by quantiles of its target; ``limit`` and ``copy_at`` are None for none."""

    attempts: int
    limit: tuple[float, float] | None  # (factor, quantile)
    pause: tuple[float, float]  # (factor, quantile), of the first one
    copy_at: float | None = None
    copies: int = 1
    waits: bool = False  # for what hangs, without a copy


SHAPES: dict[str, Shape] = {
    "optimistic": Shape(2, None, (1.0, 0.5), waits=True),
    "pessimistic": Shape(3, (1.5, 0.99), (1.0, 0.5), 0.95),
    "conservative": Shape(2, (2.0, 0.999), (1.0, 0.99), waits=True),
    "aggressive": Shape(4, (1.5, 0.99), (0.5, 0.5), 0.9, 2),
    "balanced": Shape(3, (1.5, 0.999), (1.0, 0.5), 0.95),
}
# Of those that score the same the first is taken: one that would survive what was not seen yet.
GRID = tuple(Shape(4, limit, (0.5, 0.5)) for limit in ((1.5, 0.999), None))
# Where failures come in spells: attempts, the first pause as a share of the time that is worth waiting, its growth.
WAITS = ((4, 0.2, 1.5), (6, 0.1, 2.0), (8, 0.1, 1.15), (8, 0.1, 1.5))
WORTH_WAITING = 4.0  # times as long as trouble is remembered: then it is over, or something else than a spell


def candidates(model: Model, before: Plan, free: Free, u: float, weights: ScoreWeights) -> Iterator[Plan]:
    """Yield the plans to weigh, each named for its strategy; "adaptive" has several, the best of which may be patient.

    *before* has what was pinned, *free* tells which policies were not; *u*, uniform, draws the random one; copies go
    when the score, with its *weights*, says that they are worth most.
    """
    fields = _fields(before)
    plans = {shape: Plan(**fields | _settings(name, shape, model, before, free)) for name, shape in SHAPES.items()}
    yield from plans.values()
    best = best_delay(model, weights) if free("hedge") and may_run_twice_at_once(before.effects) else None
    copies = (
        None if best is None or best.after < HEDGE_FLOOR / 2 else copies_of(model.past_many(best.after), best.copies)
    )
    for shape in GRID:
        settings = fields | _settings("adaptive", shape, model, before, free)
        plans[shape] = Plan(**settings)
        yield plans[shape]
        if copies is not None:
            yield Plan(**settings | {"hedge": copies})
    yield replace(list(plans.values())[int(u * len(plans))], strategy="random")


def shaped(name: str, shape: Shape, model: Model, before: Plan, free: Free) -> Plan:
    """Return *before* with whatever is free set as *shape* says."""
    return replace(before, **_settings(name, shape, model, before, free))


def _fields(plan: Plan) -> dict[str, Any]:
    """Return what *plan* is made of: many are made from it, and ``replace`` would look at all of it for each."""
    return {name: getattr(plan, name) for name in FIELDS}


def _settings(name: str, shape: Shape, model: Model, before: Plan, free: Free) -> dict[str, Any]:
    settings: dict[str, Any] = {"strategy": name, "observations": model.observations}
    if free("retry"):
        factor, quantile = shape.pause
        pause = min(LONGEST_FIRST_PAUSE, max(LEAST_PAUSE, factor * model.quantile(quantile)))
        settings["retry"] = _retry(pause, shape.attempts)
    if may_run_twice_at_once(before.effects):
        if free("timeout"):
            settings["timeout"] = _limit(shape, model, before)
        if free("hedge"):
            settings["hedge"] = _hedge(shape, model)
        if not (shape.waits and before.strategy == name):  # its user wants it to wait
            limit, copies, retry = (settings.get(each, getattr(before, each)) for each in ("timeout", "hedge", "retry"))
            settings |= against_hangs(limit, copies, retry, model, before.deadline, free)
    return settings


def patient(plan: Plan, model: Model, free: Free) -> Iterator[Plan]:
    """Yield *plan* with its attempts spread over the time that trouble may last, where it comes in spells."""
    if model.trouble.share and free("retry"):
        span, fields = min(plan.deadline, WORTH_WAITING * model.trouble.memory), _fields(plan)
        for attempts, share, factor in WAITS:
            first = min(LONGEST_PAUSE, max(LEAST_PAUSE, share * span))
            yield Plan(**fields | {"retry": _waiting(first, factor, attempts)})


def paced(first: float, count: int) -> Backoff:
    """Return *count* pauses, the *first* of so many seconds, that together are as long as a partner's restart.

    What was learned tells how soon to ask again after an accident; an outage has not been seen, and is outlived only by
    who does not ask all of his times within milliseconds.

    >>> [round(paced(0.01, 3).pause(number, u=1.0), 2) for number in (1, 2, 3)]
    [0.01, 0.08, 0.62]
    """
    if count < 2:
        return Backoff(first=max(first, LEAST_ONLY_PAUSE))

    factor = (LEAST_SPAN / first) ** (1.0 / (count - 1))  # not too small: the last pause alone is so long
    while factor > DOUBLED:
        span = slope = 0.0
        for _ in range(count):  # Horner's rule, for the sum and its derivative
            span, slope = span * factor + first, slope * factor + span
        if span <= ENOUGH * LEAST_SPAN:
            return Backoff(first=first, factor=factor)
        factor -= (span - AIM * LEAST_SPAN) / slope  # Newton's method comes down from above and never goes below
    return Backoff(first=first)


# Several strategies have the same policies, which are frozen: they are made once.


@functools.lru_cache
def _retry(first: float, attempts: int) -> Retry:
    return Retry(attempts, backoff=paced(first, attempts - 1))


@functools.lru_cache
def _waiting(first: float, factor: float, attempts: int) -> Retry:
    return Retry(attempts, backoff=Backoff(first=first, factor=factor))


def _limit(shape: Shape, model: Model, before: Plan) -> Timeout | None:
    if shape.limit is None:
        return None
    factor, quantile = shape.limit
    if model.observations < YOUNG:
        factor = max(factor, CARE)
    seconds = max(TIMEOUT_FLOOR, factor * model.quantile(quantile))
    return limit_of(seconds, before.deadline)


def _hedge(shape: Shape, model: Model) -> Hedge | None:
    if shape.copy_at is None or model.quantile(0.95) < HEDGE_FLOOR:
        return None
    after = model.quantile(shape.copy_at)
    return copies_of(model.past_many(after), shape.copies) if 0.0 < after < math.inf else None
