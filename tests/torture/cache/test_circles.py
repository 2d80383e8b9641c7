"""A load may ask the cache for other values, and is told when it would wait for itself."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import unbreakable as ub
from unbreakable.errors import ValidationFailed
from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep
ONCE = {"retry": False, "breaker": False}


def test_a_load_that_asks_for_its_own_value_is_told_so(play):
    """It would wait for itself for ever; it is refused at once instead, and nothing is kept or stuck."""

    async def story():
        async def load(key):
            return await cache.get(key)

        cache = CacheNode(loader=load, deadline=10)
        outcome = await cache.get.outcome("k")
        return type(outcome.error), "wait for itself" in str(outcome.error), outcome.elapsed, outcome.attempts

    assert (ValidationFailed, True, 0.0, 1) == play(story)


def test_loads_that_wait_for_each_other_are_told_so(play):
    """Of two loads that ask for each other's value the second to ask is refused, also through two caches."""

    async def story():
        async def load_user(key):
            await sleep(1)
            return await orgs.get(key)

        async def load_org(key):
            await sleep(2)
            return await users.get(key)

        users, orgs = CacheNode(loader=load_user, **ONCE), CacheNode(loader=load_org, **ONCE)
        outcomes = await asyncio.gather(users.get.outcome(1), orgs.get.outcome(1))
        return {type(outcome.error) for outcome in outcomes}, max(outcome.elapsed for outcome in outcomes)

    kinds, seconds = play(story)
    assert {ValidationFailed} == kinds
    assert 2.0 == pytest.approx(seconds)


def test_a_load_that_no_longer_waits_is_in_nobodys_way(play):
    """Who gave up waiting for a value may be waited for by its load: that is no circle any more."""

    async def story():
        async def impatient():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(cache.get("slow", slow), 1)
            await sleep(5)
            return "patience"

        async def slow():
            await sleep(3)
            return await cache.get("impatient", impatient)

        cache = CacheNode(**ONCE)
        keeping = asyncio.ensure_future(cache.get("slow", slow))
        return await cache.get("impatient", impatient), await keeping

    assert ("patience", "patience") == play(story)


def test_a_remedy_that_asks_the_cache_is_not_healed_by_itself(play):
    """What a remedy needs is loaded without that remedy: if it fails for the same reason, it does so at once."""

    async def story():
        async def load(key):
            raise PermissionError(key)

        cache = CacheNode(loader=load, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))

        @cache.remedy(PermissionError)
        async def renew(failure):
            asked.append(str(failure.error))
            await cache.get("token")

        asked = []
        outcome = await cache.get.outcome("k")
        return asked, type(outcome.error), outcome.elapsed

    assert (["k"], PermissionError, 0.0) == play(story)


def test_a_load_may_ask_for_other_values(play):
    """A value that is made of others is loaded with them; each is loaded once."""

    async def story():
        loads = []

        async def fibonacci(n):
            loads.append(n)
            await sleep(0.1)
            return n if n < 2 else sum(await asyncio.gather(cache.get(n - 1), cache.get(n - 2)))

        cache = CacheNode(loader=fibonacci)
        return await cache.get(20), sorted(loads)

    assert (6765, list(range(21))) == play(story)


def test_a_task_that_outlives_the_load_that_began_it_may_ask_for_the_value(play):
    """What was started by a load that is over is no part of it."""

    async def story():
        tasks = []

        async def later(key):
            await sleep(2)
            cache.invalidate()
            return ub.current(), await cache.get(key)

        async def load(key):
            if not tasks:
                tasks.append(asyncio.ensure_future(later(key)))
            return key

        cache = CacheNode(loader=load)
        await cache.get("k")
        return await tasks[0]

    assert (None, "k") == play(story)
