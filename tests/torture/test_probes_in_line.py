"""Whether a target is back one caller finds out who has the time for it, and for all of its parts."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize(("takes", "most"), [(0.15, 3), (2.0, 60)])
def test_a_probe_is_not_wasted_on_those_in_line_whose_deadline_is_near(takes, most):
    """One that ends without a verdict is followed by one with twice the time, until one can tell that all is well."""

    async def story():
        is_up = False

        async def work():
            await sleep(takes)
            if not is_up:
                raise ConnectionError

        door = ub.protect("target", effects="idempotent", breaker=ub.CircuitBreaker(wait=60.0))(work)

        async def call():
            outcome = await door.outcome()
            return type(outcome.error)

        for _ in range(5):
            await door.outcome()
        is_up, calls = True, []
        for _ in range(600):
            calls.append(asyncio.ensure_future(call()))
            await sleep(0.1)
        ends = await asyncio.gather(*calls)
        return ends.count(ub.errors.DeadlineExceeded), door.node.breaker.state.value

    with virtual_time():
        lost, state = asyncio.run(story())

    assert "closed" == state
    assert lost <= most


def test_a_probe_goes_on_with_its_parts_when_others_have_been_given_its_permit():
    """A function whose pages take twice as long as a rest, all together, comes back after an outage beside others."""
    ends = Counter()

    @ub.protect("pages", effects="none", breaker=ub.CircuitBreaker(3, rest=2.0), retry=False)
    async def ask(second, page=8):
        await sleep(0.5)
        if second < 10:
            raise ConnectionResetError
        return await ask(second, page - 1) if page else 7

    async def caller(number):
        for second in range(number, 60, 2):
            ends[second >= 40, (await ask.outcome(second)).ok] += 1
            await sleep(1.0)

    async def story():
        await asyncio.gather(*map(caller, range(2)))

    with virtual_time():
        asyncio.run(story())
    assert 20 == ends[True, True]


def test_requests_inside_an_operation_that_a_node_carries_out_are_parts_of_it():
    """They have other effects than it, and so targets of their own, with one circuit for all of them."""
    is_up = False

    def answer(request):
        if not is_up:
            raise httpx2.ConnectError("down")
        return httpx2.Response(200, json=request.method)

    transport = httpx2.MockTransport(answer)
    api = ub.APINode("http://localhost", transport=transport, breaker=ub.CircuitBreaker(1, rest=1.0), retry=False)

    async def order(ctx):
        return [await api.make_request(), await api.make_request(method="POST")]

    async def story():
        nonlocal is_up
        first, is_up = await api.execute(order), True
        await sleep(1.0)
        second = await api.execute(order)
        await api.aclose()
        return first.ok, second.value, api.breaker.state

    with virtual_time():
        assert (False, ["GET", "POST"], "closed") == asyncio.run(story())


@pytest.mark.parametrize("retry", [None, False])
@pytest.mark.parametrize("depth", [1, 8])
def test_a_failure_that_comes_up_through_calls_of_the_same_target_is_one(depth, retry):
    """One folder that cannot be read is no outage, however deep it lies; that a target is down is seen all the same."""
    ends = Counter()

    @ub.protect("folder", effects="none", breaker=ub.CircuitBreaker(5), retry=retry)
    def size(number, left):
        if not left and number >= 10 and number % 10 == 0:
            raise ConnectionResetError
        return 1 + (size(number, left - 1) if left else 0)

    with virtual_time(seed=1) as clock:
        for number in (*range(40), 50, 60, 70, 80, 90, 100):
            ends[number < 40, type(size.outcome(number, depth).error).__name__] += 1
            clock.advance(0.1)

    assert {"NoneType": 37, "ConnectionResetError": 3} == {name: n for (is_well, name), n in ends.items() if is_well}
    assert "open" == size.node.breaker.state


@pytest.mark.parametrize("depth", [0, 3])
def test_a_share_of_failures_is_the_same_however_deep_they_lie(depth):
    """Three of five folders cannot be read: as of each success, a share is told of each of them at every level."""
    ends = Counter()

    @ub.protect("folder", effects="none", breaker=ub.CircuitBreaker(ratio=0.5), retry=False)
    def size(number, left):
        if not left and number % 5 < 3:
            raise ConnectionResetError
        return 1 + (size(number, left - 1) if left else 0)

    with virtual_time(seed=1) as clock:
        for number in range(2, 102):
            ends[type(size.outcome(number, depth).error).__name__] += 1
            clock.advance(0.1)

    assert ends["CircuitOpen"] > 80
