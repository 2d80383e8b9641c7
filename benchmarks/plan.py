"""What plans cost: how long they take, what is kept of a target, what calls pay for both.

All times are of the processor, of this thread, so that others who use the machine lengthen them less; medians with
quartiles.  A plan is what is made in the background: the model of a target, and the seven strategies weighed in it with
all variants of the adaptive one, each on a thousand simulated requests.  ``--json`` prints the figures as one object.

    OMP_NUM_THREADS=1 python -m benchmarks.plan
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import unbreakable as ub
from unbreakable.fractal import FractalNode, learning
from unbreakable.fractal.settings import settle
from unbreakable.fractal.tuner import Tuner
from unbreakable.policies import Plan, Retry
from unbreakable.runtime import BLOCKING
from unbreakable.simulation.chooser import Rules, Simulating
from unbreakable.simulation.evaluate import UNIVERSES, evaluate, universes
from unbreakable.simulation.ledger import Ledger
from unbreakable.simulation.model import Model
from unbreakable.simulation.numbers import at_hand
from unbreakable.simulation.score import ScoreWeights, score
from unbreakable.simulation.weigh import weigh
from unbreakable.stats import Traffic
from unbreakable.stats.lags import BINS, SHORTEST
from unbreakable.stats.stretches import LEVELS
from unbreakable.stats.traffic import HISTOGRAMS, PARTS
from unbreakable.testing import virtual_time

ROUNDS, BATCHES, RUNS = 201, 101, 9
CALLS, CALLERS, RATE = 10_000, 50, 1_000  # of one run in virtual time; requests a second
WARM = 2_000  # calls of a run that are made before it is measured
FOLDED = 256  # calls that are learned from in one go
READS = 100_000
MANY = (300, 70_000, 1 << 33)  # durations, for the widest
TARGETS = {  # share that fails, share that hangs, share that takes ten times as long, whether failures come in spells
    "steady": (0.0, 0.0, 0.0, False),
    "long tail": (0.0, 0.0, 0.05, False),
    "fails and hangs": (0.05, 0.0125, 0.05, False),
    "fails in spells": (0.05, 0.0, 0.0, True),
}
RACES = 200  # between late attempts and their copies, where copies were sent
Quartiles = list[float]


class Goal(NamedTuple):
    """Say what a figure is, in which unit, and what it is to be at most."""

    title: str
    unit: str
    most: float


GOALS = {
    "seven": Goal(f"the seven strategies, {UNIVERSES:,} simulated requests each, scored", "ms", 0.4),
    "plan": Goal("a whole plan: the model, the search for a delay, all candidates", "ms", 1.0),
    "kept": Goal("what is kept of a target, as objects", "kB", 8.0),
    "call": Goal("feeding the model, on the call", "µs", 0.2),
    "background": Goal("feeding the model, in the background", "µs", 3.0),
    "reading": Goal("reading the plan, on the call", "µs", 1.0),
    "request": Goal(f"a request, plans included, beyond one without them, at {RATE:,} a second", "µs", 3.0),
}


def traffic_of(fails: float, hangs: float, tail: float, spells: bool = False, count: int = 5_000) -> Traffic:
    """Return what was seen of a target of that kind."""
    dice, traffic = random.Random(1), Traffic()
    for _ in range(count):
        u = dice.random()
        if u < fails:
            traffic.update(failed=[0.004])
        elif u < fails + hangs:
            traffic.update(cut=[1.0])
        else:
            traffic.update(ok=[dice.lognormvariate(-3.0, 0.4) * (10 if dice.random() < tail else 1)])
    if spells:
        for lag in (0.003, 0.01, 0.1):
            traffic.lags.update(lag, times=100.0, failed=True)
            traffic.lags.update(lag, times=20.0)
        traffic.lags.update(times=5_000.0)
        traffic.lags.update(times=20.0, failed=True)
    return traffic


def copied() -> Traffic:
    """Return what was seen of the target with a long tail since copies are sent: slow answers have quick copies."""
    dice, traffic = random.Random(2), traffic_of(*TARGETS["long tail"])
    beside = [dice.lognormvariate(-3.0, 0.4) * (10 if dice.random() < 0.05 else 1) for _ in range(RACES)]
    traffic.update(sent=[0.12] * RACES, beside=beside)
    return traffic


def measured(work: Callable[[], object], rounds: int = ROUNDS, unit: float = 1e-3) -> Quartiles:
    """Return how long *work* takes, in units of so many seconds."""
    times = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        work()
        times.append(1e-9 * (time.thread_time_ns() - began) / unit)
    return statistics.quantiles(times, n=4)


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def seven(traffic: Traffic) -> Quartiles:
    """Return the milliseconds of weighing one plan of each strategy, and the baseline that scores are relative to."""
    model, before, weights = Model(traffic), Plan(effects="idempotent"), ScoreWeights()
    alone = replace(before, retry=Retry(1), timeout=None, hedge=None)
    plans = [one.plan for one in weigh(model, before, lambda _: True, weights=weights, u=0.5)]
    assert len(plans) == len({plan.strategy for plan in plans}) == 7

    def work() -> None:
        baseline, *predictions = evaluate(model, [alone, *plans], before.deadline)
        for prediction in predictions:
            score(prediction, baseline, model.observations, weights)

    return measured(work)


def plan(traffic: Traffic) -> Quartiles:
    """Return the milliseconds of a plan, made as in the background."""
    rules = Rules(weights=ScoreWeights(), universe_count=5, strategies=())
    chooser = Simulating(settle("target", {"effects": "idempotent"}), rules, Ledger())
    before = Plan(effects="idempotent")
    return measured(lambda: chooser.plan("target", before, traffic, lambda: 0.5))


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


def kept(traffic: Traffic) -> float:
    """Return the kilobytes of all objects that *traffic* is made of, small whole numbers left out, which are shared."""
    return sum(sys.getsizeof(each) for each in {id(each): each for each in _parts(traffic)}.values()) / 1e3


def _parts(thing: Any) -> Iterator[Any]:
    if isinstance(thing, int | float) and -5 <= thing <= 256:
        return
    yield thing
    if isinstance(thing, list | tuple):
        for each in thing:
            yield from _parts(each)
    elif not isinstance(thing, int | float | array):
        for name in {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}:
            yield from _parts(getattr(thing, name))


def widest() -> Traffic:
    """Return what takes most room of all that can be seen, each of its parts by itself.

    Durations from a microsecond to any longer one, up to three days; so many of each that two bytes are enough for a
    count, or four, or eight, since there are the fewer counts the more each takes; lags and stretches of all lengths.
    """
    traffic = Traffic()
    for kind in {PARTS[name] for name in HISTOGRAMS}:
        anything = [(doublings, times) for doublings in range(1, 40) for times in MANY]
        most = max(anything, key=lambda each: kept(_seen(kind(), *each)))
        for name in HISTOGRAMS:
            if PARTS[name] is kind:
                setattr(traffic, name, _seen(kind(), *most))
    for place in range(BINS + 1):
        traffic.lags.update(SHORTEST * 2.0**place, times=1e9, failed=True)
    for level in range(LEVELS):
        for stretches in (traffic.slow, traffic.late):
            stretches.update(level, [2**level] * 300)
    traffic.update(repeats=1 << 40, repeats_failed=1 << 39, answered=1 << 40, in_vain=1 << 40)
    return traffic


def _seen(histogram: Any, doublings: int, times: int) -> Any:
    for power in range(doublings):
        histogram.update(1e-6 * 2.0**power, times)
    return histogram


# ── what calls pay ───────────────────────────────────────────────────────────────────────────────────────────────────


def of_one(step: Callable[[], object]) -> Quartiles:
    """Return the microseconds of a step on the call, without those of the loop that repeats it."""

    def repeated(work: Callable[[], object]) -> Quartiles:
        def all_of_them() -> None:
            for _ in range(READS):
                work()

        return measured(all_of_them, rounds=21, unit=1e-6 * READS)

    empty = repeated(lambda: None)[1]
    return [max(0.0, each - empty) for each in repeated(step)]


def feeding(fails: float, hangs: float, tail: float, spells: bool = False) -> dict[str, Quartiles]:
    """Return the microseconds of an observation on the call, and in the background as far as no plan is made of it."""
    node = FractalNode("target", effects="idempotent")
    target, dice = node.target, random.Random(1)
    ring = target.ring

    def fed() -> None:
        ring.append(0.05)
        if len(ring) >= target.fold_at > 1e9:
            raise AssertionError("nobody learns while this is measured")

    on_call = of_one(fed)
    ring.clear()
    times = []
    while len(times) < BATCHES:
        for number in range(FOLDED):
            if dice.random() < fails:
                target.take_fault(float(number), 0.004)
            else:
                ring.append(dice.lognormvariate(-3.0, 0.4) * (10 if dice.random() < tail else 1))
        plans = target.learned.get("learn.optimize.plan", 0)
        began = time.thread_time_ns()
        learning.learn(node, target, BLOCKING)
        if plans == target.learned.get("learn.optimize.plan", 0):
            times.append(1e-3 * (time.thread_time_ns() - began) / FOLDED)
    return {"call": on_call, "background": statistics.quantiles(times, n=4)}


def reading() -> Quartiles:
    """Return the microseconds of reading the plan in force."""
    target = FractalNode("target").target
    return of_one(lambda: (target.plan, target.limit))


def a_request(fails: float, hangs: float, tail: float, spells: bool = False) -> Quartiles:
    """Return the microseconds by which a protected request is dearer for plans being made: runs with and without.

    They have the same luck and send no copies, else it would be calls of another sort that are compared.
    """
    more = []
    for seed in range(RUNS):
        pair = {
            with_plans: _run(with_plans, seed, fails, tail) for with_plans in ((True, False), (False, True))[seed % 2]
        }
        more.append(pair[True] - pair[False])
    return statistics.quantiles(more, n=4)


def _run(with_plans: bool, seed: int, fails: float, tail: float) -> float:
    """Return the microseconds of a request, learning included, of some callers that ask again and again."""
    dice = random.Random(seed)
    waits = [dice.lognormvariate(-3.08, 0.4) * (10 if dice.random() < tail else 1) for _ in range(CALLS + WARM)]
    bad = [dice.random() < fails for _ in waits]
    usual, began = FractalNode.new_chooser, 0

    async def work(number: int) -> None:
        await asyncio.sleep(waits[number])
        if bad[number]:
            bad[number] = False
            raise ConnectionError("no answer")

    async def main() -> None:
        nonlocal began
        ask = ub.protect("target", effects="idempotent", hedge=False)(work)
        numbers = iter(range(CALLS + WARM))

        async def caller() -> None:
            nonlocal began
            for number in numbers:
                if number == WARM:
                    began = time.thread_time_ns()
                await ask(number)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    gc.collect()
    FractalNode.new_chooser = usual if with_plans else staticmethod(Tuner)  # type: ignore[assignment]
    try:
        with virtual_time(seed):
            asyncio.run(main())
    finally:
        FractalNode.new_chooser = usual  # type: ignore[method-assign]
    return 1e-3 * (time.thread_time_ns() - began) / CALLS


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def figures() -> Iterator[tuple[str, str, Quartiles]]:
    """Yield of each figure its name, of what it is, and its quartiles."""
    seen = {name: traffic_of(*kind) for name, kind in TARGETS.items()} | {"copies seen": copied()}
    for name, traffic in seen.items():
        yield "seven", name, seven(traffic)
    for name, traffic in seen.items():
        yield "plan", name, plan(traffic)
    for name, traffic in {**seen, "widest": widest()}.items():
        yield "kept", name, [kept(traffic)] * 3
    fed = {name: feeding(*TARGETS[name]) for name in ("steady", "fails and hangs")}
    for part in ("call", "background"):
        for name, parts in fed.items():
            yield part, name, parts[part]
    yield "reading", "any", reading()
    for name in fed:
        yield "request", name, a_request(*TARGETS[name])


def main() -> None:
    """Print one line for each figure and kind of target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    universes()
    while not at_hand():
        time.sleep(0.01)
    found: dict[str, dict[str, Quartiles]] = {}
    for name, of, quartiles in figures():
        if not as_json:
            goal, (low, middle, high) = GOALS[name], quartiles
            if name not in found:
                print(f"{goal.title}: at most {goal.most:g} {goal.unit}")
            print(
                f"  {middle <= goal.most!s:5} {of:16} {middle:6.3f} {goal.unit} ({low:.3f} to {high:.3f})", flush=True
            )
        found.setdefault(name, {})[of] = quartiles
    if as_json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
