"""What is over is let go of by the calls around it, however long they go on."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING


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


def test_attempts_that_their_limit_has_left_in_a_thread_are_let_go_of_when_that_is_over():
    """A consumer whose plain work is cut again and again keeps what is still at work, and no more."""
    slow = ub.FractalNode("slow", timeout=ub.Timeout(0.1), retry=False, breaker=False)

    @ub.protect("consumer", deadline=math.inf)
    async def consume():
        for _ in range(50):
            assert not (await slow.execute(lambda: BLOCKING.world.sleep(1.0))).ok
            await ASYNCIO.sleep(2.0)
        return len(ub.current().deeds.left)

    with ub.testing.virtual_time():
        assert asyncio.run(consume()) <= 1


def test_what_is_over_is_let_go_of_though_it_had_left_something_itself():
    """Calls that leave calls behind which leave others behind are let go of when all of them are over."""
    tasks = set()

    def begin(work):
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    @ub.protect("deep")
    async def deep():
        await ASYNCIO.sleep(0.3)

    @ub.protect("notify")
    async def notify():
        await ASYNCIO.sleep(0.1)
        begin(deep())
        await ASYNCIO.sleep(0.01)  # by then it is under way

    @ub.protect("handle")
    async def handle():
        begin(notify())
        await ASYNCIO.sleep(0.01)

    @ub.protect("consumer", deadline=math.inf)
    async def consume():
        for _ in range(50):
            await handle()
            await ASYNCIO.sleep(1.0)
        return len(ub.current().deeds.left)

    with ub.testing.virtual_time():
        assert asyncio.run(consume()) <= 3
