"""A call whose task nobody keeps goes on all the same: an event loop itself keeps no task that waits."""

from __future__ import annotations

import asyncio
import gc
import math

import unbreakable as ub
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep


def test_a_task_that_nobody_keeps_may_wait_for_ever_for_a_place():
    """The collector finds nothing of it, though no timer is set that would lead to it."""
    done = []

    async def main():
        free = asyncio.Event()

        @ub.protect("partner", bulkhead=ub.Bulkhead(1, wait=math.inf), deadline=math.inf, timeout=False, breaker=False)
        async def ask(number):
            if not number:
                await free.wait()
            done.append(number)

        first = asyncio.create_task(ask(0))
        await sleep(0.0)
        begun = [asyncio.create_task(ask(number)).get_name() for number in (1, 2, 3)]
        await sleep(0.01)
        gc.collect()
        free.set()
        await first
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await sleep(0.001)
        return begun

    assert 3 == len(asyncio.run(main()))
    assert [0, 1, 2, 3] == done
