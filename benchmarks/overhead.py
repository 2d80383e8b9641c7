"""What a protected call costs when all is well, beside the peers, in one process run.

Every round calls each side in shuffled order; the figure is the median of the rounds with its quartiles.  The work is a
function that returns at once, so that nothing but the protection is measured.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import nopanic
import stamina
import tenacity

import unbreakable as ub

ROUNDS, CALLS = 41, 1_000


async def async_work() -> int:
    """Do nothing."""
    return 7


def sync_work() -> int:
    """Do nothing."""
    return 7


def async_sides() -> dict[str, Callable[[], Any]]:
    """Return the async work behind each protection."""
    stack = nopanic.compose(nopanic.retry(), nopanic.circuit_breaker(), nopanic.timeout(5), nopanic.bulkhead(64))
    return {
        "bare": async_work,
        "unbreakable": ub.protect("bench", effects="none", bulkhead=ub.Bulkhead(64), hedge=False)(async_work),
        "unbreakable, defaults": ub.protect("bench", hedge=False)(async_work),
        "nopanic retry+breaker+timeout+bulkhead": stack(async_work),
        "tenacity retry": tenacity.retry(stop=tenacity.stop_after_attempt(3))(async_work),
        "stamina retry": stamina.retry(on=Exception, attempts=3)(async_work),
    }


def sync_sides() -> dict[str, Callable[[], Any]]:
    """Return the sync work behind each protection."""
    stack = nopanic.compose(nopanic.retry(), nopanic.circuit_breaker(), nopanic.bulkhead(64))
    return {
        "bare": sync_work,
        "unbreakable": ub.protect("bench", effects="none", bulkhead=ub.Bulkhead(64), hedge=False)(sync_work),
        "unbreakable, defaults": ub.protect("bench", hedge=False)(sync_work),
        "nopanic retry+breaker+bulkhead": stack(sync_work),
        "tenacity retry": tenacity.retry(stop=tenacity.stop_after_attempt(3))(sync_work),
        "stamina retry": stamina.retry(on=Exception, attempts=3)(sync_work),
    }


async def time_async(work: Callable[[], Any]) -> float:
    """Return the seconds of CALLS calls."""
    started = time.perf_counter()
    for _ in range(CALLS):
        await work()
    return time.perf_counter() - started


def time_sync(work: Callable[[], Any]) -> float:
    """Return the seconds of CALLS calls."""
    started = time.perf_counter()
    for _ in range(CALLS):
        work()
    return time.perf_counter() - started


def table(title: str, times: dict[str, list[float]]) -> None:
    """Print microseconds per call: median and quartiles, and the ratio of our median to each peer's."""
    ours = statistics.median(times["unbreakable"])
    version = sys.version.split()[0]
    print(f"\n{title}: µs per call, median (quartiles) of {ROUNDS} rounds × {CALLS} calls, Python {version}")
    for name, seconds in times.items():
        low, middle, high = (1e6 * each / CALLS for each in statistics.quantiles(seconds, n=4))
        line = f"  {name:42} {middle:8.2f} ({low:.2f}–{high:.2f})"
        if not name.startswith(("unbreakable", "bare")):
            line += f"   ours / this: {ours / statistics.median(seconds):.3f}"
        print(line)


async def measure_async() -> dict[str, list[float]]:
    """Return the times of every async side, in shuffled order within each round."""
    sides = async_sides()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name in random.sample(list(sides), len(sides)):
            times[name].append(await time_async(sides[name]))
    return times


def measure_sync() -> dict[str, list[float]]:
    """Return the times of every sync side, in shuffled order within each round."""
    sides = sync_sides()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name in random.sample(list(sides), len(sides)):
            times[name].append(time_sync(sides[name]))
    return times


if __name__ == "__main__":
    table("async", asyncio.run(measure_async()))
    table("sync", measure_sync())
