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
    won, over = _attempts(luck, np.arange(luck.calls), np.zeros(luck.calls))
    late = over >= luck.world.deadline
    took = np.where(late, luck.world.deadline, over)
    order = np.argsort(luck.comes + took, kind="stable")
    good, begun = (np.isfinite(won) & ~late)[order].tolist(), luck.comes[order].tolist()
    return _learned(begun, took[order].tolist(), good, late[order].tolist())


def watched_copies(luck: Luck, after: float) -> Traffic:
    """Return what is learned of copies, which are sent *after* so many seconds: only that."""
    calls = np.arange(luck.calls)
    own, over = _attempts(luck, calls, np.zeros(luck.calls))
    calls = np.flatnonzero(over > after)
    copy, ended = _attempts(luck, calls, np.full(len(calls), after), 1)
    own, deadline = np.minimum(own[calls], luck.world.deadline), luck.world.deadline
    first = copy < own
    traffic = Traffic()
    traffic.update(
        beside=(copy[first] - after).tolist(),
        beside_cut=(own[~first & (ended > own)] - after).tolist(),
        sent=np.full(len(calls), after).tolist() if after < deadline else (),
    )
    return traffic


def _attempts(luck: Luck, calls: Any, at: Any, nth: int = 0) -> tuple[Any, Any]:
    """Return when the *nth* requests of *calls*, made *at* these seconds, succeed, if they do, and when they end."""
    played = Paces(luck, Paced("watched"))
    played.nth += nth
    won, lost = played._ask(calls, at, 0)  # noqa: SLF001 - one request, whole
    return won, np.where(np.isfinite(won), won, lost)


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
