"""What a month of change costs: W10 of the research, thirty days of virtual time, 180 calls an hour.

Latency follows the day, from half to one and a half of its mean.  From day 10 to 12 everything takes three times as
long; from day 20 on the fast replica takes eight times as long, and the primary endpoint is the better one.  *Primary*
knows one endpoint, *ways* both.  The *clairvoyant* knows at each moment which endpoint is the better one, asks it first
and the other one as a rescue, with the same luck; regret is what its score is ahead of ours, in windows of 500 calls
after each change, of all seeds together.  False alarms are drifts that are told more than a day after any change.

    python -m benchmarks.drift --seeds 5
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from benchmarks.truth.figures import POINTS, Figures, quantiles, score

import unbreakable as ub
from unbreakable.testing import virtual_time

DAY, HOUR = 86_400.0, 3_600.0
DAYS, RATE, DEADLINE = 30, 180 / HOUR, 3.0
SLOW, TURNED = (10.0, 12.0), 20.0  # days
MEAN, SPREAD, FAILS, FAULT = (0.075, 0.019), (0.36, 0.39), (0.01, 0.03), 0.003  # primary, replica
WINDOW, WINDOWS = 500, 4
LEARNED = 1.0  # days


class Luck:
    """Draw a month: when calls come, and what the n-th request of a call to an endpoint comes to."""

    def __init__(self, seed: int) -> None:
        dice = np.random.default_rng(seed)
        gaps = dice.exponential(1.0 / RATE, int(DAYS * DAY * RATE * 1.1))
        comes = np.cumsum(gaps)
        self.comes = comes[comes < DAYS * DAY]
        shape = (len(self.comes), 2, 4)
        self.normal, self.uniform = dice.standard_normal(shape), dice.random(shape)

    def answer(self, call: int, endpoint: int, request: int, moment: float) -> tuple[float, bool]:
        """Return after how many seconds the endpoint answers, and whether well."""
        request %= 4
        if self.uniform[call, endpoint, request] < FAILS[endpoint]:
            return FAULT, False
        spread = SPREAD[endpoint]
        drawn = math.exp(spread * self.normal[call, endpoint, request] - spread * spread / 2.0)
        return MEAN[endpoint] * slowness(endpoint, moment) * drawn, True


def slowness(endpoint: int, moment: float) -> float:
    """Return how many times as long as on average answers take at that *moment*."""
    day = moment / DAY
    factor = 1.0 + 0.5 * math.sin(2.0 * math.pi * day)
    if SLOW[0] <= day < SLOW[1]:
        factor *= 3.0
    return factor * 8.0 if endpoint and day >= TURNED else factor


class Month(NamedTuple):
    """Hold how a month went: seconds of each call, ``inf`` for failures; requests; days on which a drift was told."""

    took: Any
    made: Any
    alarms: list[float]


def clairvoyant(luck: Luck, *, ways: bool, attempts: int = 3) -> Month:
    """Return the month of who knows which endpoint is the better one."""
    took, made = np.full(len(luck.comes), math.inf), np.ones(len(luck.comes))
    for call, comes in enumerate(luck.comes):
        best = int(ways and comes < TURNED * DAY)
        spent, asked = 0.0, [0, 0]
        for attempt in range(attempts):
            endpoint = best if not (ways and attempt % 2) else 1 - best
            seconds, fine = luck.answer(call, endpoint, asked[endpoint], comes + spent)
            asked[endpoint], spent = asked[endpoint] + 1, spent + seconds
            made[call] = attempt + 1
            if fine:
                took[call] = spent
                break
    return Month(took, made, [])


def ours(luck: Luck, seed: int, *, ways: bool) -> Month:
    """Return the month of the library, cold, with nothing set but the deadline."""
    took, made, alarms = np.full(len(luck.comes), math.inf), np.zeros(len(luck.comes)), list[float]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        zero, asked = loop.time(), [0, 0]

        async def ask(call: int, endpoint: int) -> None:
            made[call] += 1
            request, asked[endpoint] = asked[endpoint], asked[endpoint] + 1
            seconds, fine = luck.answer(call, endpoint, request, loop.time() - zero)
            await asyncio.sleep(seconds)
            if not fine:
                raise ConnectionError("no answer")

        protect, node = protected(ask, ways=ways)
        for call, comes in enumerate(luck.comes):
            await asyncio.sleep(zero + comes - loop.time())
            began, asked[:] = loop.time(), [0, 0]
            try:
                async with asyncio.timeout(DEADLINE):
                    await protect(call)
                took[call] = loop.time() - began
            except (ub.errors.UnbreakableError, OSError):
                pass
            if not call:
                node().on(ub.events.DriftDetected, lambda event: alarms.append((event.at - zero) / DAY))

    with virtual_time(seed):
        asyncio.run(main())
    return Month(took, made, alarms)


def protected(ask: Callable[[int, int], Any], *, ways: bool) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    """Return the protected call, and what tells its node once it was made."""
    if not ways:

        @ub.protect("service", effects="none", deadline=DEADLINE)
        async def only(call: int) -> None:
            await ask(call, 0)

        return only, lambda: only.node
    engine = ub.QuantumSimulationEngine()
    primary, replica = (lambda ctx, endpoint=endpoint: ask(ctx.input, endpoint) for endpoint in (0, 1))

    async def choose(call: int) -> None:
        others = {"replica": replica}
        await engine.execute_quantum(primary, call, name="service", effects="none", alternatives=others)

    return choose, lambda: next(iter(engine._jobs.values()))[0]  # noqa: SLF001 - its drifts are told to nobody else


def figures(took: Any, made: Any) -> Figures:
    """Return the figures of calls that took so long, ``inf`` for failures, and made so many requests."""
    fine, load = np.isfinite(took), float(made.mean())
    ok, everyone = quantiles(took[fine], DEADLINE), quantiles(np.minimum(took, DEADLINE), DEADLINE)
    return Figures(float(fine.mean()), ok, everyone, load, late=load, worst=math.nan, recovery=math.nan)


def played(seed: int, *, ways: bool) -> dict[str, Month]:
    """Play a month by every rule."""
    luck = Luck(seed)
    return {
        "ours": ours(luck, seed, ways=ways),
        "clairvoyant": clairvoyant(luck, ways=ways),
        "one attempt": clairvoyant(luck, ways=False, attempts=1),
    }


def months(seeds: range, *, ways: bool) -> tuple[dict[str, list[Month]], list[Luck]]:
    """Play every month, on all cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(functools.partial(played, ways=ways), seeds))
    return {name: [month[name] for month in found] for name in found[0]}, [Luck(seed) for seed in seeds]


