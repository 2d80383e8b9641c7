"""What a hit and a miss of a cache cost, and how often it hits, beside the peers, in one process run.

Every round calls each side in shuffled order; the figure is the median of the rounds with its quartiles.  What is
loaded returns at once, so that nothing but the cache is measured.  Every side keeps 10,000 values for an hour.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import random
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiocache
import async_lru
import cachetools
import cashews

from unbreakable.nodes import CacheNode

ROUNDS, CALLS = 31, 500
TTL, ROOM = 3600, 10_000

Times = dict[str, list[float]]


async def read(key: Any) -> Any:
    """Do nothing."""
    return key


def read_sync(key: Any) -> Any:
    """Do nothing."""
    return key


def async_sides() -> dict[str, Callable[[Any], Awaitable[Any]]]:
    """Return what reads a key through each cache."""
    shared = cashews.Cache()
    shared.setup("mem://", size=ROOM)
    return {
        "bare": read,
        "unbreakable": CacheNode(TTL, max_size=ROOM, loader=read).get,
        "async-lru": async_lru.alru_cache(maxsize=ROOM, ttl=TTL)(read),
        "aiocache": aiocache.cached(ttl=TTL)(read),
        "cashews": shared(ttl=TTL, key="{key}")(read),
    }


def sync_sides() -> dict[str, Callable[[Any], Any]]:
    """Return what reads a key through each cache that threads may share."""
    return {
        "bare": read_sync,
        "unbreakable": CacheNode(TTL, max_size=ROOM, loader=read_sync).get_sync,
        "cachetools TTLCache": cachetools.cached(cachetools.TTLCache(ROOM, TTL), lock=threading.RLock())(read_sync),
        "cachetools LRUCache, no ttl": cachetools.cached(cachetools.LRUCache(ROOM), lock=threading.RLock())(read_sync),
    }


async def time_async(side: Callable[[Any], Awaitable[Any]], keys: list[Any]) -> float:
    """Return the seconds that the calls take."""
    started = time.perf_counter()
    for key in keys:
        await side(key)
    return time.perf_counter() - started


def time_sync(side: Callable[[Any], Any], keys: list[Any]) -> float:
    """Return the seconds that the calls take."""
    started = time.perf_counter()
    for key in keys:
        side(key)
    return time.perf_counter() - started


def table(title: str, times: Times) -> None:
    """Print microseconds per call: median and quartiles, and the ratio of our median to each peer's."""
    ours, version = statistics.median(times["unbreakable"]), sys.version.split()[0]
    print(f"\n{title}: µs per call, median (quartiles) of {ROUNDS} rounds × {CALLS} calls, Python {version}")
    for name, seconds in times.items():
        low, middle, high = (1e6 * each / CALLS for each in statistics.quantiles(seconds, n=4))
        line = f"  {name:30} {middle:8.2f} ({low:.2f}–{high:.2f})"
        print(line if name in ("bare", "unbreakable") else f"{line}   ours / this: {ours / middle / CALLS * 1e6:.3f}")


async def measure_async(*, fresh: bool) -> Times:
    """Return the times of every async side, on keys that are *fresh* in each round or always the same one."""
    sides = async_sides()
    times: Times = {name: [] for name in sides}
    for number in range(ROUNDS):
        keys = [f"{number}-{each}" for each in range(CALLS)] if fresh else ["key"] * CALLS
        for name in random.sample(list(sides), len(sides)):
            times[name].append(await time_async(sides[name], keys))
    return times


def measure_sync(*, fresh: bool) -> Times:
    """Return the times of every sync side, in the same way."""
    sides = sync_sides()
    times: Times = {name: [] for name in sides}
    for number in range(ROUNDS):
        keys = [f"{number}-{each}" for each in range(CALLS)] if fresh else ["key"] * CALLS
        for name in random.sample(list(sides), len(sides)):
            times[name].append(time_sync(sides[name], keys))
    return times


# ── hit ratios ──────────────────────────────────────────────────────────────────────────────────────────────────────


def zipf(count: int, keys: int, passers_by: float) -> list[Any]:
    """Return keys of which the most popular come most often; a share of *passers_by* comes once."""
    dice, weights = random.Random(11), list(itertools.accumulate(1 / rank**0.9 for rank in range(1, keys + 1)))
    return [
        ("once", number) if dice.random() < passers_by else bisect.bisect(weights, dice.random() * weights[-1])
        for number in range(count)
    ]


def ratio(side: Callable[[Any], Any], loads: list[Any], trace: list[Any]) -> float:
    """Return the share of the requests that needed no load."""
    for key in trace:
        side(key)
    return 1 - len(loads) / len(trace)


def ratios(room: int = 2_000) -> None:
    """Print how often each way of making room hits, with far more keys than room."""
    print(f"\nhit ratio, 200,000 requests for 100,000 keys (Zipf 0.9), room for {room}; the same with 30 % passers-by")
    makers: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
        "unbreakable (S3-FIFO)": lambda load: CacheNode(max_size=room, loader=load, budget=False).get_sync,
        "cachetools LRU": cachetools.cached(cachetools.LRUCache(room)),
        "cachetools LFU": cachetools.cached(cachetools.LFUCache(room)),
        "cachetools TTL": cachetools.cached(cachetools.TTLCache(room, TTL)),
    }
    traces = [zipf(200_000, 100_000, share) for share in (0.0, 0.3)]
    for name, make in makers.items():
        figures = []
        for trace in traces:
            loads: list[Any] = []
            figures.append(ratio(make(lambda key, loads=loads: loads.append(key)), loads, trace))  # type: ignore[misc]
        print(f"  {name:30} {figures[0]:8.3f} {figures[1]:8.3f}")


if __name__ == "__main__":
    table("async hit", asyncio.run(measure_async(fresh=False)))
    table("async miss", asyncio.run(measure_async(fresh=True)))
    table("sync hit", measure_sync(fresh=False))
    table("sync miss", measure_sync(fresh=True))
    ratios()
