"""What hangs below protected callers: their deadlines end its calls, and its circuit opens all the same."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def play(times, *, outer=None, around=None, handler=0.0, pause=0.0, **inner):
    """Return the state of the circuit of what hangs, after so many calls through an endpoint, and how many asked it."""
    asked = []

    @ub.protect("dependency", **inner)
    async def ask():
        asked.append(1)
        await sleep(math.inf)

    @ub.protect("endpoint", deadline=outer, breaker=False, retry=False)
    async def serve():
        await sleep(handler)
        async with asyncio.timeout(around):
            await ask()

    async def main():
        for _ in range(times):
            await serve.outcome()
            await sleep(pause)

    with virtual_time(seed=1):
        asyncio.run(main())
        return ask.node.breaker.state, len(asked)


def test_who_was_given_up_after_most_of_its_own_deadline_has_failed():
    """Also where both have the same, and the outer one comes first; what is asked then is refused."""
    assert ("open", 5) == play(8)


def test_so_has_who_was_cancelled_then():
    """By a limit of the program's own."""
    assert ("open", 5) == play(8, around=29.0)


@pytest.mark.parametrize("around", [None, 29.0])
@pytest.mark.parametrize("gate", [{"limit": ub.AdaptiveLimit()}, {"throttle": ub.Throttle()}])
def test_so_has_what_is_asked_through_a_gate(gate, around):
    """There is no answer that could say that the target is full, of which that was asked all the same."""
    assert ("open", 5) == play(8, around=around, **gate)


@pytest.mark.parametrize("gate", [{"limit": ub.AdaptiveLimit()}, {"throttle": ub.Throttle()}])
def test_a_cancellation_comes_through_a_gate_and_no_place_is_lost(gate):
    """Though it comes so late that it counts as a failure."""

    @ub.protect("gated", **gate)
    async def ask():
        await sleep(math.inf)

    async def main():
        call = asyncio.ensure_future(ask())
        await sleep(29.0)
        call.cancel()
        await asyncio.wait({call})
        return call.cancelled()

    with virtual_time(seed=1):
        assert asyncio.run(main())
        assert not ask.node.get_status().in_flight


@pytest.mark.parametrize("hurried", [{"outer": 5.0}, {"around": 5.0}, {"handler": 10.0}, {"deadline": math.inf}])
def test_who_was_in_a_hurry_says_nothing(hurried):
    """The target may take longer than its caller has."""
    assert ("closed", 8) == play(8, **hurried)


def test_a_probe_that_was_given_up_so_late_has_failed_too():
    """The circuit opens again, and the permit is not handed on to the next one that would wait as long."""
    assert ("open", 8) == play(14, pause=10.0, breaker=ub.CircuitBreaker(5, rest=30.0), timeout=False)


def crawled(*, around=None, **options):
    """Return the state of the circuit of what calls itself five times over, and hangs once there."""

    @ub.protect("crawl", **options)
    async def crawl(depth):
        await sleep(math.inf if depth == 0 else 0.0)
        await crawl(depth - 1)

    async def main():
        async with asyncio.timeout(around):
            await crawl(5)

    with virtual_time(seed=1):
        with pytest.raises((TimeoutError, ub.errors.DeadlineExceeded)):
            asyncio.run(main())
        return crawl.node.breaker.state


@pytest.mark.parametrize("around", [None, 29.0])
@pytest.mark.parametrize("options", [{}, {"breaker": ub.CircuitBreaker(2)}, {"timeout": False, "retry": False}])
def test_what_hangs_once_is_one_failure_however_often_its_target_has_called_itself(around, options):
    """As an error is that comes up through several levels: whoever is around it tells."""
    assert crawled(around=around, **options) == "closed"


@pytest.mark.parametrize("around", [None, 29.0])
def test_of_a_share_it_is_one_at_each_level(around):
    """As a success is."""
    assert crawled(around=around, breaker=ub.CircuitBreaker(ratio=0.5, minimum=5)) == "open"


@pytest.mark.parametrize("around", [None, 29.0])
def test_a_circuit_in_the_shadow_opens_by_it_as_one_in_force(around):
    """It has the same decisions made by the same code."""
    seen = []

    @ub.protect("dependency", breaker=ub.Shadow(ub.CircuitBreaker(5)))
    async def ask():
        await sleep(math.inf)

    async def main():
        for _ in range(5):
            with pytest.raises(TimeoutError if around else ub.errors.DeadlineExceeded):
                async with asyncio.timeout(around):
                    await serve()
            seen.append(ask.node.get_status().shadows["breaker"]["would_open"])

    @ub.protect("endpoint", breaker=False, retry=False)
    async def serve():
        await ask()

    with virtual_time(seed=1):
        asyncio.run(main())

    assert seen == [0, 0, 0, 0, 1]
