"""Unsafe operations are never doubled: fuzzed runs of "once" and "unknown" through every door that makes attempts.

Virtual time, the whole library.  A server (see ``_unsafe.py``) looks at every request that is made and knows whether it
may be: none while an earlier one may have arrived and was not reported failed, and none but after one that never left
where the operation is "once".  Strategies, our own and users', limits, copies, budgets, circuits, remedies, deadlines,
alternatives and cancellations are drawn by dice, for each scene anew.  A *run* is one operation that somebody wants
done once.  The figures of one seed are always the same.

    ./dev bench duplicates [--runs 1000000] [--seed 1] [--mutant repeats|copies|cuts|inside]

``--mutant`` takes one of the rules away, to see that it is noticed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import os
import sys
import time
from collections import Counter

from benchmarks._doors import RULES, RUNS, Scene, mutated

AT_ONCE = 10  # scenes for one worker


def play(seeds: range, mutant: str | None) -> tuple[Counter[str], Counter[tuple[str, ...]], float]:
    """Play the scenes of *seeds*; return what was counted, the breaches, and the seconds of CPU."""
    counts, breaches, began = Counter[str](), Counter[tuple[str, ...]](), time.process_time()
    with mutated(mutant):
        for seed in seeds:
            scene = Scene(seed)
            scene.play()
            counts += scene.server.counts
            for what, times in scene.server.breaches.items():
                breaches[(*what, f"seed {seed}")] += times
    return counts, breaches, time.process_time() - began


def main() -> None:
    """Print what was counted, and each breach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first scene; the others follow")
    parser.add_argument("--mutant", choices=list(RULES))
    options = parser.parse_args()
    last = options.seed + -(-options.runs // RUNS)
    parts = [range(first, min(last, first + AT_ONCE)) for first in range(options.seed, last, AT_ONCE)]
    counts, breaches, seconds, began = Counter[str](), Counter[tuple[str, ...]](), 0.0, time.perf_counter()
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(play, parts, itertools.repeat(options.mutant)):
            counts, breaches, seconds = counts + found[0], breaches + found[1], seconds + found[2]
    told = ", ".join(f"{name} {times:,}" for name, times in sorted(counts.items()) if name != "runs")
    print(f"{counts['runs']:,} runs, seeds {options.seed} to {last - 1}: {told}")
    spent = time.perf_counter() - began
    print(f"{1e6 * seconds / counts['runs']:.0f} µs of CPU per run; {spent:.0f} s on {os.cpu_count()} cores")
    for (door, effects, what, seed), times in sorted(breaches.items())[:20]:
        print(f"  {door}, {effects}: {what}, {times} times, {seed}")
    print(f"{breaches.total():,} duplicates")
    sys.exit(bool(breaches) is (options.mutant is None))


if __name__ == "__main__":
    main()
