"""What is left of a slow tail when attempts that take long get company, and what that costs the target.

Virtual time.  A service answers in 20 ms at the median, log-normally spread, and now and then something else happens to
a request; calls come at random, fifty a second.  Each rule meets the same calls: the n-th copy of the k-th call takes
the same time under every rule.  *load* is how many requests were made beyond one a call.

============== ====================================================================================================
ours           ``ub.protect(effects="none")``, nothing set: it begins cold, and learns; its first calls are counted
no copies      one request a call
static p95     a copy after the 95th percentile, which somebody knows beforehand and never changes; no budget
static p97     the same with the 97th, which costs about what ours does
hedge-python   its rule: a copy after the 90th percentile of the last minute, 10 ms for the first twenty calls; ten
               copies a second at most, which is a tenth of 100 calls a second, whatever the traffic is
Polly          its defaults: a copy after 2 seconds
============== ====================================================================================================

Peers' rules are played by arithmetic, from their documentation: the libraries themselves are not run.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import contextlib
import heapq
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np  # noqa: F401 - at hand when the first plan is made, so that every run has the same course

import unbreakable as ub
from unbreakable.testing import virtual_time

RATE = 50.0  # calls a second
MEDIAN = 0.02  # seconds
DEADLINE = 10.0  # seconds; who has no answer by then has waited for so long
BOUND = 0.05  # of load
WORSE = 1.05  # times another rule's figure, above which a cell is lost


class Shape(NamedTuple):
    """Describe a service: how much its answers are spread, how many requests stall, and for how long."""

    spread: float
    stalls: float
    least: float = 1.0
    most: float = 5.0
    slower: float = 1.0  #: how many times as long every answer takes in the second half of the calls


SHAPES = {
    "1 % stall for 1 to 5 s": Shape(0.5, 0.01),
    "2 % stall for 1 to 5 s": Shape(0.5, 0.02),
    "1 in 200 hangs for ever": Shape(0.5, 0.005, 1e6, 1e6),
    "wide spread, no stalls": Shape(1.2, 0.0),
    "1 % stall, and all three times slower half way": Shape(0.5, 0.01, slower=3.0),
}


class Call(NamedTuple):
    """Hold one call: when it comes, and what its copies take."""

    at: float
    copies: random.Random
    shape: Shape
    slower: float

    def draw(self) -> float:
        """Return how many seconds its next copy takes."""
        if self.copies.random() < self.shape.stalls:
            return self.copies.uniform(self.shape.least, self.shape.most)
        return self.slower * self.copies.lognormvariate(math.log(MEDIAN), self.shape.spread)


def calls_of(shape: Shape, count: int, seed: int) -> Iterator[Call]:
    """Yield the calls of one run, the same for every rule."""
    arrivals, at = random.Random(seed), 0.0
    for number in range(count):
        at += arrivals.expovariate(RATE)
        yield Call(at, random.Random(f"{seed} {number}"), shape, shape.slower if 2 * number >= count else 1.0)


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Run = tuple[list[float], float]  # seconds of each call, and the load


def ours(shape: Shape, count: int, seed: int) -> Run:
    """Make the calls, protected."""
    took, made = [], 0

    @ub.protect("service", effects="none", deadline=DEADLINE)
    async def ask(call: Call) -> None:
        nonlocal made
        made += 1
        await asyncio.sleep(call.draw())

    async def one(call: Call) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with contextlib.suppress(ub.errors.DeadlineExceeded):
            await ask(call)
        took.append(loop.time() - began)

    async def main() -> None:
        loop, tasks = asyncio.get_running_loop(), []
        begin = loop.time()
        for call in calls_of(shape, count, seed):
            await asyncio.sleep(begin + call.at - loop.time())
            tasks.append(asyncio.ensure_future(one(call)))
        await asyncio.gather(*tasks)

    with virtual_time(seed):
        asyncio.run(main())
    return took, made / count - 1.0


def no_copies(shape: Shape, count: int, seed: int) -> Run:
    """Make one request a call."""
    return hedged(shape, count, seed, lambda now: math.inf)


def static(share: float) -> Callable[[Shape, int, int], Run]:
    """Return the rule of a copy after that quantile, the true one of the beginning."""

    def rule(shape: Shape, count: int, seed: int) -> Run:
        sample = Call(0.0, random.Random(0), shape, 1.0)
        after = sorted(sample.draw() for _ in range(20_000))[int(share * 20_000)]
        return hedged(shape, count, seed, lambda now: after)

    return rule


def polly(shape: Shape, count: int, seed: int) -> Run:
    """Send a copy after two seconds."""
    return hedged(shape, count, seed, lambda now: 2.0)


class Percentile:
    """Follow hedge-python's rule for the delay, and for how many copies there may be."""

    def __init__(self) -> None:
        self.seen: list[float] = []  # in order of size
        self.old: list[tuple[float, float]] = []  # by moment
        self.tokens, self.at = 10.0, 0.0

    def take(self, now: float, seconds: float) -> None:
        """Take in an answer."""
        bisect.insort(self.seen, seconds)
        heapq.heappush(self.old, (now, seconds))
        while self.old[0][0] < now - 60.0:
            gone = heapq.heappop(self.old)[1]
            del self.seen[bisect.bisect_left(self.seen, gone)]

    def after(self, now: float) -> float:
        """Return the delay in force."""
        return 0.01 if len(self.seen) < 20 else self.seen[int(0.9 * len(self.seen))]

    def pay(self, now: float) -> bool:
        """Return whether there may be a copy now."""
        self.tokens = min(10.0, self.tokens + 10.0 * max(0.0, now - self.at))
        self.at = max(self.at, now)
        self.tokens -= (may := self.tokens >= 1.0)
        return may


