"""Nobody waits for what it blocks itself: its own event loop, its own load, its own lock."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import ValidationFailed
from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO

ONCE = {"retry": False, "breaker": False}


def test_sync_code_on_the_loop_that_loads_does_not_wait_for_it(crowd):
    """It would wait for what it blocks: it loads for itself, and that is not kept in the place of the other."""
    cache = CacheNode()

    async def story():
        loading = asyncio.ensure_future(cache.get("k", SlowAsyncOf("the loop's")))
        await ASYNCIO.sleep(0.5)
        own = cache.get_sync("k", lambda: "its own")
        return own, await loading, await cache.get("k")

    assert ("its own", "the loop's", "the loop's") == asyncio.run(story())


class SlowAsyncOf:
    """Fetch *value* in a second."""

    def __init__(self, value):
        self.value = value

    async def __call__(self):
        await ASYNCIO.sleep(1)
        return self.value


def test_a_sync_load_that_asks_for_its_own_value_is_told_so(crowd):
    """In the same thread, through a worker thread of a time limit, and through an event loop of its own."""

    def ask_again(key):
        cache.get_sync("other", lambda: "fine")
        return cache.get_sync(key)

    def ask_on_a_loop(key):
        return asyncio.run(cache.get(key))

    for loader, settings in ((ask_again, {}), (ask_again, {"timeout": ub.Timeout(5)}), (ask_on_a_loop, {})):
        cache = CacheNode(loader=loader, **ONCE, **settings)
        assert ValidationFailed is type(cache.get_sync.outcome("k").error)


class LastWish:
    """Do something when nobody holds it any more."""

    def __init__(self, wish):
        self.wish = wish

    def __del__(self):
        self.wish()


@pytest.mark.parametrize("way", ["set", "get_sync"])
@pytest.mark.parametrize("what", ["key", "tag", "everything"])
def test_what_a_finalizer_invalidates_while_it_is_being_stored_is_not_kept(way, what):
    """The value that makes room for a new one declares that invalid, in the middle of its being stored."""
    cache = CacheNode(max_size=1)
    wishes = {
        "key": lambda: cache.invalidate("new"),
        "tag": lambda: cache.invalidate(tags=["t"]),
        "everything": cache.invalidate,
    }
    cache.set("old", LastWish(wishes[what]))

    if way == "set":
        cache.set("new", 1, tags=["t"])
    else:
        assert 1 == cache.get_sync("new", lambda: 1, tags=["t"])

    assert 0 == len(cache)
    assert {} == cache.leases.flights == cache.leases.shelf.tagged


def test_what_finalizers_put_in_is_not_too_much():
    """A value that puts in another when it goes makes no room for it."""
    cache = CacheNode(max_size=3)
    for number in range(20):
        cache.set(number, LastWish(lambda number=number: cache.set(("last", number), None)))

        assert len(cache) <= 3
    cache.invalidate()


@pytest.fixture
def busy_collector():
    """Let the collector run at every opportunity."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize("in_a_circle", [True, False])
def test_a_finalizer_may_use_the_cache_that_lets_its_value_go(in_a_circle, busy_collector):
    """A value whose end invalidates, sets and looks up, in the middle of whatever let it go, jams nothing."""
    cache = CacheNode(max_size=8)

    class Value:
        def __init__(self, number):
            self.number = number
            self.myself = self if in_a_circle else None  # the collector ends a circle, whenever that runs

        def __del__(self):
            cache.invalidate(self.number + 3, tags=[self.number % 5])
            cache.set(self.number - 100, None, tags=[self.number % 3])
            len(cache)

    def story():
        for number in range(300):
            cache.set(number % 13, Value(number), tags=[number % 5])
            if number % 50 == 0:
                cache.invalidate()

    thread = threading.Thread(target=story, daemon=True)
    thread.start()
    thread.join(60)
    kept = cache.leases.shelf.entries.values()

    assert not thread.is_alive()
    assert len(cache) <= 8
    assert all(entry in cache.leases.shelf.tagged[tag] for entry in kept for tag in entry.tags)
    cache.invalidate()
