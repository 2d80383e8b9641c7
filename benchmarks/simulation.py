"""How well strategies are chosen, beside static rules and the best that a clairvoyant could set, in worlds we know.

Virtual time.  Worlds W1 to W9 are those of the research behind the engine; ``--random N`` draws more.  Every rule meets
the same calls with the same luck.  ``ours`` is the library, cold, nothing set but the deadline; its first calls count.
The *oracle* is the best of some hundreds of static rules, found in the very world with other luck.  Columns with a D
count failures at the deadline, the others are of successes; cells are mean and standard deviation over the seeds.

    python -m benchmarks.simulation --worlds W1 --seeds 2 --calls 10000
    python -m benchmarks.simulation --random 50 --seed 7 --seeds 3
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

from benchmarks.truth.atlas import world_of
from benchmarks.truth.contest import OURS, Result, Task, contest
from benchmarks.truth.goals import Results
from benchmarks.truth.oracle import oracle
from benchmarks.truth.rule import Rule
from benchmarks.truth.table import conclude, described, line, show
from benchmarks.truth.worlds import WORLDS

AHEAD = 2  # worlds that are played while one is waited for
Played = tuple[str, Rule | None, Results]


def asked_for() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each world")
    parser.add_argument("--calls", type=int, default=30_000, help="of a run")
    parser.add_argument("--worlds", help="names, with commas: W1 to W9, R7.12 for the twelfth that seed 7 draws")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="draw so many worlds instead")
    parser.add_argument("--seed", type=int, default=1, help="of the worlds that are drawn")
    parser.add_argument("--no-oracle", action="store_true", help="do without the search for the best static rule")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print every run as JSON instead")
    return parser.parse_args()


def names_of(asked: argparse.Namespace) -> list[str]:
    """Return the names of the worlds that are asked for."""
    named = asked.worlds.split(",") if asked.worlds else []
    drawn = [f"R{asked.seed}.{number}" for number in range(1, asked.random + 1)]
    names = [*named, *drawn] or list(WORLDS)
    for name in names:
        world_of(name)  # a name that means nothing is refused before anything is played
    return names


def played(names: list[str], asked: argparse.Namespace) -> Iterator[Played]:
    """Yield what came of each world, in their order, while those after it are played."""
    seeds = range(1, asked.seeds + 1)
    with ProcessPoolExecutor(asked.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        best = {name: pool.submit(oracle, name) for name in names if not asked.no_oracle}
        waiting = deque[tuple[str, Rule | None, list[Future[dict[str, Result]]]]]()
        for name in names:
            rule = best[name].result() if name in best else None
            waiting.append((name, rule, [pool.submit(contest, Task(name, asked.calls, seed, rule)) for seed in seeds]))
            if len(waiting) > AHEAD:
                yield collected(*waiting.popleft())
        yield from (collected(*each) for each in waiting)


def collected(name: str, rule: Rule | None, runs: list[Future[dict[str, Result]]]) -> Played:
    """Return the name, the rule of the oracle, and what came of each rule when all seeds are played."""
    found = [run.result() for run in runs]
    return name, rule, {each: [one[each] for one in found] for each in found[0]}


def plain(result: Result) -> dict[str, object]:
    """Return a result as JSON has it: None where there is no number, or no end."""
    numbers = {name: value for name, value in result.figures._asdict().items() if name != "recovery"}
    recovery = result.figures.recovery if math.isfinite(result.figures.recovery) else None
    figures = {**numbers, "recovery": recovery}
    return {"figures": figures, "score": result.score._asdict(), "microseconds": result.cost, "errors": result.errors}


def main() -> int:
    """Play the worlds that are asked for."""
    asked = asked_for()
    names = names_of(asked)
    if not asked.json:
        print(f"{asked.calls} calls a run, seeds 1 to {asked.seeds}; milliseconds", flush=True)
    found, told = dict[str, Results](), dict[str, object]()
    for name, rule, results in played(names, asked):
        found[name] = results
        runs = {other: [plain(one) for one in each] for other, each in results.items()}
        told[name] = {"oracle": rule and described(rule), "rules": runs}
        if not asked.json:
            (line if asked.random else show)(world_of(name), results, rule)
            sys.stdout.flush()
    if asked.json:
        print(json.dumps({"seeds": list(range(1, asked.seeds + 1)), "calls": asked.calls, "worlds": told}))
        return 0
    conclude(found)
    cost = statistics.fmean(one.cost for results in found.values() for one in results[OURS])
    print(f"\na call of ours costs {cost:.0f} us of CPU here, event loop and virtual time included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
