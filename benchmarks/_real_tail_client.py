"""One side of the comparison, in a process of its own that lives as long as its world does and plays rounds as told.

It reads a round as a line of JSON, its number and when its calls come, and prints a line of JSON: how many seconds
after it was due each call was over, whether it had an answer, and which errors there were.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter
from typing import Any

import numpy as np  # noqa: F401 - at hand when the first plan is made: no process is new for long
from benchmarks._real_tail_sides import SIDES, Ask

LOADS = 9  # more tries


async def played(ask: Ask, prefix: str, comes: list[float]) -> dict[str, Any]:
    """Make the calls of a round, each when it is due, however many are under way; return what came of them."""
    loop, errors = asyncio.get_running_loop(), Counter[str]()
    took, fine = [0.0] * len(comes), [False] * len(comes)
    begin = loop.time()

    async def one(number: int) -> None:
        try:
            await ask(f"{prefix}/{number}")
            fine[number] = True
        except Exception as error:
            errors[type(error).__name__] += 1
        took[number] = loop.time() - begin - comes[number]

    tasks = []
    for number, at in enumerate(comes):
        await asyncio.sleep(begin + at - loop.time())
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return {"took": took, "fine": fine, "errors": errors}


async def load(ask: Ask) -> None:
    """Make a call, so that what is only loaded when one is made is there; again if that took too long."""
    for last in (*[False] * LOADS, True):
        try:
            await ask("/hello")
            break
        except Exception:
            if last:
                raise


async def main(side: str, deadline: str, *urls: str) -> None:
    """Play rounds until there are no more."""
    ask = SIDES[side](list(urls), float(deadline))
    await load(ask)
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        gc.collect()
        print(json.dumps(await played(ask, f"/{side}/{told['round']}", told["comes"])), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
