"""What hangs is no reason to fail, seen before or not: each plan asks for it again in time, by a copy or an attempt.

That nothing has hung yet says little, and what it takes costs next to nothing: nearly all answers have come by then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from unbreakable.errors import AttemptTimeout
from unbreakable.fractal.tuner import HEDGE_FLOOR, TIMEOUT_FLOOR
from unbreakable.policies import Hedge, Retry, Timeout
from unbreakable.policies.plan import LAST_MINUTE
from unbreakable.policies.timeout import learned_limit
from unbreakable.simulation.model import Model

SHORT = 10 * TIMEOUT_FLOOR  # seconds: within a longer deadline time limits begin another attempt soon enough
FEW_ENOUGH = (0.99, 0.95)  # shares of the answers that have come by then, the first if there is time
THREE_FIT = 1.0 / 7.0  # share of the deadline: three attempts fit, each with twice the limit of the one before
TOO_LATE = 0.55  # share of the deadline: what is left is less than ``NEARLY`` as much, and begins nothing
BEYOND = 1.25  # times the slowest answer that was seen: longer than any

limit_of = functools.lru_cache(learned_limit)  # several plans have the same, which are frozen


@functools.lru_cache
def copies_of(after: float, most: int) -> Hedge:
    """Return learned copies, each sent so many seconds *after* the one before."""
    return Hedge(after, most=most, threads=False)


def against_hangs(
    limit: Timeout | None,
    copies: Hedge | None,
    retry: Retry | None,
    model: Model,
    deadline: float,
    free: Callable[[str], bool],
) -> dict[str, Any]:
    """Return what a plan needs of "timeout" and "hedge", as far as these are *free*, beside what it has so far."""
    settings: dict[str, Any] = {}
    if free("hedge") and copies is None and (_is_late(limit, deadline) or not _begins_another(limit, retry)):
        copies = settings["hedge"] = _last_minute(model, deadline)
    if free("timeout") and _is_late(limit, deadline):
        settings["timeout"] = _loose(model, deadline) if copies is None else _beside(copies, limit, deadline)
    return settings


def _is_late(limit: Timeout | None, deadline: float) -> bool:
    """Return whether no attempt follows in time for having such a *limit*: it would have less time than that."""
    return limit is None or limit.seconds > LAST_MINUTE * deadline


def _begins_another(limit: Timeout | None, retry: Retry | None) -> bool:
    """Return whether something comes of the *limit*: a learned one only begins attempts, where calls are repeated."""
    repeats = retry is not None and retry.attempts > 1 and retry.covers(AttemptTimeout())
    return repeats or (limit is not None and not limit.learned)


def _last_minute(model: Model, deadline: float) -> Hedge | None:
    """Return a copy of what would else be late, when half of a short *deadline* is over."""
    half, latest = LAST_MINUTE * deadline, deadline - model.quantile(0.5)
    if deadline > SHORT:
        return None
    for share in FEW_ENOUGH:
        after = max(half, model.quantile(share))
        if HEDGE_FLOOR <= after < latest:
            return copies_of(model.past_many(after), 1)
    return None


def _loose(model: Model, deadline: float) -> Timeout | None:
    """Return a limit that hardly any answer has reached yet.

    Where there is time for it, it is so short that the second attempt may hang as well.
    """
    half = max(LAST_MINUTE * deadline, model.quantile(FEW_ENOUGH[0]))
    return limit_of(max(TIMEOUT_FLOOR, THREE_FIT * deadline, min(BEYOND * model.slowest, half)), deadline)


def _beside(copies: Hedge, limit: Timeout | None, deadline: float) -> Timeout | None:
    """Return what comes of a late *limit*: beside a copy after half of the time it begins nothing more."""
    if limit is None or copies.after < LAST_MINUTE * deadline:
        return limit
    return limit_of(max(limit.seconds, TOO_LATE * deadline), deadline)
