"""How calls under a plan are made, as numbers: of plans that have the same numbers the same becomes of calls."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from unbreakable.policies import Plan
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.simulation.universes import MOST_ATTEMPTS

Kind = tuple[float, tuple[float, float], tuple[float, float]]

NONE = (math.inf, math.inf)


class Manner(NamedTuple):
    """Say how calls are made; all times are seconds, infinite where there is no such thing.

    A request is cut after ``hard``, ``copied`` is when copies of it are sent, ``followed`` when the next attempts begin
    beside it.  ``pauses`` are the longest ones, before each repeat as far as these are played; with ``jitter`` they are
    anything up to that.  ``goes_on`` says whether what was cut is repeated, ``ratio`` what share of a repeat a success
    pays for.
    """

    hard: float
    copied: tuple[float, float]
    followed: tuple[float, float]
    pauses: tuple[float, ...]
    jitter: bool
    goes_on: bool
    ratio: float

    @property
    def kind(self) -> Kind:
        """Return what is the same where attempts are of one kind."""
        return self[:3]

    @property
    def attempts(self) -> int:
        """Return how many attempts are made, and played, at most."""
        return 1 + len(self.pauses)

    def plain(self) -> Manner:
        """Return the same without copies."""
        return self._replace(copied=NONE)

    def once(self) -> Manner:
        """Return the same without copies or repeats."""
        return self._replace(copied=NONE, followed=NONE, pauses=())


def manners(plans: Iterable[Plan], deadline: float) -> list[Manner]:
    """Return how calls are made under each of *plans* that have *deadline* seconds."""
    return [_manner(plan, deadline) for plan in plans]


def _manner(plan: Plan, deadline: float) -> Manner:
    retry, limit, hedge, budget = plan.retry, plan.timeout, plan.hedge, plan.budget
    twice, hard, copied, followed = may_run_twice_at_once(plan.effects), deadline, NONE, NONE
    pauses: tuple[float, ...] = ()
    if retry is not None and plan.effects != "once":
        pauses = tuple([retry.backoff.pause(number, 1.0) for number in range(1, min(retry.attempts, MOST_ATTEMPTS))])
    if limit is not None and not (limit.learned and twice):
        hard = min(limit.seconds, deadline)
    elif limit is not None and pauses:
        followed = limit.seconds, 3.0 * limit.seconds if len(pauses) > 1 else math.inf  # limits double
    if hedge is not None and twice:
        copied = hedge.after, 2.0 * hedge.after if hedge.most > 1 else math.inf
    jitter, ratio = retry is None or retry.backoff.jitter, math.inf if budget is None else budget.ratio
    return Manner(hard, copied, followed, pauses, jitter, plan.effects != "unknown", ratio)
