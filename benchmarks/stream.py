"""What it costs to put an item of 256 bytes and to have it handled, by what it survives, beside the peers.

Every round calls each side in shuffled order, all in one process and on one disk; the figure is the median of the
rounds with its quartiles.  A peer stands with the streams whose items survive what its own survive.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import litequeue
import persistqueue

from unbreakable.nodes import StreamNode

ITEM = "x" * 256
AT_ONCE = 64  # puts at the same time, where they share a sync
Times = tuple[float, float]  # seconds for all puts, and for all items to be handled
Side = Callable[[Path, int], Awaitable[Times]]


async def nothing(item: Any) -> None:
    """Handle an item, or a list of them, at no cost."""


async def asyncio_queue(folder: Path, count: int) -> Times:
    """Put into a queue in memory, and take out."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    began = time.perf_counter()
    for _ in range(count):
        await queue.put(ITEM)
    put = time.perf_counter()
    for _ in range(count):
        await nothing(await queue.get())
        queue.task_done()
    return put - began, time.perf_counter() - put


async def memory_stream(folder: Path, count: int) -> Times:
    """Put into a stream in memory, and take batches out."""
    async with StreamNode(max_buffer=count) as node:
        began = time.perf_counter()
        for _ in range(count):
            await node.put(ITEM)
        put, left = time.perf_counter(), count
        batches = node.batches()
        while left:
            batch = await anext(batches)
            await nothing(batch)
            batch.ack()
            left -= len(batch)
        return put - began, time.perf_counter() - put


def logged_stream(durability: Any, at_once: int = 1, batch: int | None = None) -> Side:
    """Return a stream on disk: items are put while nobody handles them, and handled by the next one on the folder."""

    async def side(folder: Path, count: int) -> Times:
        async with StreamNode(overflow=folder, durability=durability) as node:

            async def some() -> None:
                for _ in range(count // at_once):
                    await node.put(ITEM)

            began = time.perf_counter()
            await asyncio.gather(*(some() for _ in range(at_once)))
            put = time.perf_counter() - began
        async with StreamNode(nothing, overflow=folder, durability=durability, batch=batch) as node:
            began = time.perf_counter()
            await node.drain()
            return put, time.perf_counter() - began

    return side


async def lite_queue(folder: Path, count: int) -> Times:
    """Put into litequeue, and take out with an ack."""
    queue = litequeue.LiteQueue(str(folder / "queue.db"))
    began = time.perf_counter()
    for _ in range(count):
        queue.put(ITEM)
    put = time.perf_counter()
    for _ in range(count):
        message = queue.pop()
        await nothing(message.data)
        queue.done(message.message_id)
    handled = time.perf_counter() - put
    queue.close()
    return put - began, handled


async def persist_queue(folder: Path, count: int) -> Times:
    """Put into persist-queue's queue with acks, and take out."""
    queue = persistqueue.SQLiteAckQueue(str(folder), auto_commit=True)
    began = time.perf_counter()
    for _ in range(count):
        queue.put(ITEM)
    put = time.perf_counter()
    for _ in range(count):
        item = queue.get()
        await nothing(item)
        queue.ack(item)
    handled = time.perf_counter() - put
    queue.close()
    return put - began, handled


SIDES: dict[str, dict[str, Side]] = {
    "nothing": {"unbreakable, memory": memory_stream, "asyncio.Queue": asyncio_queue},
    "kill -9": {
        "unbreakable, process": logged_stream("process"),
        "unbreakable, process, batch=100": logged_stream("process", batch=100),
        "litequeue": lite_queue,
        "persist-queue SQLiteAckQueue": persist_queue,
    },
    "power cut": {
        "unbreakable, durable, one by one": logged_stream("durable"),
        f"unbreakable, durable, {AT_ONCE} at once": logged_stream("durable", AT_ONCE),
    },
}


async def measure(rounds: int, count: int) -> dict[str, list[Times]]:
    """Return the times of every side."""
    sides = {name: side for group in SIDES.values() for name, side in group.items()}
    times: dict[str, list[Times]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as place:
        numbers = itertools.count()
        for _ in range(rounds):
            for name in random.sample(list(sides), len(sides)):
                folder = Path(place) / str(next(numbers))
                folder.mkdir()
                times[name].append(await sides[name](folder, count))
    return times


def line(name: str, times: list[Times], first: list[Times], count: int) -> str:
    """Return a line of the table: each figure, and the ratio of the first line's to it."""
    text = f"  {name:34}"
    for column in (0, 1):
        low, middle, high = (1e6 * each / count for each in statistics.quantiles([each[column] for each in times], n=4))
        ratio = statistics.median(each[column] for each in first) * 1e6 / count / middle
        text += f"{middle:9.2f} ({low:.1f}–{high:.1f})".ljust(27) + (f"{ratio:7.3f}" if times is not first else " " * 7)
    return text


async def main(rounds: int, count: int) -> None:
    """Print the table."""
    times = await measure(rounds, count)
    print(f"µs per item, median (quartiles) of {rounds} rounds × {count} items, Python {sys.version.split()[0]}")
    print(f"  {'':34}{'put':>9}{'':18}{'first/this':>10}{'handle':>9}{'':15}{'first/this':>10}")
    for what, group in SIDES.items():
        print(f"survives {what}")
        for name in group:
            print(line(name, times[name], times[next(iter(group))], count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--items", type=int, default=640)
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.items))
