"""A repeat costs one when it is made: what was paid for one that never was is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

START = 10.0
PAUSE = ub.Retry(3, backoff=ub.Backoff(2.0, jitter=False))
QUICK, SCRIPT = True, False

both_ways = pytest.mark.parametrize("way", [QUICK, SCRIPT], ids=["quick", "script"])


def failing(*, lasts: float = 0.0, by: Exception | None = None, **options: Any) -> Any:
    """Return a protected function all of whose attempts fail, after so many seconds."""
    given = {"effects": "idempotent", "hedge": False, "timeout": False, "retry": PAUSE, "breaker": False, **options}

    @ub.protect("partner", **given)
    async def call() -> None:
        call.made += 1
        if lasts:
            await ASYNCIO.sleep(lasts)
        raise by or ConnectionResetError("down")

    call.made = 0
    return call


def played(story: Callable[[], Awaitable[Any]]) -> Any:
    """Return what *story* returns, in virtual time."""
    with virtual_time():
        return asyncio.run(story())  # type: ignore[arg-type]


async def left(call: Any, seconds: float, *, way: bool = QUICK) -> None:
    """Call it, and go away after so many *seconds*."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await (call() if way is QUICK else call.outcome())


async def drawn(rows: Any) -> None:
    """Ask a generator for all of its items."""
    async for _ in rows():
        pass


async def at_hand_after(rows: Any, seconds: float) -> float:
    """Return the tokens that are at hand when whoever draws items from *rows* has gone away after so many *seconds*."""
    await left(lambda: drawn(rows), seconds)
    return budget(rows)


def budget(call: Any) -> float:
    """Return the tokens that are at hand."""
    return call.node.get_status().budget


@both_ways
def test_callers_who_go_away_in_the_pause_have_paid_nothing(way: bool) -> None:
    """Ten of them leave the budget whole, and the next one is healed from it."""
    call = failing()

    async def story() -> None:
        for _ in range(10):
            await left(call, 1.0, way=way)
        assert 10 == call.made
        assert START == budget(call)

    played(story)


@both_ways
def test_who_goes_away_in_the_second_pause_has_paid_for_one_repeat(way: bool) -> None:
    """The repeat that was made stays paid, and only that."""
    call = failing()

    async def story() -> None:
        await left(call, 3.0, way=way)
        assert 2 == call.made
        assert START - 1.0 == budget(call)

    played(story)


@both_ways
def test_a_repeat_that_is_cancelled_under_way_stays_paid(way: bool) -> None:
    """It was sent, whatever comes of it."""
    call = failing(lasts=0.5)

    async def story() -> None:
        await left(call, 2.75, way=way)
        assert 2 == call.made
        assert START - 1.0 == budget(call)

    played(story)


@both_ways
@pytest.mark.parametrize("breaker", [ub.CircuitBreaker(1, rest=1.0), ub.CircuitBreaker(1, rest=9.0, wait=5.0)])
def test_a_repeat_that_the_circuit_refuses_is_not_paid(way: bool, breaker: ub.CircuitBreaker) -> None:
    """Nor one that it refuses after a pause, or for which it was waited in vain."""
    call = failing(breaker=breaker, retry=ub.Retry(3, backoff=ub.Backoff(0.0)))

    async def story() -> None:
        for _ in range(12):
            outcome = await call.outcome() if way is SCRIPT else await asyncio.gather(call(), return_exceptions=True)
            assert outcome
            await ASYNCIO.sleep(9.5)
        made = call.made
        assert made >= 12
        assert budget(call) >= START - (made - 12)

    played(story)


@both_ways
def test_who_goes_away_while_the_circuit_lets_nobody_through_has_paid_nothing(way: bool) -> None:
    """The repeat stands in line for an open circuit, where nothing is sent."""
    call = failing(breaker=ub.CircuitBreaker(1, rest=15.0, wait=60.0))

    async def story() -> None:
        await left(call, 10.0, way=way)
        assert 1 == call.made
        assert START == budget(call)

    played(story)


def test_inside_a_repeat_two_are_given_back() -> None:
    """What is given back is what was paid, not what a repeat costs elsewhere."""
    inner = failing()

    @ub.protect("outer", effects="idempotent", hedge=False, retry=ub.Retry(2, backoff=ub.Backoff(0.0)), breaker=False)
    async def outer() -> None:
        if ub.current().attempt == 1:
            raise ConnectionError("the first one fails by itself")
        await inner()

    async def story() -> None:
        for _ in range(3):
            await left(outer, 1.0)
        assert 3 == inner.made
        assert START == budget(inner)
        task = asyncio.ensure_future(outer())
        await ASYNCIO.sleep(1.0)
        assert START - 2.0 == budget(inner)
        task.cancel()
        await asyncio.wait([task])

    played(story)


def test_a_generators_caller_who_goes_away_in_the_pause_has_paid_nothing() -> None:
    """Before its first item a generator is repeated as any call is."""

    @ub.protect("rows", effects="idempotent", hedge=False, retry=PAUSE, breaker=False)
    async def rows() -> Any:
        raise ConnectionResetError("down")
        yield 1

    assert START == played(lambda: at_hand_after(rows, 1.0))


def test_a_repeat_paid_for_what_a_learned_limit_has_cut_is_given_back() -> None:
    """It was paid before the cut, so that another attempt was sure to follow; then its caller went away."""
    limit = ub.Timeout(1.0, learned=True)

    @ub.protect("rows", effects="idempotent", hedge=False, retry=PAUSE, breaker=False, timeout=limit)
    async def rows() -> Any:
        await ASYNCIO.sleep(20.0)
        yield 1

    assert START == played(lambda: at_hand_after(rows, 2.0))


def test_plain_code_whose_repeat_the_circuit_refuses_has_paid_nothing() -> None:
    """A circuit that opens with the first failure leaves the budget whole, call after call."""
    made = []

    @ub.protect("plain", breaker=ub.CircuitBreaker(1, rest=1.0), retry=ub.Retry(3, backoff=ub.Backoff(0.0)))
    def call() -> None:
        made.append(1)
        raise ConnectionError("down")

    with virtual_time() as clock:
        for _ in range(10):
            call.outcome()
            clock.advance(1.1)
        assert 10 == len(made)
        assert START <= call.node.get_status().budget
