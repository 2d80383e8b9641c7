"""How honest the measured speed-up is: bias and coverage of its interval, where the true speed-up is known.

Each repetition draws 5,000 calls of a target whose law is known, with what each call would have taken alone, hides from
the estimator what the engine would not get to know, and asks for the speed-up.  The truth is that of 4,000,000 calls.
Where nothing can be gained, "not measurable" is the right answer.  ``--engine`` runs calls through the engine itself
instead, in virtual time, under a plan that is pinned; the truth is then what the target knows of all calls of all
repetitions.  Runs with the same ``--seed`` print the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import unbreakable as ub
from unbreakable.plain import plain
from unbreakable.policies import Backoff, Hedge, Plan, Retry
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation.jobs import STRETCH
from unbreakable.simulation.pairs import MEDIAN, MOST_KEPT, TAIL, Pairs
from unbreakable.simulation.trial import RUN_ON
from unbreakable.testing import virtual_time

DRAWN, REPEATED, ENGINE_REPEATED, MANY = 5_000, 2_000, 40, 4_000_000
EXACT = 1e-6  # part that is lost in seconds of 32 bits, and in those of a clock that has run for days
Dice = np.random.Generator
Numbers = Any


class Calls(NamedTuple):
    """Hold seconds of calls and of the same alone, from when on that was left to chance, and whether it is known."""

    call: Numbers
    alone: Numbers
    age: Numbers
    known: Numbers


# ── truths ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def lognormal(median: float, spread: float) -> Callable[[int, Dice], Numbers]:
    """Return what draws durations of that median."""
    return lambda count, dice: median * np.exp(spread * dice.standard_normal(count))


def straggling(count: int, dice: Dice) -> Numbers:
    """Return durations of mean 5 and standard deviation 2, every twentieth ten times as long."""
    return lognormal(4.642, 0.3853)(count, dice) * np.where(dice.random(count) < 0.05, 10.0, 1.0)


def bimodal(count: int, dice: Dice) -> Numbers:
    """Return durations of 4, or 60 in 8 of 100."""
    return lognormal(1.0, 0.25)(count, dice) * np.where(dice.random(count) < 0.92, 4.0, 60.0)


def hedged(draw: Callable[[int, Dice], Numbers], after: float, count: int, dice: Dice, slow: Numbers = 1.0) -> Calls:
    """Return calls of which a copy is sent *after* so long; who loses goes on now and then."""
    first, copy = draw(count, dice) * slow, after + draw(count, dice) * slow
    lost = (first > after) & (copy < first)
    call = np.where(lost, copy, first)
    return Calls(call, first, np.where(lost, call, math.nan), ~lost | (dice.random(count) < RUN_ON))


def retried(count: int, dice: Dice) -> Calls:
    """Return calls of which 5 of 100 attempts fail, and are made again."""
    draw = lognormal(20.0, 0.4)
    fails, again = dice.random(count) < 0.05, dice.random(count) < 0.05
    once = draw(count, dice)
    second = np.where(again, 3.0 + 20.0 * dice.random(count) + draw(count, dice), draw(count, dice))
    call = np.where(fails, 3.0 + 10.0 * dice.random(count) + second, once)
    return Calls(call, np.where(fails, math.inf, once), np.full(count, math.nan), np.full(count, True))


def elsewhere(primary: float, replica: float, count: int, dice: Dice) -> Calls:
    """Return calls that mostly go to a replica; what fails one way goes the other one."""
    slow, fast, way = lognormal(primary, 0.4)(count, dice), lognormal(replica, 0.4)(count, dice), dice.random(count)
    fails, fast_fails = dice.random(count) < 0.01, dice.random(count) < 0.03
    chosen, place = way < 0.02, np.repeat(dice.integers(0, STRETCH, count // STRETCH + 1), STRETCH)[:count]
    control = ~chosen & (np.arange(count) % STRETCH == place)
    by_primary, by_replica = np.where(fails, 3.0 + fast, slow), np.where(fast_fails, 3.0 + slow, fast)
    call = np.where(chosen | control, by_primary, by_replica)
    return Calls(call, np.where(fails, math.inf, slow), np.where(chosen, math.nan, 0.0), chosen | control)


def drifting(count: int, dice: Dice) -> Calls:
    """Return hedged calls of a target that takes 20 % longer from the middle on."""
    return hedged(straggling, 11.0, count, dice, np.where(np.arange(count) < count // 2, 1.0, 1.2))


def in_bursts(count: int, dice: Dice) -> Calls:
    """Return hedged calls of a target that now and then takes 8 times as long, for 40 calls on average."""
    lengths = dice.exponential([300.0, 40.0], (2 + count // 150, 2)).astype(int) + 1
    slow = np.repeat(np.tile([1.0, 8.0], len(lengths)), lengths.ravel())
    while len(slow) < count:
        slow = np.concatenate([slow, slow])
    begins = int(dice.integers(len(slow)))
    return hedged(lognormal(4.642, 0.3853), 11.0, count, dice, np.roll(slow, begins)[:count])


def steady(count: int, dice: Dice) -> Calls:
    """Return calls of a target that always takes about as long, hedged in vain."""
    return hedged(lognormal(20.0, 0.01), 20.35, count, dice)


TRUTHS: dict[str, Callable[[int, Dice], Calls]] = {
    "stragglers, hedged": lambda count, dice: hedged(straggling, 11.0, count, dice),
    "two modes, hedged": lambda count, dice: hedged(bimodal, 8.0, count, dice),
    "failures, retried": retried,
    "slow primary, fast replica": lambda count, dice: elsewhere(75.0, 19.0, count, dice),
    "drift of 20 %, hedged": drifting,
    "bursts, hedged": in_bursts,
    "steady, hedged": steady,
    "replica no better": lambda count, dice: elsewhere(20.0, 20.0, count, dice),
}


def true_ratio(calls: Calls, quantile: float) -> float:
    """Return the ratio of the quantiles; never ending: ``inf``."""
    place = int(quantile * len(calls.call))
    alone, call = (float(np.partition(each, place)[place]) for each in (calls.alone, calls.call))
    return alone / call


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────


def pairs_of(calls: Calls) -> Pairs:
    """Return what the engine would keep of the *calls*."""
    pairs, alone = Pairs("alone"), np.where(calls.known, calls.alone, math.nan)
    for call, each, age in zip(calls.call.tolist(), alone.tolist(), calls.age.tolist(), strict=True):
        pairs.add(call, each, age=age)
    return pairs


class Found(NamedTuple):
    """Hold the true ratio, how often an estimate was told, and what became of those."""

    truth: float
    told: float
    coverage: float
    bias: float
    width: float
    measurable: float

    @classmethod
    def of(cls, truth: float, told: list[ub.Speedup | None]) -> Found:
        """Return how good the estimates are that were *told*."""
        known = [each for each in told if each is not None]
        if not known or not math.isfinite(truth):
            return cls(truth, len(known) / len(told), *[math.nan] * 3, measurable=0.0)
        held = [each.low * (1.0 - EXACT) <= truth <= each.high * (1.0 + EXACT) for each in known]
        return cls(
            truth,
            len(known) / len(told),
            sum(held) / len(known),
            sum(each.ratio for each in known) / len(known) / truth - 1.0,
            sum(each.high - each.low for each in known) / len(known) / truth,
            sum(each.is_measurable for each in known) / len(told),
        )


def drawn(
    name: str, repeated: int, count: int, seed: int, *, quantiles: tuple[float, ...] = (MEDIAN, TAIL), many: int = MANY
) -> dict[float, Found]:
    """Return what the estimator makes of draws of the truth of that *name*."""
    dice = np.random.default_rng([seed, *name.encode()])
    law = TRUTHS[name]
    truth = Calls(*map(np.concatenate, zip(*(law(MOST_KEPT, dice) for _ in range(many // MOST_KEPT)), strict=True)))
    told: dict[float, list[ub.Speedup | None]] = {quantile: [] for quantile in quantiles}
    for _ in range(repeated):
        pairs = pairs_of(law(count, dice))
        for quantile, found in told.items():
            found.append(pairs.estimate(quantile))
    return {quantile: Found.of(true_ratio(truth, quantile), found) for quantile, found in told.items()}


# ── through the engine ───────────────────────────────────────────────────────────────────────────────────────────────


class Pinned(ub.QuantumSimulationEngine):
    """An engine under one plan, so that there is a true speed-up that learning does not move."""

    strategy = Plan()

    def choose_for(self, node: Any) -> None:
        """Put the plan in force, for good."""
        node.new_chooser = lambda _: self
        node.target.adopt(self.strategy)

    def plan(self, target: str, before: Plan, traffic: Any, dice: Any) -> Plan:
        """Return the plan."""
        return self.strategy

    @property
    def pairs(self) -> Pairs:
        """Return what is known of the only job."""
        ((_, job),) = self._jobs.values()
        return job.pairs

    def compare(self, *_: Any) -> None:
        """Learn nothing."""

    def measure(self, target: str, quick: Any, detours: Any, lost: int) -> None:
        """Take no notice: the job keeps what is measured."""


PLAN = Plan(effects="none", deadline=1.0, retry=Retry(3, backoff=Backoff(0.01)), budget=None)
COPIES = Hedge(0.011, threads=False)


class World(NamedTuple):
    """Hold how long an attempt takes in milliseconds, how often it fails, the plan, and a replica, if there is one."""

    draw: Callable[[int, Dice], Numbers]
    fails: float = 0.0
    hedge: Hedge | None = COPIES
    replica: Callable[[int, Dice], Numbers] | None = None


WORLDS = {
    "stragglers, hedged": World(straggling),
    "failures, retried": World(lognormal(20.0, 0.4), fails=0.05, hedge=None),
    "slow primary, fast replica": World(lognormal(75.0, 0.4), fails=0.01, hedge=None, replica=lognormal(19.0, 0.4)),
    "stragglers, replica, hedged": World(straggling, replica=lognormal(3.0, 0.4)),
    "steady": World(lognormal(20.0, 0.01), hedge=Hedge(0.0205, threads=False)),
}


async def called(world: World, engine: Pinned, count: int, dice: Dice) -> Calls:
    """Make so many calls; return how long each took, and what its first attempt would have taken by the primary way."""
    call, alone = np.full(count, math.inf), np.full(count, math.inf)
    seconds = [world.draw(count, dice) / 1e3 for _ in range(8)]
    failing = dice.random((8, count)) < world.fails
    others = seconds if world.replica is None else [world.replica(count, dice) / 1e3 for _ in range(8)]

    def way(drawn: list[Numbers]) -> Callable[[ub.Context], Any]:
        async def attempt(ctx: ub.Context) -> None:
            number, again = ctx.input, min(7, (ctx.attempt - 1) * 2 + ctx.rival)
            fails = failing[again, number] and drawn is seconds
            await ASYNCIO.sleep(0.003 if fails else drawn[again][number])
            if fails:
                raise ConnectionError("reset")

        return attempt

    ways = {} if world.replica is None else {"alternatives": {"replica": way(others)}}
    for number in range(count):
        alone[number] = math.inf if failing[0, number] else seconds[0][number]
        began = ASYNCIO.now()
        try:
            await engine.execute_quantum(way(seconds), number, name="job", effects="none", **ways)
            call[number] = ASYNCIO.now() - began
        except ConnectionError:
            continue
    await ASYNCIO.sleep(1.0)  # until the last first attempts have ended
    return Calls(call, alone, np.full(count, math.nan), np.full(count, True))


def through_engine(name: str, repeated: int, count: int, seed: int) -> dict[float, Found]:
    """Return what the engine says of its own calls in the world of that *name*."""
    dice, world = np.random.default_rng([seed, *name.encode()]), WORLDS[name]
    all_calls, told = [], {MEDIAN: list[Any](), TAIL: list[Any]()}
    for _ in range(repeated):
        with virtual_time(int(dice.integers(2**31))):
            engine = Pinned()
            engine.strategy = PLAN if world.hedge is None else Plan(**{**_fields(PLAN), "hedge": world.hedge})
            all_calls.append(asyncio.run(called(world, engine, count, dice)))
            for quantile, found in told.items():
                found.append(engine.pairs.estimate(quantile))
    truth = Calls(*map(np.concatenate, zip(*all_calls, strict=True)))
    return {quantile: Found.of(true_ratio(truth, quantile), found) for quantile, found in told.items()}


def _fields(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__dataclass_fields__}


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Print a line for each truth and quantile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", action="store_true", help="run the calls through the engine, in virtual time")
    parser.add_argument("--repeat", type=int, help=f"repetitions ({REPEATED:,}, {ENGINE_REPEATED} with --engine)")
    parser.add_argument("--calls", type=int, default=DRAWN)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    repeated = given.repeat or (ENGINE_REPEATED if given.engine else REPEATED)
    measure, names = (through_engine, WORLDS) if given.engine else (drawn, TRUTHS)
    if not given.json:
        how = "through the engine in virtual time" if given.engine else "drawn"
        print(f"{repeated:,} repetitions of {given.calls:,} calls, {how}; seed {given.seed}")
        print(f"{'':<28} {'':>4} {'truth':>7} {'told':>7} {'coverage':>9} {'bias':>7} {'width':>7}  measurable")
    found = {}
    for name in names:
        found[name] = measure(name, repeated, given.calls, given.seed)
        if not given.json:
            show(name, found[name])
    if given.json:
        told = {name: {f"p{100 * p:g}": each._asdict() for p, each in of.items()} for name, of in found.items()}
        print(json.dumps(plain(told)))


def show(name: str, found: dict[float, Found]) -> None:
    """Print what was found of one truth."""
    for quantile, each in found.items():
        if math.isfinite(each.truth) and each.told:
            figures = f"{each.truth:6.3f}x {each.told:7.1%} {each.coverage:9.1%} {each.bias:+7.2%} {each.width:7.2%}"
            line = f"{figures} {each.measurable:11.1%}"
        else:
            truth = f"{each.truth:6.3f}x" if math.isfinite(each.truth) else "endless"  # too many fail alone
            line = f"{truth} {each.told:7.1%}"
        print(f"{name:<28} {f'p{100 * quantile:g}':>4} {line}", flush=True)


if __name__ == "__main__":
    main()
