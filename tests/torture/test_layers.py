"""Repeats inside repeats cost double, then there are none; a request from another process counts as a layer."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
AT_ONCE, ONE = ub.Retry(3, backoff=ub.Backoff(0.0)), ub.Retry(1)


def purse(tokens):
    """Return a budget that earns nothing."""
    return ub.RetryBudget(ratio=0.0, floor=0.0, start=tokens)


@pytest.mark.parametrize(
    ("headers", "attempts", "left"),
    [
        ({}, 3, 6.0),
        ({"Unbreakable-Attempt": "1"}, 3, 6.0),
        ({"Unbreakable-Attempt": "2"}, 3, 4.0),
        ({"Unbreakable-Attempt": "1;layers=1"}, 3, 4.0),
        ({"Unbreakable-Attempt": "2;layers=2"}, 1, 8.0),
        ({"grpc-previous-rpc-attempts": "1"}, 3, 4.0),
        ({"x-envoy-attempt-count": "3"}, 3, 4.0),
    ],
)
def test_repeats_for_a_request_that_is_a_repeat_cost_double(colour, headers, attempts, left):
    """One layer of repeats before us doubles the price of ours, and with two there are none."""

    async def story():
        async def down():
            raise ConnectionError("down")

        door = colour.protect(down, retry=AT_ONCE, budget=purse(8.0), breaker=False)
        with ub.incoming(headers):
            outcome = await colour.call(door.outcome)
        return outcome.attempts, door.node.budget.level(0, colour.runtime.now())

    assert (attempts, left) == colour.play(story)


@pytest.mark.parametrize(
    ("headers", "attempts", "left"),
    [
        ({}, 3, 6.0),
        ({"Unbreakable-Attempt": "1;layers=1"}, 3, 4.0),
        ({"Unbreakable-Attempt": "2;layers=2"}, 1, 8.0),
    ],
)
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_what_is_paid_in_advance_costs_the_same(headers, attempts, left, form):
    """Plain code that asks how long it has pays for its repeats beforehand, and gets back all that it did not need."""
    made = []

    def work():
        ub.current().remaining()
        made.append(1)
        if len(made) > 1:
            raise ConnectionError("down")

    guess = ub.Timeout(5.0, cut_threads=False, learned=True)
    door = ub.protect("asks", effects="none", retry=AT_ONCE, budget=purse(8.0), breaker=False, timeout=guess)(work)
    with virtual_time() as clock, ub.incoming(headers):
        door() if form == "plain" else door.outcome()
        with contextlib.suppress(ConnectionError):
            door() if form == "plain" else door.outcome()
        assert left == door.node.budget.level(0, clock.now())

    assert 1 + attempts == len(made)


@pytest.mark.parametrize(("layers", "left"), [("", 4.0), (";layers=1", 8.0)])
def test_a_repeat_of_what_was_repeated_inside_costs_double(colour, layers, left):
    """Also where the layer makes an error of its own of it, which leads nobody back to what was repeated."""

    async def story():
        calls = []

        async def down():
            calls.append(1)
            raise ConnectionError("down")

        inner = colour.protect(down, retry=AT_ONCE, budget=purse(100.0), breaker=False)

        async def work():
            if not (await colour.call(inner.outcome)).ok:
                raise RuntimeError("ill")

        outer = colour.protect(work, retry=AT_ONCE, budget=purse(8.0), breaker=False)
        with ub.incoming({"Unbreakable-Attempt": f"1{layers}"}):
            await colour.call(outer.outcome)
        return outer.node.budget.level(0, colour.runtime.now())

    assert left == colour.play(story)


def test_a_repeat_of_what_was_not_repeated_inside_costs_one(colour):
    """A failure of the layer's own, in an attempt whose calls went well, is paid as any other."""

    async def story():
        tries = []

        async def bottom():
            if not tries:
                raise ConnectionError("down")

        inner = colour.protect(bottom, retry=ub.Retry(2, backoff=ub.Backoff(0.0)), budget=purse(100.0), breaker=False)

        async def work():
            await colour.call(inner.outcome)
            tries.append(1)
            raise RuntimeError("mine")

        outer = colour.protect(work, retry=AT_ONCE, budget=purse(8.0), breaker=False)
        await colour.call(outer.outcome)
        return outer.node.budget.level(0, colour.runtime.now())

    assert 8.0 - 2.0 - 1.0 == colour.play(story)


def test_layers_that_leave_no_trail_multiply_little(colour):
    """Three layers of three attempts, each with an error of its own, are paid twice: by what they began with."""

    async def story():
        calls = []

        async def bottom():
            calls.append(1)
            raise ConnectionError("down")

        def above(door):
            async def work():
                if not (await colour.call(door.outcome)).ok:
                    raise RuntimeError("ill")

            return colour.protect(work, retry=AT_ONCE, breaker=False)

        top = above(above(colour.protect(bottom, retry=AT_ONCE, breaker=False)))
        taken = []
        for _ in range(20):
            before = len(calls)
            await colour.call(top.outcome)
            taken.append(len(calls) - before)
        return taken

    taken = colour.play(story)

    assert taken[0] <= 11
    assert [1] * 15 == taken[-15:]


