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
time limit longer than all answers that were seen, and than half of the deadline at most: what hangs is no reason to
fail.  "Optimistic" and "conservative" do without where a user named them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from unbreakable.errors import AttemptTimeout
from unbreakable.fractal.tuner import HEDGE_FLOOR, TIMEOUT_FLOOR
from unbreakable.policies import Backoff, Hedge, Plan, Retry, Timeout
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.policies.plan import LAST_MINUTE
from unbreakable.policies.timeout import learned_limit
from unbreakable.simulation.hedging import best_delay
from unbreakable.simulation.model import Model
from unbreakable.simulation.score import ScoreWeights

LEAST_PAUSE, LONGEST_FIRST_PAUSE = 0.01, 5.0  # seconds
LEAST_SPAN, LEAST_ONLY_PAUSE = 0.7, 0.3  # seconds that all pauses of a call come to, or its only one
AIM, ENOUGH = 1.001, 1.01  # times that, about, and at most
DOUBLED, LONGEST_PAUSE = Backoff().factor, Backoff().most
SHORT = 10 * TIMEOUT_FLOOR  # seconds: within a longer deadline time limits begin another attempt soon enough
FEW_ENOUGH = (0.99, 0.95)  # shares of the answers that have come by then, the first if there is time
THREE_FIT = 1.0 / 7.0  # share of the deadline: three attempts fit, each with twice the limit of the one before
TOO_LATE = 0.55  # share of the deadline: what is left is less than ``NEARLY`` as much, and begins nothing
BEYOND = 1.25  # times the slowest answer that was seen: longer than any
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
    copies = None if best is None or best.after < HEDGE_FLOOR / 2 else _copies(model.past_many(best.after), best.copies)
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
        limit = settings.get("timeout", before.timeout)
        if free("hedge"):
            counts = limit if _begins_another(limit, settings.get("retry", before.retry)) else None
            settings["hedge"] = _hedge(shape, model) or _last_minute(name, shape, model, before, counts)
        copies = settings.get("hedge", before.hedge)
        if free("timeout") and _is_late(limit, before.deadline) and not _waits(name, shape, before):
            settings["timeout"] = _late(limit, copies, model, before.deadline)
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


@functools.lru_cache
def _copies(after: float, most: int) -> Hedge:
    return Hedge(after, most=most, threads=False)


_learned_limit = functools.lru_cache(learned_limit)


def _limit(shape: Shape, model: Model, before: Plan) -> Timeout | None:
    if shape.limit is None:
        return None
    factor, quantile = shape.limit
    if model.observations < YOUNG:
        factor = max(factor, CARE)
    seconds = max(TIMEOUT_FLOOR, factor * model.quantile(quantile))
    return _learned_limit(seconds, before.deadline)


def _loose(model: Model, deadline: float) -> Timeout | None:
    """Return a limit that hardly any answer has reached yet: what hangs is no reason to fail, seen before or not.

    Where there is time for it, it is so short that the second attempt may hang as well.
    """
    half = max(LAST_MINUTE * deadline, model.quantile(FEW_ENOUGH[0]))
    return _learned_limit(max(TIMEOUT_FLOOR, THREE_FIT * deadline, min(BEYOND * model.slowest, half)), deadline)


def _late(limit: Timeout | None, copies: Hedge | None, model: Model, deadline: float) -> Timeout | None:
    """Return what comes of a *limit* that is late: beside a copy after half of the time it begins nothing more."""
    if copies is None:
        return _loose(model, deadline)
    if limit is None or copies.after < LAST_MINUTE * deadline:
        return limit
    return _learned_limit(max(limit.seconds, TOO_LATE * deadline), deadline)


def _is_late(limit: Timeout | None, deadline: float) -> bool:
    """Return whether no attempt follows in time for having such a *limit*: it would have less time than that."""
    return limit is None or limit.seconds > LAST_MINUTE * deadline


def _begins_another(limit: Timeout | None, retry: Retry | None) -> bool:
    """Return whether something comes of the *limit*: a learned one only begins attempts, where calls are repeated."""
    repeats = retry is not None and retry.attempts > 1 and issubclass(AttemptTimeout, retry.on)
    return repeats or (limit is not None and not limit.learned)


def _waits(name: str, shape: Shape, before: Plan) -> bool:
    """Return whether a strategy that waits for whatever hangs was named by its user."""
    return shape.waits and before.strategy == name


def _hedge(shape: Shape, model: Model) -> Hedge | None:
    if shape.copy_at is None or model.quantile(0.95) < HEDGE_FLOOR:
        return None
    after = model.quantile(shape.copy_at)
    return _copies(model.past_many(after), shape.copies) if 0.0 < after < math.inf else None


def _last_minute(name: str, shape: Shape, model: Model, before: Plan, limit: Timeout | None) -> Hedge | None:
    """Return a copy of what would else be late: it costs next to nothing, and saves what hangs, seen before or not.

    None where another attempt begins in time, as after a short *limit*, and for a strategy that waits for what hangs
    where its user named it.
    """
    half, latest = LAST_MINUTE * before.deadline, before.deadline - model.quantile(0.5)
    if before.deadline > SHORT or not _is_late(limit, before.deadline) or _waits(name, shape, before):
        return None
    for share in FEW_ENOUGH:
        after = max(half, model.quantile(share))
        if HEDGE_FLOOR <= after < latest:
            return _copies(model.past_many(after), 1)
    return None
