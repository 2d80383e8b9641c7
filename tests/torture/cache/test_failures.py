"""What a load raises goes to all who wait, and neither it nor what stands in for a value is kept."""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
import weakref

import pytest

import unbreakable as ub
from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep
ONCE = {"retry": False, "breaker": False}


def many(cache, number, key="k"):
    return [asyncio.ensure_future(cache.get(key)) for _ in range(number)]


async def ends(tasks):
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_a_load_raises_goes_to_all_who_wait_and_is_not_kept(new_loader, play):
    """Each caller has the loader's own exception, once; the next call loads again."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader(fails=[KeyError("gone")])), **ONCE)
        errors = await ends(many(cache, 10))
        return errors, loader.began, await cache.get("k"), cache.get_status().load_failures

    errors, loads, value, failures = play(story)

    assert {"KeyError('gone')"} == {repr(error) for error in errors}
    assert 1 == loads
    assert (2, 1) == (value, failures)


def test_the_traceback_does_not_grow_with_the_number_of_callers(new_loader, play):
    """A thousand callers leave the exception's traceback as long as one does, and one note on it."""

    async def story(callers):
        error = KeyError("gone")
        cache = CacheNode(loader=new_loader(fails=[error]), **ONCE)
        await ends(many(cache, callers))
        return len(traceback.extract_tb(error.__traceback__)), len(error.__notes__)

    one, thousand = (play(lambda number=number: story(number)) for number in (1, 1000))

    assert one == thousand
    assert 1 == one[1]


def test_what_was_raised_is_not_held_by_the_cache(play):
    """When the callers have dealt with it, neither it nor what its traceback holds is kept, collector or not."""

    class Gone(Exception):
        pass

    async def story():
        async def load(key):
            await sleep(1)
            raise Gone

        cache = CacheNode(loader=load, **ONCE)
        gc.disable()
        try:
            seen = [weakref.ref(error) for error in await ends(many(cache, 3))]
            await sleep(1)
            if sys.version_info >= (3, 12):
                gc.collect()  # a traceback's frames hold their callers there, and those the failure
            return [ref() for ref in seen]
        finally:
            gc.enable()

    assert [None] * 3 == play(story)


def test_a_cancelled_load_is_not_held_by_the_cache(new_loader, play):
    """Nothing of it is kept, its key included, collector or not."""

    class Key:
        pass

    async def story():
        cache = CacheNode(loader=new_loader(10))
        gc.disable()
        try:
            callers = many(cache, 2, key := Key())
            await sleep(1)
            for caller in callers:
                caller.cancel()
            await ends(callers)
            await sleep(1)
            ref = weakref.ref(key)
            del callers, caller, key
            return ref()
        finally:
            gc.enable()

    assert None is play(story)


def test_what_nobody_is_there_to_be_told_is_not_logged(caplog, new_loader, play):
    """Who began the load has gone, and the load ends in something that is no Exception: the next one loads again."""

    class Stop(BaseException):
        pass

    async def story():
        cache = CacheNode(loader=(loader := new_loader(fails=[Stop()])))
        callers = many(cache, 2)
        await sleep(0.5)
        callers[0].cancel()
        values = await ends(callers)
        gc.collect()
        return values[1], loader.began

    assert (2, 2) == play(story)
    assert [] == caplog.messages


def test_a_load_that_raises_a_cancellation_of_its_own_has_failed(new_loader, play):
    """Nobody cancelled those who wait for it: they are told what it raised, by an error."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader(fails=[asyncio.CancelledError()])), **ONCE)
        values = await ends(many(cache, 4))
        return [type(value).__name__ for value in values], loader.began, cache.get_status().load_failures

    assert (["StrayExit"] * 4, 1, 1) == play(story)


def test_what_is_no_exception_belongs_to_who_began_the_load(new_loader, play):
    """It is neither shared nor lost, and each caller loads at most once."""

    class Stop(BaseException):
        pass

    async def story():
        cache = CacheNode(loader=(loader := new_loader(fails=[Stop() for _ in range(9)])), **ONCE)
        values = await ends(many(cache, 3))
        return [type(value).__name__ for value in values], loader.began

    assert (["Stop"] * 3, 3) == play(story)


def test_a_fallbacks_answer_is_given_but_not_kept(new_loader, play):
    """All who wait get it, degraded; the next call asks the source again."""

    async def story():
        loader = new_loader(fails=[OSError("down")])
        cache = CacheNode(loader=loader, fallback=lambda failure: "stand-in", **ONCE)
        values = await asyncio.gather(cache.get("k"), cache.get.outcome("k"))
        kept, status = "k" in cache, cache.get_status()
        return values[0], values[1].status.value, kept, await cache.get("k"), status.node.degraded_count

    assert ("stand-in", "degraded", False, 2, 1) == play(story)


@pytest.mark.parametrize("judge", [{"verify": lambda value: value > 1}, {"schema": str}])
def test_a_value_that_is_refused_is_a_failure_and_not_kept(judge, new_loader, play):
    """What does not verify, or has the wrong shape, is neither given nor stored."""

    async def story():
        cache = CacheNode(loader=new_loader(), **ONCE, **judge)
        outcome = await cache.get.outcome("k")
        return outcome.status.value, type(outcome.error).__name__, len(cache)

    assert ("failed", "VerificationFailed", 0) == play(story)


def test_what_was_repeated_inside_is_not_repeated_by_any_caller(new_loader, play):
    """Three attempts of the load are three, though each of its callers is protected by three attempts of its own."""

    async def story():
        loader = new_loader(fails=[OSError(str(number)) for number in range(99)])
        cache = CacheNode(loader=loader, breaker=False)

        @ub.protect("outer", effects="none", breaker=False)
        async def outer():
            return await cache.get("k")

        await ends([asyncio.ensure_future(outer()) for _ in range(3)])
        return loader.began

    assert 3 == play(story)


def test_a_load_that_must_not_be_made_twice_is_not_repeated_from_outside(new_loader, play):
    """The protected call around it is told that nobody knows what the load did, as by any call inside it."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader(fails=[ConnectionError("lost")] * 3)), effects="once")
        outcome = await ub.FractalNode("buy").execute(lambda: cache.get("k"))
        return loader.began, outcome.attempts

    assert (1, 1) == play(story)
