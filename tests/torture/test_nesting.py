"""Calls inside calls: repeats do not multiply, deadlines reach inwards, keys stay, colours mix."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading

import pytest
from tests.handing_on import as_it_is, from_it, hiding_it, in_its_place

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, DeadlineExceeded
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def beside_another(error):
    raise ExceptionGroup("several", [ValueError("another"), error])


@pytest.mark.parametrize("layer", [as_it_is, from_it, in_its_place, hiding_it, beside_another])
def test_three_layers_of_three_attempts_make_at_most_four_calls(colour, layer):
    """However a layer hands on the trouble below, the layers above do not repeat what was repeated below."""

    async def story():
        calls = []

        async def bottom():
            calls.append(1)
            raise ConnectionError("down")

        def above(door):
            async def work():
                try:
                    return await colour.call(door)
                except Exception as error:
                    layer(error)

            return colour.protect(work, breaker=False)

        top = above(above(colour.protect(bottom, breaker=False)))
        outcome = await colour.call(top.outcome)
        return len(calls), outcome.attempts, outcome.status.value

    calls, attempts, status = colour.play(story)

    assert calls <= 4
    assert (1, "failed") == (attempts, status)


def test_layers_over_two_failing_calls_at_once_do_not_multiply_either():
    """A group of protected calls that all fail was repeated below, too."""

    async def story():
        calls = []

        async def down(name):
            calls.append(name)
            raise ConnectionError(name)

        door = ub.protect("bottom", breaker=False)(down)

        @ub.protect("top", breaker=False)
        async def top():
            async with asyncio.TaskGroup() as group:
                group.create_task(door("a"))
                group.create_task(door("b"))

        await top.outcome()
        return len(calls)

    with virtual_time():
        assert asyncio.run(story()) <= 6


def test_trouble_of_its_own_is_repeated_by_every_layer(colour):
    """A layer that fails for another reason than the call below repeats as it would alone."""

    async def story():
        tries = []

        async def down():
            raise ConnectionError("down")

        optional = colour.protect(down, breaker=False)

        async def work():
            tries.append(1)
            await colour.call(optional.outcome)
            if len(tries) < 3:
                raise OSError("mine")
            return "at last"

        return await colour.call(colour.protect(work, breaker=False)), len(tries)

    assert ("at last", 3) == colour.play(story)


def test_a_family_of_nodes_pays_from_one_purse(colour):
    """Children's repeats are paid from their parent's budget: a storm in one of them is a storm of all."""

    async def story():
        calls = []

        async def down():
            calls.append(1)
            raise ConnectionError("down")

        budget = ub.RetryBudget(ratio=0.0, floor=0.0, start=5.0)
        parent = ub.FractalNode("parent", budget=budget, breaker=False, retry=ub.Retry(3, backoff=ub.Backoff(0.0)))
        children = [parent.create_child(name, breaker=False, retry=ub.Retry(3)) for name in "abcde"]
        for child in children:
            await colour.call(child.execute if colour.is_async else child.execute_sync, colour.plain(down))
        return len(calls), parent.get_status().failure_count

    assert (5 + 5, 5) == colour.play(story)


def test_a_call_inside_sees_the_deadline_of_the_call_around_it(colour):
    """What is left of the outer deadline is all that the inner call has."""

    async def story():
        seen = []

        async def bottom():
            seen.append(round(ub.current().left(), 6))
            await colour.sleep(1)

        inner = colour.protect(bottom, deadline=500.0)

        async def work():
            for _ in range(3):
                await colour.call(inner)

        await colour.call(colour.protect(work, deadline=5.0))
        return seen

    assert [5.0, 4.0, 3.0] == colour.play(story)


def test_a_call_inside_keeps_its_own_time_limit_where_that_is_sooner():
    """The deadline of the call around it takes nothing from it: what hangs is cut when its own time is up."""

    @ub.protect("inner", timeout=ub.Timeout(1.0), retry=False, deadline=60.0)
    async def inner():
        await sleep(8.0)

    @ub.protect("outer", timeout=False, retry=False, deadline=10.0)
    async def outer():
        began = clock.now()
        with pytest.raises(AttemptTimeout):
            await inner()
        return clock.now() - began

    with virtual_time() as clock:
        assert 1.0 == asyncio.run(outer())


def test_a_call_inside_is_refused_when_the_time_of_the_call_around_it_is_up(colour):
    """In sync code nobody is cut, but no further call is begun; in async code the outer call is cut."""

    async def story():
        calls = []

        async def bottom():
            calls.append(1)
            await colour.sleep(2)

        inner = colour.protect(bottom)

        async def work():
            for _ in range(10):
                await colour.call(inner)

        outer = colour.protect(work, deadline=5.0, retry=False)
        outcome = await colour.call(outer.outcome)
        return type(outcome.error), len(calls), inner.node.breaker.run

    assert (DeadlineExceeded, 3, 0) == colour.play(story)


def test_what_must_not_happen_twice_is_not_repeated_by_a_layer_above(colour):
    """A layer that declared nothing does not repeat the effects="once" of a call inside it."""

    async def story():
        calls = []

        async def pay():
            calls.append(1)
            raise ConnectionResetError("the answer got lost")

        once = colour.protect(pay, effects="once")

        async def book():
            await colour.call(once)

        await colour.call(colour.protect(book).outcome)
        return len(calls)

    assert 1 == colour.play(story)


def test_what_was_cut_inside_is_not_repeated_by_a_layer_above(colour):
    """A layer that declared nothing does not repeat a call inside that was cut, for nobody knows what it did."""

    async def story():
        calls = []

        async def slow():
            calls.append(1)
            await colour.sleep(100)

        inner = colour.protect(slow, timeout=ub.Timeout(2.0))

        async def work():
            await colour.call(inner)

        outcome = await colour.call(colour.protect(work, deadline=1000.0).outcome)
        return type(outcome.error), len(calls)

    assert (AttemptTimeout, 1) == colour.play(story)


def test_an_idempotency_key_outlives_the_repeat_of_the_call_around_it(colour):
    """Each piece of work keeps its key when the layer above repeats it, and two pieces never share one."""

    async def story():
        keys = []

        async def pay(what):
            keys.append((what, ub.current().idempotency_key))

        inner = colour.protect(pay)

        async def book():
            await colour.call(inner, "flight")
            await colour.call(inner, "hotel")
            if len(keys) < 4:
                raise ConnectionError

        outer = colour.protect(book)
        await colour.call(outer)
        await colour.call(outer)
        return keys

    keys = colour.play(story)
    flight, hotel, flight_again, hotel_again, other_flight, other_hotel = (key for _, key in keys)

    assert (flight, hotel) == (flight_again, hotel_again)
    assert 4 == len({flight, hotel, other_flight, other_hotel})


def test_a_function_may_call_itself(colour):
    """Recursion through the door is as deep as recursion without it may be."""

    async def story():
        async def count(down):
            return 0 if down == 0 else 1 + await colour.call(door, down - 1)

        door = colour.protect(count)
        return await colour.call(door, 40), ub.current()

    assert (40, None) == colour.play(story)


def test_a_task_that_outlives_its_call_is_not_bound_by_it():
    """What a call leaves running is not cut, refused or counted by the deadline of the call that is over."""

    async def story():
        tasks = []

        async def quick():
            return ub.current().left()

        door = ub.protect("later", deadline=100.0)(quick)

        async def later():
            await sleep(10)
            return ub.current(), await door()

        @ub.protect("target", deadline=2.0)
        async def work():
            tasks.append(asyncio.ensure_future(later()))

        await work()
        return await tasks[0]

    with virtual_time():
        assert (None, 100.0) == asyncio.run(story())


def test_async_code_inside_sync_code_inside_async_code():
    """Each colour may call the other: asyncio.run in a sync call, a sync call in a thread of an async one."""

    @ub.protect("innermost")
    async def innermost():
        await sleep(0)
        return [context.node.name for context in chain()]

    def chain():
        context = ub.current()
        while context is not None:
            yield context
            context = context.parent

    @ub.protect("middle")
    def middle():
        return asyncio.run(innermost())

    @ub.protect("outermost")
    async def outermost():
        return await asyncio.to_thread(middle)

    assert ["innermost", "middle", "outermost"] == asyncio.run(outermost())
    assert ub.current() is None


def test_one_function_serves_several_event_loops_one_after_another():
    """A protected function of a module outlives the loops on which it is called."""
    inside = []

    @ub.protect(
        "module level",
        effects="none",
        bulkhead=ub.Bulkhead(1, wait=5.0),
        timeout=ub.Timeout(5.0),
        hedge=ub.Hedge(0.001),
    )
    async def door():
        inside.append(1)
        await sleep(0.002)
        return "works"

    async def both():
        return await asyncio.gather(door(), door())

    ends = [asyncio.run(both()) for _ in range(5)]

    assert [["works", "works"]] * 5 == ends
    assert 0 == door.node.get_status().in_flight


def test_one_function_serves_several_event_loops_at_once():
    """Two loops in two threads share the circuit, the places and the counts."""

    @ub.protect("shared", bulkhead=ub.Bulkhead(1, wait=30.0))
    async def door():
        await sleep(0)
        return threading.get_ident()

    async def many():
        return await asyncio.gather(*(door() for _ in range(50)))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda _: set(asyncio.run(many())), range(2)))

    status = door.node.get_status()

    assert [1, 1] == [len(end) for end in ends]
    assert (100, 0) == (status.success_count, status.in_flight)


@pytest.mark.parametrize(
    ("own", "callers", "before", "blamed"),
    [(2.0, 60.0, 0.0, True), (60.0, 2.0, 0.0, False), (10.0, 60.0, 8.0, False)],
    ids=["its own", "its caller's", "what was left of its own"],
)
def test_a_target_is_blamed_only_for_a_deadline_that_was_meant_for_it(own, callers, before, blamed):
    """Its own, spent on this attempt for the most part: not its caller's, and not what an earlier attempt has left."""
    tries = []

    @ub.protect("inner", effects="none", deadline=own, timeout=False, breaker=ub.CircuitBreaker(2 if before else 1))
    async def inner():
        tries.append(1)
        if before and len(tries) == 1:
            await ASYNCIO.sleep(before)
            raise OSError
        await ASYNCIO.sleep(1000)

    with virtual_time():
        outcome = asyncio.run(ub.protect("outer", deadline=callers, retry=False)(inner).outcome())

    assert isinstance(outcome.error, DeadlineExceeded)
    assert blamed is (inner.node.breaker.state is ub.State.OPEN)
