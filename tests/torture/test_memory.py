"""Nothing is kept that nobody needs: after millions of failures, after each success, after ten thousand at once."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import string
import sys
import threading
import tracemalloc
import types
import weakref

import pytest
from tests.dense import DENSE, most

import unbreakable as ub
from unbreakable import lock
from unbreakable.errors import BulkheadFull, CircuitOpen
from unbreakable.fractal import memory, targets
from unbreakable.fractal.remedies import Remedy
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.runtime.world import RealWorld
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)
ONCE = {"retry": False, "breaker": False, "budget": False}


class Starved(RealWorld):
    """A world in which nobody comes to do the chores until told."""

    def background(self, work):
        self.queue.append(work)

    def do_all(self):
        while self.queue:
            self.queue.popleft()()


@pytest.fixture
def starved(monkeypatch):
    """Let the chores wait."""
    world = Starved()
    monkeypatch.setattr(BLOCKING, "world", world)
    return world


def word(number):
    """Return a word of letters for each number, which no template can make alike."""
    letters = []
    for _ in range(5):
        number, rest = divmod(number, 26)
        letters.append(string.ascii_lowercase[rest])
    return "".join(letters)


def test_memory_is_bounded_over_thousands_of_distinct_errors(starved):
    """However many kinds of trouble there are, only the latest are remembered."""
    numbers = iter(range(10**6))

    @ub.protect("target", **ONCE)
    def door():
        raise ConnectionError(f"trouble of the sort {word(next(numbers))}")

    door.remedy(ConnectionError)(lambda failure: None)

    def calls(number):
        for _ in range(number):
            door.outcome()
        starved.do_all()  # here, and not in a thread that may still import something while it is measured
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    calls(500)
    tracemalloc.start()
    grown = -calls(0) + calls(1_250)
    tracemalloc.stop()

    assert door.node.get_status().signatures <= 51
    assert grown < 100_000, grown


def size_of(root, *known):
    """Return the bytes of all that *root* holds, other than code and what is *known*."""
    seen, todo, total = {id(each) for each in known}, [root], 0
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, CODE):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        todo += [*gc.get_referents(each), *(each if type(each) is dict else ())]  # which keeps its words to itself
    return total


@pytest.mark.parametrize("helps", [None, "mend"])
def test_what_a_node_keeps_of_distinct_errors_is_bounded(helps):
    """However many messages come, a node takes 64 kB at most, and knows what helped before, unless all have."""
    node = ub.FractalNode("target")
    experience, remedy = node.target.experience, Remedy("mend", bool, bool)
    experience.update("known | from long ago", remedy, worked=True)
    for number in range(most(10**6, 30_000)):
        signature = (
            f"builtins.ConnectionError | {word(number)} in a long message | in shop.orders.Orders.load, far away"
        )
        if helps is None:
            experience.lost(signature, number)
        experience.update(signature, remedy, worked=helps is not None, seconds=0.5)

    assert size_of(node, *node.drivers, node.settings, node.new_chooser) <= 64 * 1024
    assert (helps is None) == ("known | from long ago" in experience.to_dict()) == (len(experience) == 25)


def test_targets_are_bounded_over_many_keys():
    """Ten thousand tenants are served by a thousand targets at most, and every success is still counted."""

    @ub.protect("target", key=lambda tenant: tenant, **ONCE)
    def door(tenant):
        return tenant

    for tenant in range(5_000):
        door(tenant)

    assert 5_000 == door.node.get_status().success_count
    assert len(door.node.targets.every()) <= 1_001


def test_a_key_in_use_is_not_forgotten_for_others(monkeypatch):
    """Whoever chooses the keys chooses neither how many calls are at work at once, nor when a circuit is forgotten."""
    monkeypatch.setattr(targets, "MOST_KEYS", 50)

    @ub.protect("tenant", key=lambda who, seconds: who, bulkhead=ub.Bulkhead(1, wait=0.0), retry=False)
    async def work(who, seconds):
        await sleep(seconds)
        if who == "down":
            raise ConnectionError("down")

    async def story():
        first = asyncio.create_task(work.outcome("A", 60.0))
        downs = [await work.outcome("down", 0.0) for _ in range(5)]
        for number in range(200):
            await work(number, 0.0)
        second, refused = await work.outcome("A", 1.0), await work.outcome("down", 0.0)
        await first
        return downs[-1], second, refused, len(work.node.targets.by_key)

    with virtual_time():
        down, second, refused, kept = asyncio.run(story())

    assert (ConnectionError, BulkheadFull, CircuitOpen) == tuple(type(one.error) for one in (down, second, refused))
    assert kept == 50


def test_keys_that_are_all_in_use_are_all_kept_until_they_are_not(monkeypatch):
    """However many there are more than may be kept, none has two calls at work where one may be."""
    monkeypatch.setattr(targets, "MOST_KEYS", 70)  # more than are looked at in search of one to let go of

    @ub.protect("tenant", key=lambda who, seconds: who, bulkhead=ub.Bulkhead(1, wait=0.0), deadline=90.0)
    async def work(who, seconds):
        await sleep(seconds)

    async def story():
        tasks = [asyncio.create_task(work(who, 60.0)) for who in range(200)]
        await sleep(1.0)
        seconds = [await work.outcome(who, 0.0) for who in range(200)]
        await asyncio.gather(*tasks)
        for number in range(200):
            await work(-1 - number, 0.0)
        return seconds, len(work.node.targets.by_key)

    with virtual_time():
        seconds, kept = asyncio.run(story())

    assert {BulkheadFull} == {type(one.error) for one in seconds}
    assert 70 == kept


def test_keys_that_are_all_refused_are_bounded_too(monkeypatch):
    """A thousand dead hosts do not cost the memory of ten thousand."""
    monkeypatch.setattr(targets, "MOST_KEYS", 50)

    @ub.protect("host", key=lambda host: host, breaker=ub.CircuitBreaker(1), retry=False)
    def ask(host):
        raise ConnectionError("down")

    for host in range(300):
        ask.outcome(host)

    assert len(ask.node.targets.by_key) == 50


def test_what_keys_are_known_by_is_bounded(monkeypatch):
    """A memory lets go of keys that no node serves any more."""
    if not DENSE:
        monkeypatch.setattr(targets, "MOST_KEYS", 200)
        monkeypatch.setattr(memory, "MOST_TARGETS", 200)
    bound = targets.MOST_KEYS * 6 // 5
    node = ub.FractalNode("target", lambda ctx: 1, key=lambda ctx: ctx.input, memory=ub.LocalMemory())

    def after(numbers):
        for number in numbers:
            node.execute_sync(context=number)
        gc.collect()
        # But for the list of locks, which every test of this process adds to; it has a bound and a test of its own.
        kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, lock.__file__)])
        return sum(trace.size for trace in kept.traces)

    tracemalloc.start()
    before = after(range(bound))
    grown = after(range(bound, bound * 5 // 2)) - before
    tracemalloc.stop()

    assert grown < 1_500 * targets.MOST_KEYS  # less than the empty sets of watchers of so many keys


def test_what_waits_to_be_learned_is_bounded_and_still_adds_up(starved):
    """However long nobody comes to learn, little is kept, and every success counts, with its latency."""
    known = ub.LocalMemory()
    door = ub.protect("target", memory=known)(lambda: 1)
    for _ in range(50_000):
        door()
    for _ in range(10_000):
        door.outcome()
    status, target = door.node.get_status(), door.node.target

    assert 60_000 == status.success_count
    kept = len(target.ring) + len(target.detours)
    assert kept < 20_000, kept
    assert status.latency.p50 is not None

    starved.do_all()
    door.node.aclose_sync()
    assert 60_000 == known.summary().learnings
    assert 60_000 == door.node.get_status().success_count


def test_a_success_leaves_nothing_for_the_collector(colour):
    """A thousand successes make no garbage that only the collector of cycles could find."""

    async def fine():
        return 1

    async def story():
        door = colour.protect(fine, bulkhead=ub.Bulkhead(4), timeout=None)
        for _ in range(300):
            await colour.call(door)
        gc.collect()
        gc.disable()
        try:
            for _ in range(1_000):
                await colour.call(door)
            return gc.collect()
        finally:
            gc.enable()

    assert 0 == colour.play(story)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_arguments_and_results_are_let_go_when_the_call_is_over(colour, form):
    """What a call was given and gave back lives no longer than its caller keeps it."""

    class Thing:
        pass

    async def echo(thing):
        return Thing()

    async def story():
        door = colour.protect(echo)
        given = Thing()
        got = await colour.call(door if form == "plain" else door.outcome, given)
        got = got if form == "plain" else got.value
        kept = weakref.ref(given), weakref.ref(got)
        del given, got
        return [ref() for ref in kept]

    assert [None, None] == colour.play(story)


@pytest.mark.parametrize("fallback", [None, lambda failure: "instead"])
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_what_a_failed_call_was_given_is_let_go_with_its_exception(colour, form, fallback):
    """Once the caller drops the exception, nothing of ours holds the arguments any longer."""

    class Thing:
        pass

    async def fails(thing):
        raise ConnectionError

    async def story():
        door = colour.protect(fails, breaker=False, fallback=fallback)
        given = Thing()
        try:
            end = await colour.call(door if form == "plain" else door.outcome, given)
            del end
        except ConnectionError:
            pass
        kept = weakref.ref(given)
        del given
        if sys.version_info >= (3, 12):
            gc.collect()  # a traceback's frames hold their callers there, and so make circles of their own
        return kept()

    assert colour.play(story) is None


def test_nodes_are_let_go_with_their_last_user():
    """A node that nobody holds any more is forgotten, with its listeners, its remedies and its statistics."""

    def use():
        door = ub.protect("target", memory=ub.LocalMemory())(lambda: 1)
        door.remedy(ValueError)(lambda failure: None)
        door.node.on(ub.events.Succeeded, lambda event: None)
        for _ in range(30):
            door()
        return weakref.ref(door.node)

    node = contextvars.copy_context().run(use)
    gc.collect()

    assert node() is None


def test_ten_thousand_calls_in_flight_leave_nothing_behind():
    """Ten thousand tasks at once, each with its time limit, half of them cut: no place, alarm or task is left."""

    async def story():
        async def work(number):
            await sleep(number % 100 / 10)

        door = ub.protect("target", timeout=ub.Timeout(4.95), bulkhead=ub.Bulkhead(20_000), **ONCE)(work)
        ends = await asyncio.gather(*(door(number) for number in range(10_000)), return_exceptions=True)
        status = door.node.get_status()
        watch = ASYNCIO.watches[asyncio.get_running_loop()]
        left = status.in_flight, len(watch.alarms), len(ASYNCIO.branches), len(asyncio.all_tasks())
        return left, ends.count(None), status.success_count, status.failure_count

    with virtual_time():
        assert ((0, 0, 0, 1), 5_000, 5_000, 5_000) == asyncio.run(story())


def test_an_idle_program_has_no_timer_for_long():
    """After the last call the alarm is not set again: an idle loop may sleep."""

    async def story():
        async def quick():
            return 1

        door = ub.protect("target", timeout=ub.Timeout(5.0))(quick)
        for _ in range(100):
            await door()
        await sleep(10)
        return ASYNCIO.watches[asyncio.get_running_loop()].alarm

    with virtual_time():
        assert asyncio.run(story()) is None


def test_closed_event_loops_are_forgotten():
    """A program that makes a loop for each request does not keep them all."""

    async def quick():
        return 1

    door = ub.protect("target")(quick)
    for _ in range(50):
        asyncio.run(door())

    assert len(ASYNCIO.watches) <= 2


def test_traces_are_bounded():
    """A call of a thousand attempts tells a story that can be read."""

    @ub.protect("target", retry=ub.Retry(1_000, backoff=ub.Backoff(0.0)), breaker=False, budget=False)
    def door():
        raise ConnectionError

    outcome = door.outcome()

    assert 1_000 == outcome.attempts
    assert len(outcome.trace.story) <= 60
    assert len(outcome.explain()) < 20_000


def test_learning_asks_for_one_thread_only():
    """However many nodes learn, one thread does the chores."""
    doors = [ub.protect(f"target {number}")(lambda: 1) for number in range(50)]
    for door in doors:
        for _ in range(50):
            door()

    assert BLOCKING.world.chores is not None
    assert 1 == sum(thread.name == "unbreakable" for thread in threading.enumerate())
