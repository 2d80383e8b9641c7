"""How well strategies are chosen, beside static rules and the best that a clairvoyant could set, in worlds we know.

Virtual time.  Worlds W1 to W9 are those of the research behind the engine; ``--random N`` draws more.  Every rule meets
the same calls with the same luck.  ``ours`` is the library, cold, nothing set but the deadline; its first calls count.
The *oracle* is the best of some hundreds of static rules, found in the very world with other luck.  Columns with a D
count failures at the deadline, the others are of successes; cells are mean and standard deviation over the seeds.

    python -m benchmarks.simulation --worlds W1 --seeds 2 --calls 10000
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import Iterator

from benchmarks.truth.contest import OURS, Result, Task, contest
from benchmarks.truth.goals import Results
from benchmarks.truth.table import conclude, show
from benchmarks.truth.worlds import WORLDS, world_of


def asked_for() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--worlds", default=",".join(WORLDS), help="names, with commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print figures as JSON instead")
    return parser.parse_args()


def played(names: list[str], seeds: range, calls: int, jobs: int) -> Iterator[tuple[str, Results]]:
    """Yield what came of each world, as soon as it is known."""
    fork = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=fork) as pool:
        runs = {name: [pool.submit(contest, Task(name, calls, seed)) for seed in seeds] for name in names}
        for name, each in runs.items():
            found = [run.result() for run in each]
            yield name, {rule: [one[rule] for one in found] for rule in found[0]}


def plain(result: Result) -> dict[str, object]:
    """Return a result as JSON has it."""
    return {"figures": result.figures._asdict(), "score": result.score._asdict(), "microseconds": result.cost}


def main() -> int:
    """Play the worlds that are asked for."""
    asked = asked_for()
    seeds, names = range(1, asked.seeds + 1), asked.worlds.split(",")
    if not asked.json:
        print(f"{asked.calls} calls a run, seeds {seeds[0]} to {seeds[-1]}; milliseconds", flush=True)
    found = dict[str, Results]()
    for name, results in played(names, seeds, asked.calls, asked.jobs):
        found[name] = results
        if not asked.json:
            show(world_of(name), results)
            sys.stdout.flush()
    if asked.json:
        whole = {name: {rule: [plain(one) for one in each] for rule, each in of.items()} for name, of in found.items()}
        print(json.dumps({"seeds": list(seeds), "calls": asked.calls, "worlds": whole}))
        return 0
    conclude(found)
    cost = statistics.fmean(one.cost for results in found.values() for one in results[OURS])
    print(f"\na call of ours costs {cost:.0f} us of CPU here, event loop and virtual time included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
