"""A thread waits no longer than it has, and a load in a thread has no more time than that."""

from __future__ import annotations

import asyncio
import contextlib

import unbreakable as ub
from unbreakable.bell import Bell
from unbreakable.errors import DeadlineExceeded
from unbreakable.nodes import CacheNode
from unbreakable.runtime import BLOCKING, run_blocking

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


def test_a_thread_waits_no_longer_than_it_has(crowd):
    """A deadline of 2 s ends the wait for another thread's load of 5 s; the load goes on."""
    cache = CacheNode(loader=(loader := Slow(5)))

    @ub.protect("hurried", deadline=2, **ONCE)
    def hurried():
        return cache.get_sync("k")

    crowd.ask(cache.get_sync, "k")
    nap(1)
    crowd.ask(hurried.outcome)
    ends = crowd.wait()

    assert 1 == ends[0]
    assert (DeadlineExceeded, 2.0) == (type(ends[1].error), round(ends[1].elapsed, 3))
    assert 1 == loader.began


def test_sync_code_in_a_task_waits_no_longer_than_that_has(crowd):
    """While it blocks the event loop nobody can cut it, so it minds the deadline itself."""
    cache = CacheNode(loader=Slow(5))

    @ub.protect("hurried", deadline=2, **ONCE)
    async def hurried():
        return cache.get_sync("k")

    crowd.ask(cache.get_sync, "k")
    nap(1)
    crowd.ask(lambda: asyncio.run(hurried.outcome()))
    ends = crowd.wait()

    assert 1 == ends[0]
    assert (DeadlineExceeded, 2.0) == (type(ends[1].error), round(ends[1].elapsed, 3))


def test_threads_that_come_and_go_leave_no_trace_on_a_load(crowd):
    """Who gave up waiting for another thread's load is forgotten, be it a thread or an event loop's task."""
    cache = CacheNode(loader=Slow(100), deadline=1_000, **ONCE)
    crowd.ask(cache.get_sync, "k")
    nap(1)

    @ub.protect("hurried", deadline=0.1, **ONCE)
    def hurried():
        return cache.get_sync("k")

    async def hurried_on_a_loop():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(cache.get("k"), 0.1)

    for _ in range(10):
        hurried.outcome()
        asyncio.run(hurried_on_a_loop())
    (flight,) = cache.leases.under_way

    assert (1, 0) == (flight.callers, len(flight.line))
    assert [1] == crowd.wait()


def test_in_sync_code_a_load_knows_the_time_of_who_carries_it(crowd):
    """The loader is told what its caller has left; when that is why it fails, those with more time load again."""
    cache, left = CacheNode(**ONCE), []

    def fetch():
        remaining = ub.current().remaining()
        left.append(round(remaining, 3))
        nap(min(remaining, 3))
        if remaining < 3:
            raise TimeoutError
        return "here"

    @ub.protect("hurried", deadline=2, **ONCE)
    def hurried():
        return cache.get_sync("k", fetch)

    crowd.ask(hurried.outcome)
    nap(1)
    for _ in range(3):
        crowd.ask(cache.get_sync, "k", fetch)
    ends = crowd.wait()

    assert isinstance(ends[0].error, TimeoutError)
    assert ["here"] * 3 == ends[1:]
    assert [2.0, 30.0] == left


def test_a_fallback_for_want_of_one_callers_time_is_no_answer_for_the_others(crowd):
    """Who has more time does not get the answer that stands in for a load which had none."""
    cache = CacheNode(fallback=lambda failure: "instead", **ONCE)

    def fetch():
        nap(min(ub.current().remaining(), 3))
        if ub.current().remaining() <= 0:
            raise TimeoutError
        return "here"

    @ub.protect("hurried", deadline=2, **ONCE)
    def hurried():
        return cache.get_sync("k", fetch)

    crowd.ask(hurried)
    nap(1)
    for _ in range(3):
        crowd.ask(cache.get_sync, "k", fetch)

    assert ["instead", "here", "here", "here"] == crowd.wait()


def test_threads_that_meet_the_nodes_deadline_together_have_the_fallbacks_answer(crowd):
    """Who waits is as patient as a load that uses up its time and then falls back."""
    cache = CacheNode(deadline=5, fallback=lambda failure: nap(1) or "instead", **ONCE)

    def fetch():
        nap(ub.current().remaining())
        raise TimeoutError

    for _ in range(3):
        crowd.ask(cache.get_sync, "k", fetch)

    assert ["instead"] * 3 == crowd.wait()


def test_a_failure_in_good_time_is_an_answer_for_all(crowd):
    """Ten threads with deadlines of their own make three attempts together when the source is down, not thirty."""
    cache = CacheNode(loader=(loader := Slow(0.1, fails=[OSError(str(number)) for number in range(99)])), breaker=False)

    @ub.protect("outer", deadline=20, effects="none", breaker=False)
    def outer():
        return cache.get_sync("k")

    for _ in range(10):
        crowd.ask(outer.outcome)
    ends = crowd.wait()

    assert {"OSError"} == {type(end.error).__name__ for end in ends}
    assert 3 == loader.began


def test_a_load_that_hangs_is_not_waited_for_by_who_comes_after_its_time(crowd):
    """A thread that never comes back holds those who came within the node's deadline, for a while, and nobody later."""
    cache = CacheNode(deadline=5, **ONCE)
    release = Bell()
    crowd.ask(cache.get_sync, "k", lambda: BLOCKING.world.wait(release, 100))
    nap(1)
    crowd.ask(cache.get_sync, "k", lambda: "not asked")
    nap(4)
    value = cache.get_sync("k", lambda: "fresh")
    nap(10)
    late = crowd.ends[1]
    release.ring()
    crowd.wait()

    assert "fresh" == value
    assert isinstance(late, DeadlineExceeded)
    assert "fresh" == cache.get_sync("k")
