"""What is over is let go of by the calls around it, however long they go on."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub


def test_a_call_of_many_attempts_within_a_limit_keeps_none_of_them():
    """Attempts that are over are not kept by their call, however many it makes, and however long it goes on."""
    kept = []

    def work():
        kept.append(len(ub.current().whole.deeds.left))
        raise ConnectionRefusedError

    with ub.testing.virtual_time():
        retry = ub.Retry(500, backoff=ub.Backoff(0.01, most=0.01))
        options = {"effects": "idempotent", "retry": retry, "budget": False, "breaker": False, "deadline": math.inf}
        with pytest.raises(ConnectionRefusedError):
            ub.protect("far", timeout=ub.Timeout(5.0), **options)(work)()
    assert (500, 1) == (len(kept), max(kept))


def test_a_call_that_goes_on_for_long_keeps_nothing_of_what_it_has_left_and_is_over():
    """Calls in threads that were left behind are let go of when they are over: a consumer of messages does not grow."""

    @ub.protect("notify", timeout=ub.Timeout(2.0))
    def notify():
        pass

    @ub.protect("handle")
    async def handle(tasks):
        tasks.add(asyncio.create_task(asyncio.to_thread(notify)))

    @ub.protect("consumer", deadline=math.inf)
    async def consume():
        for _ in range(100):
            tasks = set()
            await handle(tasks)
            await asyncio.wait(tasks)
        await handle(set())
        return len(ub.current().deeds.left)

    assert asyncio.run(consume()) <= 3
