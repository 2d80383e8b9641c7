"""Play a whole plan on all calls of a run at once: attempts, a time limit hard or soft, pauses, copies, the deadline.

It knows plans by their figures alone.  A hard limit cuts each request so long after its begin; under a soft one the
next attempt begins beside the one that is late, which goes on, and the limit doubles.  The first success ends a call.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from benchmarks.truth.batch import Batch
from benchmarks.truth.luck import PAUSES, Luck
from benchmarks.truth.play import Run


class Paced(NamedTuple):
    """Describe a plan by its figures, in seconds; *pauses* are the longest before each further attempt."""

    name: str
    attempts: int = 1
    pauses: tuple[float, ...] = ()
    jitter: bool = True  #: pauses are of any length up to the longest
    limit: float = math.inf
    soft: bool = False
    copies: tuple[float, ...] = ()


class Paces(Batch):
    """Play *plan* on every call; times are seconds since the call came."""

    def __init__(self, luck: Luck, plan: Paced) -> None:
        super().__init__(luck, plan)  # type: ignore[arg-type] - as far as it asks, a plan is a rule
        self.plan, self.best = plan, np.full(luck.calls, math.inf)
        self.ends = np.zeros(luck.calls)

    def run(self) -> Run:
        """Return what became of the calls."""
        live, starts = np.arange(self.luck.calls), np.zeros(self.luck.calls)
        for attempt in range(1, self.plan.attempts + 1):
            live, starts = self._next(attempt, live, starts)
            if not len(live):
                break
        self.fine = self.best < self.deadline
        self.took = np.where(self.fine, self.best, self.deadline)
        return Run(self.luck.comes, self.took, self.fine, self.nth.sum(axis=0), np.concatenate(self.begun))

    def _next(self, attempt: int, live: Any, starts: Any) -> tuple[Any, Any]:
        """Play an attempt of the *live* calls; return which calls make another one, and when."""
        hard = math.inf if self.plan.soft else self.plan.limit
        won, over = self._race(live, starts, hard)
        self.best[live] = np.minimum(self.best[live], won)
        if attempt == self.plan.attempts:
            return live[:0], starts[:0]
        alone = self.plan.limit * 2.0 ** (attempt - 1) if self.plan.soft else math.inf
        late = starts + np.where(self.deadline - starts - alone > self.plan.limit, alone, math.inf)
        ended = np.where(np.isfinite(won), won, over)
        pause = self.plan.pauses[attempt - 1] * (self.luck.rolls(PAUSES, attempt)[live] if self.plan.jitter else 1.0)
        begin = np.where(late < ended, late, over + pause)
        goes = ((late < ended) | ~np.isfinite(won)) & (np.minimum(self.best[live], self.deadline) > begin)
        return live[goes], begin[goes]

    def _race(self, live: Any, starts: Any, limit: float) -> tuple[Any, Any]:
        """Return when each attempt succeeds, with its copies, and when the last of them ended if none did."""
        won, lead = self._within(live, starts, limit)
        over = lead.copy()
        for after in self.plan.copies:
            at = starts + after
            known = np.minimum(won, self.best[live])
            goes = np.flatnonzero((known > at) & (lead > at) & (at < self.deadline))
            other, gone = self._within(live[goes], at[goes], limit)
            won[goes], over[goes] = np.minimum(won[goes], other), np.maximum(over[goes], gone)
        return won, over

    def _within(self, calls: Any, at: Any, limit: float) -> tuple[Any, Any]:
        """Return when each request succeeds, infinite if it does not, and when it is over without success."""
        won, failed = self._ask(calls, at, 0)
        ends = np.where(np.isfinite(won), won, failed)
        cut = ends > at + limit
        return np.where(cut, math.inf, won), np.where(cut, at + limit, np.where(np.isfinite(won), math.inf, failed))
