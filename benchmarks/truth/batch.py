"""Play a fixed rule on all calls of a run at once, attempt by attempt: the same as ``play``, some fifty times as fast.

That is possible where calls do not meet: no queue and no bucket.  A test holds the two against each other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from benchmarks.truth.luck import PAUSES, SHARES, Luck
from benchmarks.truth.play import Run
from benchmarks.truth.rule import Rule


class Batch:
    """Play *rule* on every call; times are seconds since the call came."""

    def __init__(self, luck: Luck, rule: Rule) -> None:
        self.luck, self.rule, self.deadline = luck, rule, luck.world.deadline
        shape = luck.calls
        self.nth = np.zeros((len(luck.world.endpoints), shape), int)
        self.asked = np.zeros(shape, int)
        self.took, self.fine = np.full(shape, self.deadline), np.zeros(shape, bool)
        self.begun: list[Any] = []

    def run(self) -> Run:
        """Return what became of the calls."""
        live, starts = np.arange(self.luck.calls), np.zeros(self.luck.calls)
        for attempt in range(1, self.rule.attempts + 1):
            won, lost = self._attempt(live, starts, self.rule.first if attempt == 1 else self.rule.again)
            fine = won < self.deadline
            self.took[live[fine]], self.fine[live[fine]] = won[fine], True
            failed = ~np.isfinite(won) & (lost < self.deadline)
            live, starts = self._again(attempt, live[failed], lost[failed])
            if not len(live):
                break
        return Run(self.luck.comes, self.took, self.fine, self.nth.sum(axis=0), np.concatenate(self.begun))

    def _again(self, attempt: int, live: Any, lost: Any) -> tuple[Any, Any]:
        """Return which calls are tried once more, and when."""
        self.took[live] = lost
        if attempt == self.rule.attempts:
            return live[:0], lost[:0]
        starts = lost + self.rule.pause(attempt, lambda nth: self.luck.rolls(PAUSES, nth)[live])
        goes = starts < self.deadline
        self.took[live[goes]] = self.deadline
        return live[goes], starts[goes]

    def _attempt(self, live: Any, starts: Any, endpoint: int) -> tuple[Any, Any]:
        """Return when each attempt succeeds, if it does, and when its last copy ended without success."""
        won, lost = self._ask(live, starts, endpoint)
        for after in self.rule.copies:
            at = starts + after
            open_ = np.flatnonzero((won > at) & (np.isfinite(won) | (lost > at)) & (at < self.deadline))
            calls = live[open_]
            self.asked[calls] += 1
            goes = open_[self._allowed(calls)]
            other, gone = self._ask(live[goes], at[goes], self.rule.aside)
            won[goes], lost[goes] = np.minimum(won[goes], other), np.maximum(lost[goes], gone)
        return won, lost

    def _allowed(self, calls: Any) -> Any:
        if self.rule.share >= 1.0 or not len(calls):
            return np.ones(len(calls), bool)
        rolls = np.stack([self.luck.rolls(SHARES, nth) for nth in range(int(self.asked[calls].max()) + 1)])
        return rolls[self.asked[calls], calls] < self.rule.share

    def _ask(self, calls: Any, at: Any, endpoint: int) -> tuple[Any, Any]:
        """Return when each request succeeds, infinite if it does not, and when it fails, 0 if it does not."""
        if not len(calls):
            return np.zeros(0), np.zeros(0)
        nth, what = self.nth[endpoint][calls], self.luck.world.endpoints[endpoint]
        each = [self.luck.draws(endpoint, number) for number in range(int(nth.max()) + 1)]
        fault, takes, notices = (_picked([draws[part] for draws in each], nth, calls) for part in range(3))
        self.nth[endpoint][calls] += 1
        moments = self.luck.comes[calls] + at
        self.begun.append(moments)
        bad = np.searchsorted(self.luck.regimes[endpoint], moments, side="right") % 2 == 1
        failed = fault < np.where(bad, what.fails_bad, what.fails)
        ends = at + takes * np.where(bad, what.slower, 1.0)
        return np.where(failed, math.inf, ends), np.where(failed, at + notices, 0.0)


def _picked(each: list[Any], nth: Any, calls: Any) -> Any:
    if len(each) == 1:
        return each[0][calls]
    found = np.empty(len(calls))
    for number, row in enumerate(each):
        here = nth == number
        found[here] = row[calls[here]]
    return found
