"""One load for all who ask, whoever of them is cancelled."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep


def many(cache, number, key="k"):
    return [asyncio.ensure_future(cache.get(key)) for _ in range(number)]


async def ends(tasks):
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_hundred_callers_are_served_by_one_load(new_loader, play):
    """Whoever comes while the value is on its way waits for it."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader()))
        early = many(cache, 50)
        await sleep(0.5)
        values = await ends([*early, *many(cache, 50)])
        status = cache.get_status()
        return set(values), loader.began, (status.hits, status.misses, status.loads, status.in_flight)

    assert ({1}, 1, (0, 100, 1, 0)) == play(story)


@pytest.mark.parametrize("victim", [0, 1, 9])
def test_a_cancelled_caller_goes_alone(victim, new_loader, play):
    """Be it the one who began the load or another: the other nine get the value of the one load."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader()))
        callers = many(cache, 10)
        await sleep(0.5)
        callers[victim].cancel()
        values = await ends(callers)
        return [type(values.pop(victim)).__name__, set(values), loader.began, await cache.get("k")]

    assert ["CancelledError", {1}, 1, 1] == play(story)


def test_a_load_that_nobody_waits_for_is_cancelled(new_loader, play):
    """With the last caller goes the load; the next one begins afresh, and no failure is counted."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader()))
        callers = many(cache, 3)
        await sleep(0.5)
        for caller in callers:
            caller.cancel()
        await ends(callers)
        left = (loader.began, loader.ended, cache.get_status().in_flight)
        value = await cache.get("k")
        status = cache.get_status()
        return left, value, (status.loads, status.load_failures, status.node.failure_count)

    left, value, counts = play(story)
    assert (1, 1, 0) == left
    assert 2 == value
    assert (2, 0, 0) == counts


def test_a_load_that_is_cancelled_before_it_begins_bars_nobodys_way(new_loader, play):
    """Who cancels all tasks in the very turn in which a load was asked for leaves nothing behind."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader()))
        caller = asyncio.ensure_future(cache.get("k"))
        await asyncio.sleep(0)  # noqa: TID251 - one turn: the load is there and has not begun
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        (end,) = await ends([caller])
        return type(end).__name__, loader.began, cache.get_status().in_flight, await cache.get("k")

    assert ("CancelledError", 0, 0, 1) == play(story)


def test_who_comes_while_a_load_is_being_cancelled_begins_another(play):
    """A load that takes its time to end, wanted by nobody, holds nobody up."""

    async def story():
        async def load(key):
            began.append(ASYNCIO.now())
            try:
                await sleep(1 if len(began) > 1 else 100)
            finally:
                await sleep(10)
            return "here"

        began = []
        cache = CacheNode(loader=load)
        (caller,) = many(cache, 1)
        await sleep(1)
        caller.cancel()
        await sleep(1)
        value = await cache.get("k")
        return value, began[1] - began[0], ASYNCIO.now() - began[1]

    value, waited, took = play(story)
    assert "here" == value
    assert 2.0 == pytest.approx(waited)
    assert 11.0 == pytest.approx(took)


def test_callers_who_come_and_go_leave_no_trace_on_a_load(new_loader, play):
    """A thousand who gave up while one goes on waiting are forgotten."""

    async def story():
        cache = CacheNode(loader=new_loader(20.0))
        (patient,) = many(cache, 1)
        for _ in range(20):
            hurried = many(cache, 50)
            await sleep(0.1)
            for caller in hurried:
                caller.cancel()
            await ends(hurried)
        (flight,) = cache.leases.under_way
        return flight.callers, len(flight.task._callbacks) <= 2, await patient

    assert (1, True, 1) == play(story)


@pytest.mark.parametrize("tenths", range(1, 50, 3))
def test_a_cancel_at_any_moment_frees_everything(tenths, new_loader, play):
    """First try 0–1, pause, second try 2–3, fallback 3–4: wherever the only caller is cut, the cache works after."""

    async def story():
        async def answer(failure):
            await sleep(1)
            return "instead"

        pause = ub.Backoff(1.0, factor=1.0, jitter=False)
        loader = new_loader(fails=[OSError(), OSError()])
        cache = CacheNode(loader=loader, retry=ub.Retry(2, backoff=pause), fallback=answer, bulkhead=ub.Bulkhead(1))
        caller = asyncio.ensure_future(cache.get("k"))
        await sleep(tenths / 10)
        caller.cancel()
        (end,) = await ends([caller])
        await sleep(0.001)
        status = cache.get_status()
        left = (status.in_flight, status.node.in_flight, len(cache.leases.flights), loader.began - loader.ended)
        loader.fails.clear()
        return left, isinstance(await cache.get("k"), int), end

    left, works, end = play(story)
    assert (0, 0, 0, 0) == left
    assert works
    assert "instead" == end if tenths > 40 else isinstance(end, asyncio.CancelledError)
