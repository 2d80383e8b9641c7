"""Who runs loops in ``benchmarks/loops.py``: each begins so many on the running event loop, or in threads.

A side notes how late each tick is by its own grid, where it tells one; of a peer that tells none the grid is the one
that it was asked for, so that its drift counts as lateness up to an interval, and begins anew after that.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Late: TypeAlias = list[float]  # seconds by which ticks were late
Begin: TypeAlias = Callable[[int, float, Late], Awaitable[object]]
SOON = 1.0  # seconds from the moment at which a peer is told of its loops to the first tick of the first
_held: list[object] = []  # an event loop holds its tasks weakly


async def bare(count: int, interval: float, late: Late) -> None:
    """Sleep to each tick of a grid in a task: no deadline, no healing, no figures; the least that it can cost."""

    async def loop(origin: float) -> None:
        tick, now = 0, asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(origin + tick * interval - now())
            late.append(now() - origin - tick * interval)
            tick += 1

    first = time.monotonic()
    _held.extend(asyncio.create_task(loop(first + interval * number / count)) for number in range(count))


async def unbreakable(count: int, interval: float, late: Late, *, is_async: bool = True) -> None:
    """Make them with our engine, and start them one by one over an interval."""
    import unbreakable as ub

    def note() -> None:
        ctx = ub.current()
        assert ctx is not None
        assert ctx.tick is not None
        late.append(time.monotonic() - ctx.tick.nominal)

    async def work() -> None:
        note()

    engine = ub.QuantumLoopEngine()
    operation = work if is_async else note
    loops = [engine.create_loop(operation, name=f"{number}", interval=interval) for number in range(count)]
    _held.append(engine)
    began = time.monotonic()
    for number, loop in enumerate(loops):
        await asyncio.sleep(max(0.0, began + interval * number / count - time.monotonic()))
        if is_async:
            loop.start()
        else:
            await asyncio.to_thread(loop.start)


async def unbreakable_plain(count: int, interval: float, late: Late) -> None:
    """Do the same with plain functions, which have threads."""
    await unbreakable(count, interval, late, is_async=False)


def on_grid(interval: float, phase: float, late: Late) -> None:
    """Note how late a tick is on the grid that was asked for."""
    passed = (time.time() - phase) % interval
    late.append(passed if passed < 0.9 * interval else passed - interval)


async def apscheduler_3(count: int, interval: float, late: Late) -> None:
    """Have them be jobs of the asyncio scheduler of APScheduler 3."""
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    async def work(phase: float) -> None:
        on_grid(interval, phase, late)

    scheduler, first = AsyncIOScheduler(), time.time() + SOON
    for number in range(count):
        phase = first + interval * number / count
        begin = dt.datetime.fromtimestamp(phase, dt.UTC)
        scheduler.add_job(work, "interval", args=[phase], seconds=interval, start_date=begin)
    scheduler.start()
    _held.append(scheduler)


async def apscheduler_4(count: int, interval: float, late: Late) -> None:
    """Have them be schedules of the asyncio scheduler of APScheduler 4, which is not released yet."""
    from apscheduler import AsyncScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    async def work(phase: float) -> None:
        on_grid(interval, phase, late)

    scheduler: Any = AsyncScheduler()
    await scheduler.__aenter__()
    name = f"{count} at {interval} s"
    await scheduler.configure_task(name, func=work)
    _held.append(scheduler)
    first = time.time() + SOON
    for number in range(count):
        phase = first + interval * number / count
        begin = dt.datetime.fromtimestamp(phase, dt.UTC)
        trigger = IntervalTrigger(microseconds=round(1e6 * interval), start_time=begin)
        await scheduler.add_schedule(name, trigger, args=[phase])
    await scheduler.start_in_background()


async def aiocron(count: int, interval: float, late: Late) -> None:
    """Have them be crontabs of aiocron, all at whole seconds, since it knows nothing between."""
    import aiocron as cron

    if interval % 1.0:
        raise ValueError("it knows whole seconds only")

    async def work() -> None:
        on_grid(interval, 0.0, late)

    when = f"* * * * * */{interval:.0f}"
    _held.extend(cron.crontab(when, func=work, tz=dt.UTC) for _ in range(count))


SIDES: dict[str, Begin] = {
    "bare": bare,
    "unbreakable": unbreakable,
    "unbreakable-plain": unbreakable_plain,
    "apscheduler-3": apscheduler_3,
    "apscheduler-4": apscheduler_4,
    "aiocron": aiocron,
}
