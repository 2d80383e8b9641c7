"""The fallback of a generator gives items instead, when there was not even a first one."""

from __future__ import annotations

import asyncio

import pytest
from tests.torture.generators.conftest import flaky

import unbreakable as ub
from unbreakable.errors import ConfigurationError


def test_a_fallback_gives_the_items_instead(hand):
    """Whatever can be iterated over stands in for a generator without a first item; the call is degraded."""

    async def story():
        stream = hand.guard(flaky(hand, [], failures=9), fallback=lambda failure: ["sorry", str(failure.error)])
        return await hand.all(stream()), stream.node.get_status().degraded_count

    assert (["sorry", "down"], 1) == hand.play(story)


def test_a_fallback_may_be_a_generator_itself(hand):
    """Its items are handed on as they come."""

    async def story():
        def plan_b(failure):
            yield "b"

        async def plan_c(failure):
            yield "c"

        stream = hand.guard(flaky(hand, [], failures=9), fallback=plan_c if hand.is_async else plan_b)
        return await hand.all(stream())

    assert hand.play(story) in (["b"], ["c"])


def test_a_fallback_does_not_answer_once_items_were_handed_on(hand):
    """Half of one answer and half of another is no answer."""

    async def story():
        async def items():
            yield 1
            raise ConnectionError("broken")

        came, error = await hand.until(hand.guard(items, fallback=lambda failure: [7])())
        return came, type(error)

    assert ([1], ConnectionError) == hand.play(story)


def test_a_fallback_that_gives_no_items_is_told(hand):
    """The call fails with its own error, which says what became of the fallback."""

    async def story():
        stream = hand.guard(flaky(hand, [], failures=9), fallback=lambda failure: 7)
        _, error = await hand.until(stream())
        return type(error), "returns the items to hand on instead, not 7" in "".join(error.__notes__)

    assert (ConnectionError, True) == hand.play(story)


def test_an_async_fallback_of_a_plain_generator_is_refused():
    """Nobody could await it there."""

    async def plan_b(failure):
        yield 1

    with pytest.raises(ConfigurationError, match="a plain function, too"):

        @ub.protect("plain", fallback=plan_b)
        def items():
            yield 1


def test_an_async_fallback_is_awaited():
    """It may have to look somewhere for the items."""

    async def story():
        async def plan_b(failure):
            return ["from", "elsewhere"]

        @ub.protect("async", fallback=plan_b, retry=False)
        async def items():
            raise ConnectionError("down")
            yield 1

        return [item async for item in items()]

    assert ["from", "elsewhere"] == asyncio.run(story())