def hedge_python(shape: Shape, count: int, seed: int) -> Run:
    """Send a copy after the 90th percentile of the last minute."""
    rule = Percentile()
    return hedged(shape, count, seed, rule.after, rule)


def hedged(shape: Shape, count: int, seed: int, after: Callable[[float], float], rule: Percentile | None = None) -> Run:
    """Play the calls with at most one copy each: the first answer wins."""
    took, copies, ends = list[float](), 0, list[tuple[float, float]]()
    for call in calls_of(shape, count, seed):
        while rule is not None and ends and ends[0][0] <= call.at:
            rule.take(*heapq.heappop(ends))
        first, delay = call.draw(), after(call.at)
        if first > delay and (rule is None or rule.pay(call.at + delay)):
            copies += 1
            first = min(first, delay + call.draw())
        took.append(min(first, DEADLINE))
        heapq.heappush(ends, (call.at + took[-1], took[-1]))
    return took, copies / count


RULES = {
    "ours": ours,
    "no copies": no_copies,
    "static p95": static(0.95),
    "static p97": static(0.97),
    "hedge-python": hedge_python,
    "Polly": polly,
}

# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Figures(NamedTuple):
    """Hold what came of some runs: each figure once a run."""

    p50: list[float]
    p99: list[float]
    p999: list[float]
    load: list[float]


def figures(runs: list[Run]) -> Figures:
    """Return the figures of *runs*."""
    ranked = [sorted(took) for took, _ in runs]
    at = [[took[min(len(took) - 1, int(q * len(took)))] for took in ranked] for q in (0.5, 0.99, 0.999)]
    return Figures(*at, [load for _, load in runs])


def shown(values: list[float], unit: float, digits: int) -> str:
    """Return median, least and most."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{unit * middle:.{digits}f} ({unit * least:.{digits}f} to {unit * most:.{digits}f})"


def lost(mine: Figures, other: Figures) -> Iterator[str]:
    """Yield the names of the figures in which *other* is better by more than one in twenty."""
    for name in ("p50", "p99", "p999"):
        if statistics.median(getattr(mine, name)) > WORSE * statistics.median(getattr(other, name)):
            yield name


def compare(shape: Shape, calls: int, seeds: range) -> tuple[list[str], list[str]]:
    """Print the figures of one shape; return the cells lost to rules within the bound, and to those beyond it."""
    found = {name: figures([rule(shape, calls, seed) for seed in seeds]) for name, rule in RULES.items()}
    for name, each in found.items():
        cells = [shown(each.p50, 1e3, 1), shown(each.p99, 1e3, 0), shown(each.p999, 1e3, 0)]
        print(f"{name:14}{cells[0]:>22}{cells[1]:>28}{cells[2]:>30}{shown(each.load, 100, 1):>22}", flush=True)
    mine = found.pop("ours")
    within, beyond = list[str](), list[str]()
    for name, each in found.items():
        cells = [f"{cell} of {name}" for cell in lost(mine, each)]
        (within if statistics.median(each.load) <= BOUND else beyond).extend(cells)
    if max(mine.load) > BOUND:
        within.append(f"the bound: {max(mine.load):.1%} of load")
    return within, beyond


def main() -> int:
    """Play every shape under every rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=6_000)
    asked = parser.parse_args()
    print(f"{asked.calls} calls a run, seeds 1 to {asked.seeds}; milliseconds, median (least to most) of the runs")
    cells = dict[str, tuple[list[str], list[str]]]()
    for title, shape in SHAPES.items():
        print(f"\n{title}\n{'':14}{'p50':>22}{'p99':>28}{'p99.9':>30}{'load, %':>22}")
        cells[title] = compare(shape, asked.calls, range(1, asked.seeds + 1))
    for number, what in enumerate((f"keep to {BOUND:.0%} of load", "take more")):
        print(f"\ncells lost to rules that {what}:")
        for title, both in cells.items():
            print(f"  {title}: {', '.join(both[number]) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
