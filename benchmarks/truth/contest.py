"""Play every rule in one world with one luck."""

from __future__ import annotations

import time
from typing import NamedTuple

from benchmarks.truth.atlas import world_of
from benchmarks.truth.figures import Figures, Score, figures, score
from benchmarks.truth.luck import Luck
from benchmarks.truth.oracle import play
from benchmarks.truth.ours import ours
from benchmarks.truth.peers import peers
from benchmarks.truth.rule import Rule

OURS = "ours"


class Task(NamedTuple):
    """Say what one process is to play; *oracle* is the rule that was found to be best with other luck."""

    world: str
    calls: int
    seed: int
    oracle: Rule | None = None


class Result(NamedTuple):
    """Hold what came of one rule with one seed; *cost* is microseconds of CPU a call, *errors* what ours raised."""

    figures: Figures
    score: Score
    cost: float
    errors: dict[str, int]


def contest(task: Task) -> dict[str, Result]:
    """Return what came of each rule."""
    world = world_of(task.world)
    luck, found = Luck(world, task.calls, task.seed), dict[str, Result]()
    base: Figures | None = None
    for rule in [*peers(world), *([] if task.oracle is None else [task.oracle]), None]:
        began = time.process_time()
        run = ours(luck) if rule is None else play(luck, rule)
        cost = 1e6 * (time.process_time() - began) / luck.calls
        mine = figures(run, world)
        base = base or mine  # one attempt comes first
        name = OURS if rule is None else rule.name
        found[name] = Result(mine, score(mine, base, luck.calls), cost, dict(run.errors))
    return found
