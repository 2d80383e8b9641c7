"""What the engine has to reach in each world (research, section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.truth.contest import OURS, Result
from benchmarks.truth.oracle import ORACLE

Results = Mapping[str, Sequence[Result]]  # of each rule, a seed each
Value = Callable[[Results], float]


class Goal(NamedTuple):
    """Describe a goal: the *value*, in the unit in which it is said, has to be at most the bound, or at least."""

    what: str
    value: Value
    bound: float
    unit: str = ""
    at_least: bool = False

    def judged(self, results: Results) -> tuple[bool, float]:
        """Return whether it is met, and the value."""
        value = self.value(results)
        return bool(value >= self.bound if self.at_least else value <= self.bound), value


def mean(of: Callable[[Result], float], rule: str = OURS) -> Value:
    """Return the mean over the seeds."""
    return lambda results: math.fsum(of(each) for each in results[rule]) / len(results[rule])


def worst(of: Callable[[Result], float], rule: str = OURS) -> Value:
    """Return the greatest of the seeds."""
    return lambda results: max(of(each) for each in results[rule])


def _p(point: int, most: float) -> Goal:
    name = ("p50", "p90", "p99", "p99.9")[point]
    return Goal(f"{name}, failures at the deadline", mean(lambda each: 1e3 * each.figures.all[point]), most, " ms")


def _load(most: float) -> Goal:
    return Goal("requests a call", mean(lambda each: each.figures.load), most)


def _success(least: float) -> Goal:
    return Goal("success", mean(lambda each: 100.0 * each.figures.success), least, " %", at_least=True)


def _regret(most: float) -> Goal:
    ours, oracle = mean(lambda each: each.score.total), mean(lambda each: each.score.total, ORACLE)
    return Goal("regret", lambda results: oracle(results) - ours(results) if ORACLE in results else math.nan, most)


def _recovery(most: float) -> Goal:
    ours, alone = (worst(lambda each: each.figures.recovery, rule) for rule in (OURS, "one attempt"))
    return Goal("recovery beside one attempt's", lambda results: ours(results) / max(1.0, alone(results)), most, " x")


GOALS = {
    "W1": [_p(2, 17.3), _load(1.075), _p(3, 27.0)],
    "W2": [_p(2, 100.0), _load(1.052)],
    "W3": [_p(2, 16.0), _load(1.085)],
    "W4": [_success(99.99), _p(2, 57.0), _load(1.055)],
    "W5": [_success(99.7)],
    "W6": [_regret(1.0)],
    "W7": [Goal("requests a call after the first 5,000", mean(lambda each: each.figures.late), 1.02)],
    "W8": [_p(0, 20.0), _success(99.99), _load(1.035)],
    "W9": [Goal("requests a call in the worst second", worst(lambda each: each.figures.worst), 1.2), _recovery(2.0)],
}
