"""What the library learns of calls that are only watched, one attempt each: some thirty times as fast as making them.

Nothing is protected here, so no policy need be played: what comes of attempts is handed to who learns, in the order in
which they end, as the policies hand it over.  A test holds it against these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.truth.held import Steady, Still
from benchmarks.truth.luck import Luck
from benchmarks.truth.paced import Paced, Paces

import unbreakable as ub
from unbreakable.fractal.learning import learn
from unbreakable.stats import Traffic


class Clock:
    """Be the runtime of who learns: it is *moment*, and what is to be done in the background is done at once."""

    def __init__(self) -> None:
        self.moment = 0.0

    def now(self) -> float:
        """Return what time it is."""
        return self.moment

    def random(self) -> float:
        """Return no chance."""
        return 0.5

    def background(self, chore: Callable[[], object]) -> None:
        """Do it."""
        chore()


def watched(luck: Luck) -> Traffic:
    """Return what is learned of the first attempts of all calls."""
    calls = Paces(luck, Paced("watched"))
    won, lost = calls._ask(np.arange(luck.calls), np.zeros(luck.calls), 0)  # noqa: SLF001 - one attempt, whole
    took = np.where(np.isfinite(won), won, lost)
    late = took >= luck.world.deadline
    took = np.where(late, luck.world.deadline, took)
    order = np.argsort(luck.comes + took, kind="stable")
    good, begun = (np.isfinite(won) & ~late)[order].tolist(), luck.comes[order].tolist()
    return _learned(begun, took[order].tolist(), good, late[order].tolist())


def _learned(begun: list[float], took: list[float], good: list[bool], late: list[bool]) -> Traffic:
    still = ub.Strategy("watched", retry=False, hedge=False, timeout=False, breaker=False, budget=False)
    call: Any = ub.protect("service", effects="none", strategy=still)(lambda: None)
    node, clock = call.node, Clock()
    target, circuit = node.target, node.target.circuit
    node.chooser, target.drift = Still(node.settings), Steady()
    for began, seconds, is_good, is_late in zip(begun, took, good, late, strict=True):
        clock.moment = began + seconds
        if is_good:
            target.ring.append(seconds)
        elif is_late:
            target.ages.append(seconds)
        else:
            target.take_fault(began, seconds)
        if not is_good or circuit.alert:
            circuit.settle(circuit.stamp, is_good, clock.moment, seconds)
        else:
            circuit.latest = max(circuit.latest, began)
        if target.piled >= target.fold_at:
            learn(node, target, clock)  # type: ignore[arg-type] - as far as it is asked, a clock is a runtime
    learn(node, target, clock)  # type: ignore[arg-type]
    found: Traffic = target.traffic
    return found
