"""A program of a peer whose loop has one bad iteration, as ``faulty.py`` is one of ours; a second loop runs beside it.

    peers.py FAULT SIDE FOLDER

Each peer is set up as its documentation shows it, with what it keeps in memory; only where the disk is the fault does
the one that can keep its jobs in a file.  *bare* is the loop that people write themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.table.faulty import ASYNC, INTERVAL, note, step, step_async

AT, SOON = 20, 3  # the iteration that is bad; and of what ticks each second only
ctx = types.SimpleNamespace(iteration=0)
given: list[str] = []  # fault, side, folder: what is kept in a file knows functions by their names


def tick() -> None:
    """Begin an iteration, which may be the bad one."""
    fault, side, folder = given
    ctx.iteration += 1
    step(fault, folder, SOON if side == "aiocron" else AT, ctx)


async def tick_async() -> None:
    """Do the same on the event loop."""
    fault, side, folder = given
    ctx.iteration += 1
    await step_async(fault, folder, SOON if side == "aiocron" else AT, ctx)


def beside() -> None:
    """Note that the loop beside goes on."""
    note(given[2], "beside")


def operation() -> Callable[[], Any]:
    """Return the one that is bad, in the colour that its fault needs."""
    return tick_async if given[0] in ASYNC else tick


async def bare() -> None:
    """Call, log what goes wrong, sleep: each loop a task."""

    async def loop(work: Callable[[], Any]) -> None:
        while True:
            try:
                value = work()
                if value is not None:
                    await value
            except Exception:
                logging.getLogger(__name__).exception("an iteration has failed")
            await asyncio.sleep(INTERVAL)

    await asyncio.gather(loop(operation()), loop(beside))


async def apscheduler_3() -> None:
    """Have both be jobs of the asyncio scheduler of APScheduler 3."""
    from apscheduler.schedulers.asyncio import AsyncIOScheduler
    from tests.faults.table import peers  # its own name, by which it is found in a file

    peers.given[:] = given
    scheduler = AsyncIOScheduler()
    if (Path(given[2]) / "on disk").exists():
        (Path(given[2]) / "state").mkdir(exist_ok=True)
        scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{given[2]}/state/jobs.db")
    for work in (getattr(peers, operation().__name__), peers.beside):
        scheduler.add_job(work, "interval", seconds=INTERVAL, id=work.__name__)
    scheduler.start()
    await asyncio.Event().wait()


async def apscheduler_4() -> None:
    """Have both be schedules of the scheduler of APScheduler 4, which is not released yet."""
    from apscheduler import AsyncScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    async with AsyncScheduler() as scheduler:
        for work in (operation(), beside):
            await scheduler.add_schedule(work, IntervalTrigger(microseconds=round(1e6 * INTERVAL)), id=work.__name__)
        await scheduler.run_until_stopped()


async def aiocron() -> None:
    """Have both be crontabs of aiocron."""
    import aiocron as cron

    held = [cron.crontab("* * * * * */1", func=work) for work in (operation(), beside)]
    await asyncio.Event().wait()
    del held


SIDES = {"bare": bare, "apscheduler 3": apscheduler_3, "apscheduler 4": apscheduler_4, "aiocron": aiocron}


def main() -> None:
    """Run the program until it is killed."""
    given[:] = sys.argv[1:]
    logging.basicConfig()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(SIDES[given[1]]())


if __name__ == "__main__":
    main()
