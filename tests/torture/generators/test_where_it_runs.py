"""The body of a generator runs in its call, its consumer's code in the consumer's: context does not leak over a yield.

After PEP 789, "Preventing task-cancellation bugs by limiting yield in async generators".
"""

from __future__ import annotations

import asyncio
import contextvars
import math

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def name():
    """Return the name of the call that is running here."""
    context = ub.current()
    return None if context is None else context.node.name


def test_inside_is_the_call_and_outside_the_consumer(hand):
    """Before the first item, between two, at the end and while closing."""

    async def story():
        inside, outside = [], []

        async def items():
            try:
                for item in range(3):
                    inside.append((name(), ub.current().attempt))
                    yield item
            finally:
                inside.append((name(), ub.current().attempt))

        stream = hand.guard(items)
        for steps in (3, 1):
            reading = stream()
            for _ in range(steps):
                await hand.next(reading)
                outside.append(name())
            await hand.close(reading)
            outside.append(name())
        return set(inside), set(outside)

    assert ({("stream", 1)}, {None}) == hand.play(story)


def test_a_consumer_that_is_a_call_itself_stays_in_it(hand):
    """Two generators read in turns by a protected call: each of the three knows where it is."""

    async def story():
        async def items(which):
            for _ in range(3):
                yield which, name(), ub.current().input
                seen.add((which, id(ub.current())))

        seen = set()
        stream = hand.guard(items)

        async def read():
            one, two, told = stream("one"), stream("two"), []
            for _ in range(3):
                for reading in (one, two):
                    told.append((await hand.next(reading))[:2])
                    told.append(name())
            return told

        told = await hand.call(hand.protect(read))
        return set(told), len(seen), name()

    assert ({("one", "stream"), ("two", "stream"), "target"}, 2, None) == hand.play(story)


def test_the_context_that_a_generator_keeps_stays_alive(hand):
    """Asked once before the first item, it tells the truth after it, too."""

    async def story():
        async def items():
            context = ub.current()
            for _ in range(3):
                yield context.live, ub.current() is context, context.remaining() > 1_000.0, context.idempotency_key

        reading = hand.guard(items, deadline=2.0)()
        told = [await hand.next(reading) for _ in range(3)]
        return [each[:3] for each in told], len({each[3] for each in told})

    assert ([(True, True, False), (True, True, True), (True, True, True)], 1) == hand.play(story)


def test_calls_inside_that_are_alike_keep_names_of_their_own(hand):
    """A body that pays once before an item and once after it pays twice."""

    async def story():
        keys = []

        async def pay(amount):
            keys.append(ub.current().idempotency_key)

        paying = hand.protect(pay)

        async def items():
            for _ in range(3):
                await hand.call(paying, 5)
                yield 1

        await hand.all(hand.guard(items)())
        return len(set(keys))

    assert 3 == hand.play(story)


def test_a_block_inside_goes_on_where_it_was(hand):
    """Items may be handed on from within a block of attempts."""

    async def story():
        inside, outside = [], []

        async def items():
            for attempt in ub.attempts("block"):
                with attempt:
                    inside.append(name())
                    yield 1
                    inside.append(name())
                    yield 2
                    inside.append(name())
            inside.append(name())

        reading = hand.guard(items)()
        for _ in range(2):
            await hand.next(reading)
            outside.append(name())
        await hand.all(reading)
        return inside, outside

    assert (["block", "block", "block", "stream"], [None, None]) == hand.play(story)


def test_whoever_asks_for_an_item_has_it_made_in_his_time(hand):
    """The consumer's deadline holds for the calls inside while it waits, and for nobody who comes after it."""

    async def story():
        async def items():
            while True:
                left = ub.current().remaining()
                yield math.inf if left == math.inf else round(left, 3)

        reading = hand.guard(items, deadline=7.0)()

        async def ask():
            return await hand.next(reading)

        asking = hand.protect(ask, deadline=3.0)
        return await hand.next(reading), await hand.call(asking), await hand.next(reading)

    assert (7.0, 3.0, math.inf) == hand.play(story)


def test_what_a_generator_has_begun_outlives_the_deadlines_of_those_who_asked(hand):
    """A session's heartbeat, in a task or thread with its context, has its own time while the session is at rest."""
    ping = ub.protect("ping", deadline=30.0)(lambda: ub.current().remaining())

    async def story():
        begun = []

        async def session():
            begun.append(contextvars.copy_context())
            while True:
                begun.append(contextvars.copy_context())
                yield begun[0].run(ping)

        reading = hand.guard(session, deadline=7.0)()

        async def ask():
            return await hand.next(reading)

        left = []
        for step in (ask, hand.protect(ask, deadline=3.0), ask):
            left.append(round(await hand.call(step) if step is not ask else await ask(), 3))
            await hand.sleep(10.0)
            left += [begun[0].run(ping), begun[-1].run(ping)]
        await hand.close(reading)
        return left, begun[0].run(ping)

    assert ([7.0, 30.0, 30.0, 3.0, 30.0, 30.0, 30.0, 30.0, 30.0], 30.0) == hand.play(story)


