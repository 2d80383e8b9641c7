"""A signal's exception, of Ctrl-C or of a soft time limit, comes up between any two steps of a protected call."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import threading
from functools import partial

import pytest
from tests.dense import lines
from tests.interrupted import Interrupted
from tests.lines import in_time

import unbreakable as ub
from unbreakable.runtime import BLOCKING

AT_ONCE = ub.Retry(3, backoff=ub.Backoff(0.0))
PAUSING = ub.Retry(3, backoff=ub.Backoff(1e-9, most=1e-9, jitter=False))  # with its place given back meanwhile
PLACES = ub.Bulkhead(2)


class SoftTimeLimit(Exception):
    """What the handler of a signal raises in a job that has taken too long."""


class Job:
    """A protected operation that fails so often before it succeeds; within it, perhaps, is another."""

    def __init__(self, fails, *, inner=False, **options):
        self.fails, self.inner, self.made = fails, inner, 0
        self.options = {"bulkhead": PLACES, "effects": "idempotent", "retry": AT_ONCE, "budget": False, **options}
        self.leaf = ub.protect("leaf", bulkhead=PLACES)(lambda: None)

    def work(self):
        self.made += 1
        if self.made <= self.fails:
            raise OSError
        if self.inner:
            self.leaf()

    def gates(self):
        return [node.target.gate for node in (self.node, self.leaf.node)]


class Plain(Job):
    def __init__(self, *args, remedy=False, **options):
        super().__init__(*args, **options)
        self.call = ub.protect("plain", **self.options)(self.work)
        self.node = self.call.node
        if remedy:
            self.call.remedy(OSError)(lambda failure: None)


class Told(Plain):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.call = self.call.outcome


class Filling(type(BLOCKING)):
    """Time in which somebody else takes the place of whoever pauses, until they stand in line for it."""

    def __init__(self, job):
        super().__init__()
        self.job, self.is_in = job, False

    async def sleep(self, seconds):
        self.is_in = self.job.node.target.gate.enter_nowait()

    async def wait(self, waiter, seconds):
        self.go()
        return await super().wait(waiter, seconds)

    def go(self):
        gate, is_in, self.is_in = self.job.node.target.gate, self.is_in, False
        if is_in:
            gate.free.append(None)
            gate.admit()


class ToTheFull(Job):
    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "bulkhead": ub.Bulkhead(1)})
        self.time = Filling(self)
        self.node = ub.FractalNode("full", self.work, runtime=self.time, **self.options)
        self.call = self.node.execute_sync

    def gates(self):
        self.time.go()
        return super().gates()


class OnALoop(Job):
    """It is told of coroutines that were never awaited: the user's own, which the last step before has made."""

    def __init__(self, *args, remedy=False, **options):
        super().__init__(*args, **options)

        async def mend(failure):
            pass

        self.door = ub.protect("on a loop", **self.options)(self.work_async)
        self.node = self.door.node
        if remedy:
            self.door.remedy(OSError)(mend)

    async def work_async(self):
        self.work()

    def call(self):
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self.door())
        finally:
            loop.close()


class InBlocks(Job):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.node = self.attempts().node

    def attempts(self):
        return ub.attempts("blocks", **self.options)

    def call(self):
        for attempt in self.attempts():
            with attempt:
                self.work()


class Items(Job):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.door = ub.protect("items", **self.options)(self.items)
        self.node = self.door.node

    def items(self):
        self.work()
        yield 1
        yield 2

    def call(self, each=lambda: None):
        for item in self.door():
            if item == 1:
                each()


class AsyncItems(Items):
    async def items(self):
        self.work()
        yield 1
        yield 2

    def call(self, each=lambda: None):
        async def consume():
            async for item in self.door():
                if item == 1:
                    each()

        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(consume())
        finally:
            loop.close()


