"""One measurement of ``benchmarks/loops.py``, in a process of its own; what it prints is JSON."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import json
import logging
import math
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the benchmarks are, for the Python of a peer

from benchmarks._loops_sides import SIDES, Late

TEN_MS = 0.01
Figures = dict[str, float | None]


def quantile(late: Late, share: float) -> float | None:
    """Return the quantile of *late* in milliseconds."""
    ordered = sorted(late)
    return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def rss() -> int:
    """Return the kilobytes of memory that this process holds."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def paced(side: str, count: int, interval: float, seconds: float, beside: bool) -> Figures:
    """Return how late *count* loops are, and one of 10 ms *beside* them; what they cost while they run."""
    late: Late = []
    late_ten: Late = []
    await SIDES[side](1, 10.0, [])  # what it has to import is no part of a loop
    held, began, cpu = rss(), time.monotonic(), time.process_time()
    await SIDES[side](count, interval, late)
    figures: Figures = {"begin_us": 1e6 * (time.process_time() - cpu) / count, "begin_s": time.monotonic() - began}
    await asyncio.sleep(min(2 * interval, 3.0))
    gc.collect()
    gc.freeze()  # a whole collection takes longer than a tick; whoever has so many objects does that
    figures["kb"] = (rss() - held) / count
    if beside:
        try:
            await SIDES[side](1, TEN_MS, late_ten)
        except ValueError:
            beside = False
    await asyncio.sleep(2.0)  # what was held up, and what a first lesson loads, is no part of what is watched
    late.clear()
    late_ten.clear()
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    spent, took = time.process_time() - cpu, time.monotonic() - began
    expected = took * (count / interval + (1 / TEN_MS if beside else 0.0))
    figures |= {
        "ran": (len(late) + len(late_ten)) / expected,
        "cpu_us": 1e6 * spent / max(1, len(late) + len(late_ten)),
    }
    figures |= {"p50": quantile(late, 0.5), "p99": quantile(late, 0.99)}
    figures |= {"ten_p50": quantile(late_ten, 0.5), "ten_p99": quantile(late_ten, 0.99)}
    return figures


async def work() -> None:
    """Do nothing."""


def plain() -> None:
    """Do nothing."""


async def timed(count: int, step: Callable[[], Any]) -> float:
    """Return the microseconds of processor time that each of *count* steps takes."""
    cpu = time.process_time()
    for _ in range(count):
        await step()
        await asyncio.sleep(0)
    return 1e6 * (time.process_time() - cpu) / count


async def ours(count: int, operation: Callable[[], Any]) -> float:
    """Return the same of iterations of a loop without an interval, on the running event loop."""
    import unbreakable as ub

    loop = ub.QuantumLoopEngine().create_loop(operation, name="bench", interval=0, max_iterations=count)
    cpu = time.process_time()
    loop.start()
    await loop.wait()
    return 1e6 * (time.process_time() - cpu) / count


def ours_in_thread(count: int) -> float:
    """Return the same of plain iterations in a thread."""
    import unbreakable as ub

    loop = ub.QuantumLoopEngine().create_loop(plain, name="bench", interval=0, max_iterations=count)
    cpu = time.process_time()
    loop.start()
    loop.wait_sync()
    return 1e6 * (time.process_time() - cpu) / count


async def in_task() -> None:
    """Do nothing in a task of its own within a time limit, as a bare loop would that wants to outlive a hang."""
    async with asyncio.timeout(30):
        await asyncio.get_running_loop().create_task(work())


def overhead(count: int) -> Figures:
    """Return what an iteration costs that does nothing, one after the other."""
    rounds = []
    for _ in range(3):
        with asyncio.Runner() as runner:
            bare, task = runner.run(timed(count, work)), runner.run(timed(count, in_task))
            on_loop, plain_on_loop = runner.run(ours(count, work)), runner.run(ours(count, plain))
        rounds.append((bare, task, on_loop, plain_on_loop, ours_in_thread(count)))
    names = ("bare", "bare, a task and a limit each", "async", "plain on an event loop", "plain in a thread")
    return {name: sorted(times)[1] for name, times in zip(names, zip(*rounds, strict=True), strict=True)}