def second_try(colour, door):
    """Return a protected call that reaches *door* in its second attempt."""
    tries = []

    async def work():
        tries.append(1)
        if len(tries) < 2:
            raise OSError("mine")
        return await colour.call(door.outcome)

    return colour.protect(work, retry=AT_ONCE, breaker=False)


@pytest.mark.parametrize(("depth", "attempts"), [(0, 3), (1, 3), (2, 1)])
def test_layers_in_one_process_count_like_those_before_it(colour, depth, attempts):
    """A call in the second attempt of one that is in the second attempt of another is not repeated, and says why."""

    async def story():
        async def bottom():
            raise ConnectionError("down")

        door = colour.protect(bottom, retry=AT_ONCE, breaker=False)
        for _ in range(depth):
            door = second_try(colour, door)
        end = await colour.call(door.outcome)
        for _ in range(depth):
            end = end.value
        return end.attempts, "several calls around this one are repeating already" in end.explain()

    assert (attempts, attempts == 1) == colour.play(story)


def test_copies_inside_repeats_cost_double_and_inside_two_there_are_none():
    """A second copy of a slow call is extra load like any other."""

    async def story(headers):
        made = []

        @ub.protect("slow", effects="none", hedge=ub.Hedge(0.1), budget=purse(8.0), retry=False)
        async def slow():
            made.append(1)
            await sleep(1.0)

        with ub.incoming(headers):
            await slow()
        return len(made), slow.node.budget.level(0, ASYNCIO.now())

    seen = []
    for layers in (0, 1, 2):
        with virtual_time():
            seen.append(asyncio.run(story({"Unbreakable-Attempt": f"1;layers={layers}"})))

    assert [(2, 7.0), (2, 6.0), (1, 8.0)] == seen


def test_a_copy_around_a_call_is_a_layer_and_a_repeat_of_ones_own_is_another():
    """What is copied in a second attempt is dearer, and so is what is repeated inside a copy."""

    async def story():
        made = []

        @ub.protect("bottom", budget=purse(20.0), retry=ub.Retry(2, backoff=ub.Backoff(0.0)), breaker=False)
        async def bottom():
            made.append(1)
            raise ConnectionError("down")

        @ub.protect("top", effects="none", hedge=ub.Hedge(0.1), retry=False, breaker=False)
        async def top():
            if ub.current().rival == 0:
                await sleep(1.0)
                return
            await bottom()

        await top()
        return len(made), bottom.node.budget.level(0, ASYNCIO.now())

    with virtual_time():
        assert (2, 18.0) == asyncio.run(story())


def test_without_a_budget_nothing_is_dearer(colour):
    """Who switches the budget off wants all repeats, wherever they are made."""

    async def story():
        calls = []

        async def down():
            calls.append(1)
            raise ConnectionError("down")

        door = colour.protect(down, retry=AT_ONCE, budget=False, breaker=False)
        with ub.incoming({"Unbreakable-Attempt": "2;layers=5"}):
            await colour.call(door.outcome)
        return len(calls)

    assert 3 == colour.play(story)


def test_calls_that_were_never_made_earn_nothing(colour):
    """A budget is a share of the traffic, of which those that an open circuit refuses are no part."""

    async def story():
        async def down():
            raise ConnectionError("down")

        budget = ub.RetryBudget(ratio=1.0, floor=1.0, start=0.0)
        door = colour.protect(down, budget=budget, breaker=ub.CircuitBreaker(2, rest=1_000.0))
        for _ in range(10):
            await colour.call(door.outcome)
        await colour.sleep(100.0)
        return door.node.budget.level(0, colour.runtime.now())

    assert 2.0 == colour.play(story)


def test_a_call_that_is_denied_a_repeat_keeps_its_own_error(colour):
    """That the budget is spent is told in its story; only a program's own word is raised as such, and believed."""

    async def story():
        calls = []

        async def work(error):
            calls.append(1)
            raise error

        door = colour.protect(work, budget=purse(0.0), breaker=ub.CircuitBreaker(1))
        own = await colour.call(door.outcome, ub.errors.BudgetSpent("no money left"))
        state = door.node.breaker.state.value
        denied = await colour.call(door.outcome, ConnectionError("down"))
        return len(calls), type(own.error), state, type(denied.error), denied.trace.story[-1].split("  ")[-1]

    told = colour.play(story)

    assert (2, ub.errors.BudgetSpent, "closed", ConnectionError) == told[:4]
    assert "no further attempt: the retry budget is spent" == told[4]


# ── what a request brings along ─────────────────────────────────────────────────────────────────────────────────────