def regret(found: dict[str, list[Month]], lucks: list[Luck], day: float, window: int) -> float:
    """Return by how much the clairvoyant's score is ahead in the *window*-th 500 calls after that *day*."""
    cuts = []
    for luck in lucks:
        begin = int(np.searchsorted(luck.comes, day * DAY)) + window * WINDOW
        cuts.append(slice(begin, begin + WINDOW))
    base, best, mine = (figures(*pooled(found[name], cuts)) for name in ("one attempt", "clairvoyant", "ours"))
    calls = WINDOW * len(lucks)
    return score(best, base, calls).total - score(mine, base, calls).total


def pooled(run: list[Month], cuts: list[slice]) -> tuple[Any, Any]:
    """Return seconds and requests of the calls that are cut out of each month."""
    parts = [(month.took[cut], month.made[cut]) for month, cut in zip(run, cuts, strict=True)]
    took, made = zip(*parts, strict=True)
    return np.concatenate(took), np.concatenate(made)


def show(title: str, found: dict[str, list[Month]], lucks: list[Luck], changes: tuple[float, ...]) -> bool:
    """Print a table, and return whether the goals are met."""
    print(f"\n{title}: regret in points, by 500 calls after each change; before it, the 500 calls that came last")
    well = True
    for day in changes:
        row = [regret(found, lucks, day, window) for window in range(-1, WINDOWS)]
        well = well and max(row[2:]) <= 2.0
        print(f"  day {day:4.0f}   before {row[0]:6.2f}   after " + " ".join(f"{each:6.2f}" for each in row[1:]))
    quiet = [alarm for month in found["ours"] for alarm in month.alarms if is_false(alarm, changes)]
    weeks = len(lucks) * (DAYS - (1 + len(changes)) * LEARNED) / 7.0
    told = sum(len(month.alarms) for month in found["ours"])
    print(f"  drifts told {told}, of them false {len(quiet)}: {len(quiet) / weeks:.2f} a week")
    for name, run in found.items():
        took = np.concatenate([month.took for month in run])
        fine = took[np.isfinite(took)]
        points = "  ".join(f"{1e3 * float(each):7.1f}" for each in np.quantile(fine, POINTS))
        load = float(np.mean([month.made.mean() for month in run]))
        success = 100 * len(fine) / len(took)
        print(f"  {name:<12} success {success:8.4f} %   p50 p90 p99 p99.9 ms {points}   load {load:.4f}")
    print(f"  within 2 points after 500 calls: {well}; at most one false alarm a week: {len(quiet) <= weeks}")
    return well and len(quiet) <= weeks


def is_false(alarm: float, changes: tuple[float, ...]) -> bool:
    """Return whether nothing has changed in the day before that *alarm*."""
    return not any(0.0 <= alarm - day <= LEARNED for day in (0.0, *changes))


def main() -> None:
    """Play the months, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(1, parser.parse_args().seeds + 1)
    print(f"seeds {seeds.start} to {seeds.stop - 1}, {DAYS} days, {RATE * HOUR:.0f} calls an hour")
    well = [
        show("primary alone", *months(seeds, ways=False), SLOW),
        show("primary and replica", *months(seeds, ways=True), (*SLOW, TURNED)),
    ]
    print(f"\nW10: {all(well)}")


if __name__ == "__main__":
    main()
