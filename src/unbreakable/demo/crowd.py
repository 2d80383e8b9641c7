"""How busy this machine is with other things: customers who come too fast for it would measure nothing else."""

from __future__ import annotations

import asyncio
import sys

ABREAST = 2  # processors that a demo keeps at work: its own process and the partners
HARDLY = 1.25  # up to here it is taken for a machine of our own
SPARE = 1.5  # a process that gets just what it needs on average is late whenever it gets less
MOST = 8.0  # a demo takes no longer than so many times its usual time: three minutes for each half
SPIN = """
import time
began, used = time.perf_counter(), time.process_time()
while time.process_time() - used < 0.4:
    pass
print((time.perf_counter() - began) / 0.4)
"""


async def slowdown() -> float:
    """Return how many times slower customers have to come, 1 on a machine that has nothing else to do."""
    return within_reason(max(await asyncio.gather(*(_spin() for _ in range(ABREAST)))))


def within_reason(waited: float) -> float:
    """Return the slowdown where processor time takes so many times longer to get than on an idle machine."""
    return 1.0 if waited < HARDLY else min(MOST, SPARE * waited)


async def _spin() -> float:
    """Return how many times longer than its processor time a process takes that only computes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", SPIN, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    told, _ = await process.communicate()
    return float(told)
