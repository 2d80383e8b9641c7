"""The best static rule that somebody could set who knows the world: found in the very world, with other luck."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from benchmarks.truth.atlas import world_of
from benchmarks.truth.batch import Batch
from benchmarks.truth.figures import figures, score
from benchmarks.truth.luck import Luck
from benchmarks.truth.peers import answers, peers
from benchmarks.truth.play import Player, Run
from benchmarks.truth.rule import Doubling, Pause, Rule
from benchmarks.truth.worlds import World

ORACLE = "oracle"
FIRST_SEED = 900_001  # of those that nobody is judged by
ROUNDS = ((4_000, 1, 300), (20_000, 1, 12), (30_000, 4, 1))  # calls, seeds, and how many rules are left
DEAR = ((0, 1, 1),)  # where requests meet in a queue: event by event
AFTER = (0.8, 0.85, 0.88, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)  # quantiles
SHARES = (0.25, 0.5, 0.75)


def oracle(name: str) -> Rule:
    """Return the best rule for the world of that name."""
    world = world_of(name)
    rules = [*peers(world)[:2], *few(world)] if world.servers else [*peers(world), *grid(world)]
    for calls, seeds, left in DEAR if world.servers else ROUNDS:
        rules = ranked(world, rules, calls, seeds)[:left] if len(rules) > left else rules
    return rules[0]._replace(name=ORACLE)


def ranked(world: World, rules: list[Rule], calls: int, seeds: int) -> list[Rule]:
    """Return *rules*, the one with the best mean score first."""
    total = np.zeros(len(rules))
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        luck = Luck(world, calls, seed)
        base = figures(play(luck, Rule("one attempt")), world)
        total += [score(figures(play(luck, rule), world), base, luck.calls).total for rule in rules]
    return [rules[number] for number in np.argsort(-total, kind="stable")]


def play(luck: Luck, rule: Rule) -> Run:
    """Return what becomes of the calls under *rule*, in the fastest way there is."""
    alone = luck.world.servers is None and rule.bucket is None
    return Batch(luck, rule).run() if alone else Player(luck, rule).run()


def few(world: World) -> Iterator[Rule]:
    """Yield some rules for a world in which requests meet."""
    late = [float(each) for each in np.quantile(answers(world, 0), (0.98, 0.999))]
    for copies in ((), *((after,) for after in late)):
        yield Rule(ORACLE, copies=copies)
    for pause in (0.1, 0.4):
        yield Rule(ORACLE, 2, Doubling(pause, spread=0.2))


def grid(world: World) -> Iterator[Rule]:
    """Yield the rules among which the best one is looked for."""
    for first in range(len(world.endpoints)):
        known = answers(world, first)
        for again, aside in product(range(len(world.endpoints)), repeat=2):
            for (copies, share), (attempts, pause) in product(_copies(known), _repeats(world, known, first)):
                if (copies or not aside) and (attempts > 1 or not again):
                    yield Rule(ORACLE, attempts, pause, copies, share, first, again, aside)


def _copies(known: Any) -> Iterator[tuple[tuple[float, ...], float]]:
    yield (), 1.0
    middle, late = (float(each) for each in np.quantile(known, (0.5, 0.9)))
    for after in [*(float(each) for each in np.quantile(known, AFTER)), _above_mode(known)]:
        yield (after,), 1.0
        yield from (((after,), share) for share in SHARES)
        yield from (((after, after + more), 1.0) for more in (middle, late, after))


def _above_mode(known: Any) -> float:
    """Return a delay just above the fast answers: where the quantiles begin to climb most steeply."""
    points = np.quantile(known, np.linspace(0.5, 0.99, 50))
    return float(1.05 * points[int(np.argmax(np.diff(np.log(points))))])


def _repeats(world: World, known: Any, first: int) -> Iterator[tuple[int, Pause]]:
    yield 1, Doubling()
    what, middle = world.endpoints[first], float(np.quantile(known, 0.5))
    if what.fails or what.fails_bad:
        yield 4, Doubling()
        yield 4, Doubling(middle / 2.0, full=True)
        for pause in sorted({0.05, 0.1, *((what.bad / 2.0, what.bad) if what.fails_bad > what.fails else ())}):
            yield 4, Doubling(pause, spread=0.2)
