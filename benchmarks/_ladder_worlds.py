"""Failures that come again and again, each with a cure, for the healing ladder without and with what it has learned.

A cure is a rung (each try of it works with some likelihood), a rest of so many intervals without an iteration, or time.
Trying more, later, or after a longer rest never harms: that is what the bound is stated for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from unbreakable.loops.ladder import GOOD, Ladder
from unbreakable.loops.rungs import Rung

RUNGS = (Rung.SAFE_STATE_RESET, Rung.QUANTUM_REFRESH, Rung.SURVIVAL_MODE)
INTERVALS = (0.0, 0.01, 1.0, 10.0, 60.0)
MOST_FAILURES = 1_000


@dataclass(frozen=True)
class Cure:
    """What ends a spell of failures, whichever comes first."""

    tries: dict[Rung, int] = field(default_factory=dict)  #: how often each rung has to be tried
    rest: float = float("inf")  #: intervals
    time: float = float("inf")  #: intervals


@dataclass(frozen=True)
class Kind:
    """How likely each rung is to heal one sort of failure, and the rest and the time that it needs."""

    likely: dict[Rung, float]
    rest: float
    time: float

    def cure(self, dice: random.Random) -> Cure:
        """Return the cure of one spell."""
        tries = {rung: _count(dice, likely) for rung, likely in self.likely.items()}
        return Cure(tries, self.rest, self.time * dice.uniform(0.7, 1.4))


def _count(dice: random.Random, likely: float) -> int:
    count = 1
    while dice.random() > likely:
        count += 1
    return count


def a_kind(dice: random.Random) -> Kind:
    """Return a sort of failure of random nature; all of them pass some day."""
    nature, time = dice.choice(["rung", "rung", "rest", "time", "blip"]), dice.uniform(150, 300)
    match nature:
        case "rung":
            return Kind({dice.choice(RUNGS): dice.choice([0.5, 0.8, 1.0])}, float("inf"), time)
        case "rest":
            return Kind({}, dice.choice([2, 4, 8, 16]), time)
        case "time":
            return Kind({}, float("inf"), dice.uniform(2, 150))
        case _:
            return Kind({}, float("inf"), 1.0)


@dataclass(frozen=True)
class Workload:
    """Spells of failures one after the other, each with its signature; a loop's interval, and what a refresh costs."""

    interval: float
    cold: float
    resets: bool  #: whether there is a state to reset
    spells: list[tuple[str, Cure]]
    substitute: bool = False  #: whether one takes turns with probes in survival mode


def a_workload(seed: int) -> Workload:
    """Return a workload of random nature; some change in the middle, some have failures that look the same."""
    dice = random.Random(seed)
    names = [f"failure {number}" for number in range(dice.randint(1, 6))]
    eras = [{name: [a_kind(dice) for _ in range(dice.choice([1, 1, 2]))] for name in names} for _ in range(2)]
    if dice.random() < 0.5:
        eras[1] = eras[0]
    count, turn = dice.randint(20, 80), dice.uniform(0.2, 0.8)
    spells = []
    for number in range(count):
        name = dice.choice(names)
        kind = dice.choice(eras[number > turn * count][name])
        spells.append((name, kind.cure(dice)))
    resets, substitute = dice.random() < 0.8, dice.random() < 0.3
    return Workload(dice.choice(INTERVALS), dice.choice([0.0, 0.5]), resets, spells, substitute)


@dataclass
class Played:
    """What came of a workload: the seconds that each spell took, its failures, and the resets and refreshes in all."""

    seconds: list[float] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    tried: int = 0


def play(workload: Workload, *, learns: bool) -> Played:
    """Return what comes of *workload*, with the ladder that learns or with the table alone."""
    turns = 2 if workload.substitute else 1
    ladder, played, now = Ladder(workload.interval, cold=workload.cold, turns=turns), Played(), 0.0
    for name, cure in workload.spells:
        began, failures, tries = now, 0, dict.fromkeys(Rung, 0)
        while failures < MOST_FAILURES:
            failures += 1
            for rung in _tried(ladder, name if learns else None, now, resets=workload.resets):
                tries[rung] += 1
            gap = max(ladder.interval, ladder.pause)
            if workload.substitute and ladder.substitutes:
                ladder.substituted()
                gap += max(ladder.interval, ladder.pause)
            now += gap
            if _is_healed(cure, tries, gap / ladder.interval, (now - began) / ladder.interval):
                break
        played.seconds.append(now - began)
        played.failures.append(failures)
        played.tried += tries[Rung.SAFE_STATE_RESET] + tries[Rung.QUANTUM_REFRESH]
        for _ in range(GOOD):
            ladder.succeeded(now)
            now += ladder.interval
    return played


def _tried(ladder: Ladder, signature: str | None, now: float, *, resets: bool) -> list[Rung]:
    done = []
    for rung in ladder.failed(signature, now):
        if resets or rung is not Rung.SAFE_STATE_RESET:
            ladder.tried(rung)
            done.append(rung)
    if all(rung is Rung.ADAPTIVE_BACKOFF for rung in done):
        for choice in ladder.promising():
            if resets or choice.rung is not Rung.SAFE_STATE_RESET:
                ladder.tried(choice.rung, choice.rest)
                return [*done, choice.rung]
    return done


def _is_healed(cure: Cure, tries: dict[Rung, int], rest: float, time: float) -> bool:
    almost = 1.0 - 1e-9
    return (
        any(tries[rung] >= needed for rung, needed in cure.tries.items())
        or rest >= cure.rest * almost
        or time >= cure.time * almost
    )
