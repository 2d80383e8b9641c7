"""What a guarded generator costs: each call of one, and each item, beside the same generator unguarded.

Rounds are interleaved, so that a busy machine is busy for all; medians and quartiles of the rounds, in microseconds.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator

import unbreakable as ub

ROUNDS, CALLS, ITEMS = 31, 200, 5_000


def plain(count: int) -> Iterator[int]:
    """Be a generator."""
    yield from range(count)


async def in_async(count: int) -> AsyncIterator[int]:
    """Be an async generator."""
    for number in range(count):
        yield number


guarded, guarded_async = ub.protect("plain")(plain), ub.protect("async")(in_async)


def read(items: Iterator[int]) -> None:
    """Read all."""
    for _ in items:
        pass


async def read_all(source: Callable[[int], AsyncIterator[int]], calls: int, items: int) -> None:
    """Read all of several calls."""
    for _ in range(calls):
        async for _ in source(items):
            pass


def took(work: Callable[[], object], count: int) -> float:
    """Return how many microseconds each of *count* took."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / count * 1e6


def one_round(loop: asyncio.AbstractEventLoop) -> dict[str, float]:
    """Measure everything once."""
    seen = {}
    for name, source in {"plain": plain, "plain, guarded": guarded}.items():
        seen[f"{name}: a call"] = took(lambda source=source: [read(source(1)) for _ in range(CALLS)], CALLS)
        seen[f"{name}: an item"] = took(lambda source=source: read(source(ITEMS)), ITEMS)
    for name, asource in {"async": in_async, "async, guarded": guarded_async}.items():
        run = loop.run_until_complete
        seen[f"{name}: a call"] = took(lambda s=asource: run(read_all(s, CALLS, 1)), CALLS)  # noqa: B023
        seen[f"{name}: an item"] = took(lambda s=asource: run(read_all(s, 1, ITEMS)), ITEMS)  # noqa: B023
    return seen


def main() -> None:
    """Print the table."""
    loop = asyncio.new_event_loop()
    gc.collect()
    gc.freeze()
    rounds = [one_round(loop) for _ in range(ROUNDS)]
    loop.close()
    print(f"{'µs':28} {'median':>9} {'quartiles':>18}")
    for name in rounds[0]:
        low, middle, high = statistics.quantiles([each[name] for each in rounds], n=4)
        print(f"{name:28} {middle:9.2f} {low:9.2f} {high:8.2f}")


if __name__ == "__main__":
    main()