class ForAnother(Plain):
    """Its caller, in another process, has told when it no longer waits."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.door, self.call = self.call, self.call_for_another

    def call_for_another(self):
        with ub.incoming({"Unbreakable-Deadline": "9"}):
            self.door()


def interrupted(job, error, at):
    """Do what ``interrupted_here`` does in a thread of its own.

    A tracer that raises may leave Python with an error that it takes for handled ever after, in that thread.
    """
    ended = []
    thread = threading.Thread(target=lambda: ended.append(interrupted_here(job, error, at)))
    thread.start()
    thread.join()
    return ended[0]


def interrupted_here(job, error, at):
    """Call *job*, which *error* interrupts at the place number *at*; return what came up, and what is left of it."""
    came_up = None
    with Interrupted(error, at) as signal:
        try:
            job.call()
        except (error, OSError, ub.errors.ValidationFailed, ub.errors.VerificationFailed) as raised:
            came_up = type(raised)
    left = [gate.made - len(gate.free) for gate in job.gates()], ub.current()
    job.fails = 0
    job.call()
    return signal, came_up, left


SORTS = [
    (Plain, {}),
    (Plain, {"inner": True}),
    (Plain, {"remedy": True}),
    (Plain, {"bulkhead": None, "limit": ub.AdaptiveLimit(first=2, most=2, wait=0.0)}),
    (Plain, {"validate": lambda: True, "verify": lambda value: True}),
    (Told, {}),
    (OnALoop, {}),
    (OnALoop, {"inner": True}),
    (OnALoop, {"remedy": True}),
    (InBlocks, {}),
    (Items, {}),
    (AsyncItems, {}),
    (ForAnother, {}),
    (Plain, {"retry": PAUSING}),
    (OnALoop, {"retry": PAUSING}),
    (InBlocks, {"retry": PAUSING}),
    (Items, {"retry": PAUSING}),
    (ToTheFull, {"retry": PAUSING}),
]


@pytest.mark.filterwarnings("ignore:coroutine 'OnALoop.work_async' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'OnALoop.__init__.<locals>.mend' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'Stream._open_async' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SoftTimeLimit])
@pytest.mark.parametrize("fails", [0, 1, 2])
@pytest.mark.parametrize("sort", range(len(SORTS)))
def test_an_interrupted_call_leaves_nothing_behind(sort, fails, error):
    """No place is lost, nothing of the call is in force, the next one succeeds; a KeyboardInterrupt comes up."""
    make, options = SORTS[sort]
    first, stride = lines(7 * sort + fails, 40, sparse=5)
    for at in itertools.count(1 + first, stride):
        job = make(fails, **options)
        signal, came_up, left = contextvars.Context().run(interrupted, job, error, at)
        assert ([0, 0], None) == left, signal.where
        assert came_up is (error if signal.came else None) or error is SoftTimeLimit, signal.where
        if not signal.came:
            break


def turned_away(call):
    """Return how many calls were turned away, as the caller sees it."""
    try:
        call()
    except ub.errors.CircuitOpen:
        return 1
    except SoftTimeLimit:
        pass
    return 0


def counted_around(at, before, *, asks):
    """Return whether *at* is a place, and how many calls were counted, and turned away *before*, there and after."""
    door = ub.protect("down")(lambda: None)
    door.node.breaker.force_open()
    seen = sum(turned_away(door) for _ in range(before))
    with Interrupted(SoftTimeLimit(), at) as signal:
        seen += turned_away(door.node.get_status if asks else door)
    seen += sum(turned_away(door) for _ in range(3))
    return signal.came, door.node.get_status().failure_count, seen


@pytest.mark.parametrize(("before", "asks"), [(0, False), (51, False), (5, True)])
def test_who_is_turned_away_is_counted_once_whenever_a_signal_comes(before, asks):
    """Nobody else's count is lost with the call that it ends, and the status always makes sense."""
    for at in itertools.count(1):
        came, counted, seen = in_time(partial(counted_around, at, before, asks=asks))
        assert counted - seen in (0, 1), f"at place {at}"
        if not came:
            break


def in_a_loop(attempts, kept, begin):
    for attempt in attempts:
        kept.append(attempt)
        with attempt:
            begin()


def in_an_async_loop(attempts, kept, begin):
    async def loop():
        async for attempt in attempts:
            kept.append(attempt)
            async with attempt:
                begin()

    asyncio.run(loop())


def in_another_function(attempts, kept, begin):
    def block(attempt):
        with attempt:
            begin()

    for attempt in attempts:
        block(attempt)


def in_a_stack(attempts, kept, begin):
    with contextlib.ExitStack() as stack:
        for attempt in attempts:
            stack.enter_context(attempt)
            break
        begin()


def interrupted_later(work, at):
    """Do *work*, interrupted at the place number *at* after what it is given was called; return where it still is."""
    variables, signal = contextvars.Context(), Interrupted(KeyboardInterrupt, at)

    def story():
        with contextlib.suppress(KeyboardInterrupt):
            work(signal.__enter__)
        signal.__exit__()

    thread = threading.Thread(target=variables.run, args=(story,))
    thread.start()
    thread.join()
    return signal, partial(variables.run, ub.current)


@pytest.mark.parametrize("shape", [in_a_loop, in_an_async_loop, in_another_function, in_a_stack])
def test_a_block_that_is_interrupted_as_it_ends_is_in_no_call(shape):
    """Whoever goes on, with the attempt still at hand, has the place back, and no deadline that is not theirs."""
    for at in itertools.count(1):
        attempts, kept = ub.attempts("ending", bulkhead=ub.Bulkhead(1), deadline=5.0), []
        signal, within = interrupted_later(partial(shape, attempts, kept), at)
        gate = attempts.node.target.gate
        if shape is in_a_stack and gate.inside:
            gc.collect()  # the stack itself is in a circle with what it has raised
        assert (0, None) == (gate.inside, within()), signal.where
        if not signal.came:
            break


@pytest.mark.parametrize("kind", [Items, AsyncItems])
def test_a_generator_that_is_interrupted_between_two_items_has_no_place(kind):
    """Whoever has taken one, and is interrupted as the next is asked for, does not wait for the collector."""
    for at in itertools.count(1):
        job = kind(0)
        signal, within = interrupted_later(job.call, at)
        assert (0, None) == (job.node.target.gate.inside, within()), signal.where
        if not signal.came:
            break


def test_a_request_that_is_interrupted_as_it_ends_binds_nobody():
    """What is called after it has its own time."""

    def work(begin):
        with ub.incoming({"Unbreakable-Deadline": "9"}):
            begin()

    for at in itertools.count(1):
        signal, within = interrupted_later(work, at)
        assert within() is None, signal.where
        if not signal.came:
            break
