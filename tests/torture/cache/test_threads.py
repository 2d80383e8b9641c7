"""Threads and event loops share one load, and whoever carries it may fall away."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking

ONCE = {"retry": False, "breaker": False}


def nap(seconds):
    """Sleep in sync code."""
    run_blocking(BLOCKING.sleep(seconds))


class Slow:
    """Load in sync code: *seconds*, then how manieth load it was, or what is in *fails*."""

    def __init__(self, seconds=1.0, fails=()):
        self.seconds, self.fails, self.began = seconds, list(fails), 0

    def __call__(self, key):
        self.began += 1
        number = self.began
        nap(self.seconds)
        if self.fails:
            raise self.fails.pop(0)
        return number


class SlowAsync(Slow):
    """Load in async code, in the same way."""

    async def __call__(self, key):
        self.began += 1
        number = self.began
        await ASYNCIO.sleep(self.seconds)
        if self.fails:
            raise self.fails.pop(0)
        return number


def test_fifty_threads_are_served_by_one_load(crowd):
    """The first carries it, the others wait."""
    cache = CacheNode(loader=(loader := Slow()))
    for _ in range(50):
        crowd.ask(cache.get_sync, "k")

    assert {1} == set(crowd.wait())
    assert (1, 50, 1) == (loader.began, cache.get_status().misses, cache.get_status().loads)


@pytest.mark.parametrize("first", ["loop", "thread"])
def test_threads_and_event_loops_share_a_load(crowd, first):
    """Whether a task or a thread carries it: two event loops with ten callers each and ten threads have its value."""
    fetch_of = {"loop": SlowAsync(), "thread": Slow()}
    loader = fetch_of[first]
    cache = CacheNode(loader=loader)
    if first == "loop":
        crowd.ask_on_a_loop(cache, *["k"] * 10)
    else:
        crowd.ask(cache.get_sync, "k")
    nap(0.5)
    crowd.ask_on_a_loop(cache, *["k"] * 10)
    for _ in range(10):
        crowd.ask(cache.get_sync, "k", lambda: "not asked")

    values = [value for end in crowd.wait() for value in (end if isinstance(end, list) else [end])]
    assert {1} == set(values)
    assert 1 == loader.began


def test_what_a_thread_raises_goes_to_all_threads(crowd):
    """Each has the exception; the next call loads again."""
    cache = CacheNode(loader=(loader := Slow(fails=[KeyError("gone")])), **ONCE)
    for _ in range(10):
        crowd.ask(cache.get_sync, "k")

    assert {"KeyError('gone')"} == {repr(end) for end in crowd.wait()}
    assert 2 == cache.get_sync("k")
    assert 2 == loader.began


def test_a_thread_that_is_interrupted_leaves_the_load_to_another(crowd):
    """Ctrl-C in the thread that carries the load ends that call; one of those who wait loads again, for the rest."""
    cache = CacheNode(loader=(loader := Slow(fails=[KeyboardInterrupt()])))
    for _ in range(4):
        crowd.ask(cache.get_sync, "k")

    ends = crowd.wait()
    assert isinstance(ends[0], KeyboardInterrupt)
    assert [2, 2, 2] == ends[1:]
    assert 2 == loader.began


def test_an_event_loop_that_ends_leaves_the_load_to_another(crowd):
    """Its load is cancelled with it; a thread that waited for it loads itself."""
    cache, loader = CacheNode(), SlowAsync(5)

    async def leave_early():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(cache.get("k", lambda: loader("k"))), 1)

    crowd.ask(lambda: asyncio.run(leave_early()))
    nap(0.5)
    crowd.ask(cache.get_sync, "k", lambda: "the thread's own")

    assert [None, "the thread's own"] == crowd.wait()


def test_an_event_loop_that_is_closed_over_a_load_does_not_hold_anybody(crowd):
    """Closed without a word to its tasks, it is noticed by who waits and by who comes."""
    cache, loader = CacheNode(deadline=1_000), SlowAsync(500)
    loop = asyncio.new_event_loop()

    def close_over_a_load():
        task = loop.create_task(cache.get("k", lambda: loader("k")))
        loop.run_until_complete(ASYNCIO.sleep(1))
        task._log_destroy_pending = False
        for flight in cache.leases.under_way:
            flight.task._log_destroy_pending = False
        nap(1)
        loop.close()
        return task

    crowd.ask(close_over_a_load)
    nap(1.5)
    crowd.ask(cache.get_sync, "k", BLOCKING.now)
    began = BLOCKING.now()
    ends = crowd.wait()

    assert ends[1] - began < 3
    assert ends[1] == cache.get_sync("k")
