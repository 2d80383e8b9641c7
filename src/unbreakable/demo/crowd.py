"""How fast this machine is, and how busy with other things: customers who come too fast would measure nothing else."""

from __future__ import annotations

import asyncio
import sys
from typing import NamedTuple

ABREAST = 2  # processors that a demo keeps at work: its own process and the partners
HARDLY = 1.25  # up to here it is taken for a fast machine of our own
SPARE = 1.5  # a process that gets just what it needs on average is late whenever it gets less
MOST = 8.0  # a demo takes no longer than so many times its usual time: three minutes for each half
USUAL = 0.4  # processor seconds for these rounds on the machine for which the arrivals were chosen
SPIN = """
import time
began, used, total = time.perf_counter(), time.process_time(), 0
for number in range(6_000_000):
    total += number
print(time.process_time() - used, time.perf_counter() - began)
"""


class Pace(NamedTuple):
    """Hold what one process that only computes needed of a processor, and how long it took; both in seconds."""

    used: float
    took: float


async def slowdown() -> float:
    """Return how many times slower customers have to come, 1 on a fast machine that has nothing else to do."""
    paces = await asyncio.gather(*(_spin() for _ in range(ABREAST)))
    return within_reason(max(slower(pace) for pace in paces))


def slower(pace: Pace) -> float:
    """Return the slowdown for one process: for a slow processor, and more than for that where others use it, too."""
    speed, wait = pace.used / USUAL, pace.took / pace.used
    return max(speed, 1.0) * (1.0 if wait < HARDLY else SPARE * wait)


def within_reason(times: float) -> float:
    """Return the slowdown that is worth a word, and that somebody who watches would wait for."""
    return 1.0 if times < HARDLY else min(MOST, times)


async def _spin() -> Pace:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", SPIN, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    told, _ = await process.communicate()
    used, took = map(float, told.split())
    return Pace(used, took)