def failing(count: int, seconds: float) -> Figures:
    """Return what *count* failing iterations cost, in virtual time, and by how much memory grows after a tenth."""
    import unbreakable as ub
    from unbreakable.testing import virtual_time

    def fail() -> None:
        raise ConnectionResetError("the partner hung up")

    with virtual_time(seed=1) as clock:
        loop = ub.QuantumLoopEngine().create_loop(
            fail, name="bench", interval=1.0, max_iterations=count, effects="once"
        )
        loop.start()
        done, held, early, cpu = 0, None, 0, time.process_time()
        while loop.is_running and time.process_time() - cpu < seconds:
            clock.advance(100 * 60.0)
            done = loop.get_status().current_iteration
            if held is None and done >= count / 10:
                gc.collect()
                held, early = rss(), done
        took = time.process_time() - cpu
        gc.collect()
        grown = None if held is None else float(rss() - held)
        loop.stop_sync(0)
    return {"iterations": float(done), "us": 1e6 * took / done, "grown_kb": grown, "after": float(early)}


def drift(count: int, seconds: float) -> Figures:
    """Return by how much the worst of *count* ticks of five minutes is off, in virtual time, and what they cost."""
    import unbreakable as ub
    from unbreakable.runtime import BLOCKING
    from unbreakable.testing import virtual_time

    off = missed = done = 0.0

    def tick() -> None:
        nonlocal off, missed, done
        ctx = ub.current()
        assert ctx is not None
        assert ctx.tick is not None
        off, missed, done = max(off, abs(BLOCKING.now() - ctx.tick.nominal)), missed + ctx.tick.missed, done + 1

    with virtual_time(seed=1) as clock:
        loop = ub.QuantumLoopEngine().create_loop(tick, name="bench", interval=300.0, max_iterations=count)
        loop.start()
        cpu = time.process_time()
        while loop.is_running and time.process_time() - cpu < seconds:
            clock.advance(300.0 * 1_000)
        took = time.process_time() - cpu
        loop.stop_sync(0)
    return {"ticks": done, "us": 1e6 * took / done, "off_ms": 1e3 * off, "missed": missed}


def years(count: float, _: float) -> Figures:
    """Return what *count* virtual years of a loop of five minutes and one by the calendar cost, one run in 100 failing.

    ``off`` is by how many their ledgers are not the ticks that there were.
    """
    import unbreakable as ub
    from unbreakable.testing import virtual_time

    dice, seconds = random.Random(7), count * 365.25 * 86_400.0

    def flaky() -> None:
        if dice.random() < 0.01:
            raise ConnectionResetError("the partner hung up")

    with virtual_time(seed=1, at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as clock:
        engine = ub.QuantumLoopEngine()
        loops = [engine.create_loop(flaky, name="grid", interval=300.0)]
        loops.append(engine.create_loop(flaky, name="days", schedule="CRON_TZ=Europe/Berlin 30 2 * * *"))
        cpu = time.process_time()
        for loop in loops:
            loop.start()
        clock.advance(seconds - 1.0)
        took = time.process_time() - cpu
        grid, days = ((ledger := loop.get_status().ledger).total + ledger.pending for loop in loops)
        engine.aclose_sync(0)
    off = abs(grid - math.ceil(seconds / 300.0)) + abs(
        days - math.ceil((seconds - 5_400.0) / 86_400.0)
    )  # at 1:30 by UTC
    return {"years": count, "seconds": took, "off": float(off)}


def main(what: str, *given: str) -> None:
    """Measure, print, and leave without a word to whatever runs."""
    logging.disable()
    if what == "paced":
        side, count, interval, seconds, beside = given
        result = asyncio.run(paced_and_gone(side, int(count), float(interval), float(seconds), beside == "1"))
    elif what == "overhead":
        result = overhead(int(given[0]))
    else:
        how: dict[str, Callable[[Any, float], Figures]] = {"failing": failing, "drift": drift, "years": years}
        result = how[what](float(given[0]) if what == "years" else int(given[0]), float(given[1]))
    print(json.dumps(result), flush=True)


async def paced_and_gone(side: str, count: int, interval: float, seconds: float, beside: bool) -> Figures:
    """Print the figures of ``paced``, and end the process: peers have much to say at their end."""
    print(json.dumps(await paced(side, count, interval, seconds, beside)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