def test_the_time_limit_of_an_item_never_cuts_its_consumer():
    """The trap of PEP 789: a scope that is open over a yield cancels whatever runs outside of it."""

    async def story():
        @ub.protect("stream", timeout=ub.Timeout(1.0), deadline=2.0)
        async def items():
            yield 1
            yield 2

        came = []
        async for item in items():
            await sleep(30.0)  # in a task that nobody is to cancel
            came.append((item, asyncio.current_task().cancelling()))
        return came

    with virtual_time():
        assert [(1, 0), (2, 0)] == asyncio.run(story())


def test_the_time_limit_of_the_consumer_is_its_own():
    """A call that is cut while it waits for an item is the one that fails; the generator is told, and not blamed."""

    async def story():
        told = []

        @ub.protect("stream", breaker=ub.CircuitBreaker(1))
        async def items():
            try:
                yield 1
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(name())
                raise

        @ub.protect("reader", timeout=ub.Timeout(2.0), retry=False)
        async def read():
            return [item async for item in items()]

        with pytest.raises(ub.errors.AttemptTimeout):
            await read()
        return told, items.node.breaker.state.value, read.node.get_status().failure_count

    with virtual_time():
        assert (["stream"], "closed", 1) == asyncio.run(story())


def test_two_tasks_that_read_one_generator_in_turns_stay_apart():
    """Each has a context of its own, and keeps it."""
    mine = contextvars.ContextVar("mine", default="nobody's")

    async def story():
        @ub.protect("stream")
        async def items():
            for _ in range(4):
                yield mine.get(), name()

        reading, turn = items(), asyncio.Lock()

        async def consume(who):
            mine.set(who)
            seen = []
            for _ in range(2):
                async with turn:
                    seen.append(await anext(reading))
                await sleep(0.0)
                assert (who, None) == (mine.get(), name())
            return seen

        return await asyncio.gather(consume("a"), consume("b"))

    assert [[("a", "stream")] * 2, [("b", "stream")] * 2] == asyncio.run(story())


def test_one_generator_cannot_be_read_twice_at_once():
    """Python refuses it, and nothing of ours breaks over it."""

    async def story():
        @ub.protect("stream", bulkhead=ub.Bulkhead(1))
        async def items():
            yield 1
            await sleep(1.0)
            yield 2

        reading = items()
        await anext(reading)
        first = asyncio.create_task(anext(reading))
        await sleep(0.5)
        with pytest.raises(RuntimeError, match="already running"):
            await anext(reading)
        assert 2 == await first
        await reading.aclose()
        return items.node.target.gate.inside

    with virtual_time():
        assert 0 == asyncio.run(story())


def test_generators_in_generators_know_their_own_calls(hand):
    """Each yields from the one inside; each body sees its own call, and the consumer none."""

    async def story():
        async def inner():
            for _ in range(2):
                yield name()

        reading_inner = ub.protect("inner")(inner) if hand.is_async else None

        async def outer():
            source = reading_inner() if hand.is_async else plain()
            for _ in range(2):
                yield await hand.next(source), name()
            await hand.close(source)

        @ub.protect("inner")
        def plain():
            yield name()
            yield name()

        reading = hand.guard(outer)()
        told = [await hand.next(reading) for _ in range(2)]
        outside = name()
        await hand.close(reading)
        return told, outside, name()

    assert ([("inner", "stream")] * 2, None, None) == hand.play(story)


def test_a_generator_dropped_by_the_collector_leaves_the_code_around_it_alone():
    """It is closed in the middle of whatever runs just then."""

    @ub.protect("stream")
    def items():
        yield 1
        yield 2

    @ub.protect("around")
    def around():
        reading = items()
        next(reading)
        before = name()
        del reading
        return before, name()

    assert (("around", "around"), None) == (around(), name())


def test_a_generator_that_is_late_with_its_first_item_is_begun_anew_in_the_task_of_its_consumer():
    """A learned limit ends such an attempt: beside its consumer's task it could not go on for long."""

    async def story():
        tasks, slow, closed = [], [], []

        @ub.protect("stream", effects="idempotent", timeout=ub.Timeout(1.0, learned=True))
        async def items():
            tasks.append(asyncio.current_task())
            try:
                if slow:
                    slow.pop()
                    await sleep(5.0)
                yield 1
                tasks.append(asyncio.current_task())
                yield 2
            finally:
                closed.append(asyncio.current_task())

        slow.append(1)
        came = [item async for item in items()]
        here = asyncio.current_task()
        return came, [task is here for task in (*tasks, *closed)], here.cancelling()

    with virtual_time():
        assert ([1, 2], [True] * 5, 0) == asyncio.run(story())
