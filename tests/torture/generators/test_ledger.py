"""What a generator has done, and what it is doing, is known to the calls around it as of any call."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math

import pytest
from tests.torture.generators.conftest import Hand, breaking

import unbreakable as ub
from unbreakable.policies.under_way import all_over
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize(
    ("effects", "repeated"), [("none", True), ("idempotent", True), ("unknown", True), ("once", False)]
)
@pytest.mark.parametrize("handed", [1, 3])
def test_a_call_that_fails_over_an_open_generator_is_repeated_by_what_that_has_done(hand, effects, repeated, handed):
    """One that must not be begun twice keeps its consumer from being repeated, whether it was left open or read."""

    async def story():
        tries = []
        stream = breaking(hand, after=None, effects=effects)
        kept = []

        async def read():
            tries.append(1)
            kept.append(stream())
            for _ in range(handed):
                await hand.next(kept[-1])
            if len(tries) == 1:
                raise ConnectionError("the consumer's own")
            return "done"

        outcome = await hand.call(hand.protect(read).outcome)
        return outcome.ok, len(tries)

    assert ((True, 2) if repeated else (False, 1)) == hand.play(story)


@pytest.mark.parametrize("inside", ["none", "idempotent", "unknown", "once"])
@pytest.mark.parametrize("around", ["none", "idempotent", "unknown"])
def test_a_call_that_is_cut_over_a_generator_at_work_is_repeated_as_over_any_call(inside, around):
    """Nobody knows what was done by what was cancelled at its work, be it a generator or not."""

    async def story(*, streams):
        tries = []

        @ub.protect("stream", effects=inside)
        async def items():
            yield 1
            await slow()

        @ub.protect("call", effects=inside)
        async def call():
            await slow()

        async def slow():
            if len(tries) == 1:
                await asyncio.Event().wait()

        @ub.protect("reader", effects=around, retry=ub.Retry(2))
        async def read():
            tries.append(1)
            try:
                async with asyncio.timeout(2.0):
                    return [item async for item in items()] if streams else await call()
            except TimeoutError:
                raise ConnectionError("too slow") from None

        await read.outcome()
        return len(tries)

    with virtual_time():
        assert asyncio.run(story(streams=False)) == asyncio.run(story(streams=True))


@pytest.mark.parametrize("effects", ["none", "once"])
def test_a_generator_at_work_is_under_way_and_one_at_rest_is_not(effects):
    """While it makes an item it may do something; while its consumer has one nothing happens in it."""

    async def story():
        seen = []

        @ub.protect("stream", effects=effects)
        async def items():
            yield 1
            await sleep(1.0)
            yield 2

        @ub.protect("reader")
        async def read():
            reading, deeds = items(), ub.current().deeds
            await anext(reading)
            seen.append(len(list(deeds.under_way())))
            deeds.settle()  # as at the end of an attempt
            asking = asyncio.create_task(anext(reading))
            await sleep(0.5)
            seen.append(len(list(deeds.under_way())))
            await asking
            seen.append(len(list(deeds.under_way())))
            await reading.aclose()
            seen.append(len(deeds.at_work))

        await read()
        return seen

    with virtual_time():
        assert [0, 0 if effects == "none" else 1, 0, 0] == asyncio.run(story())


def test_what_calls_inside_do_after_the_first_item_is_known_outside(hand):
    """A payment between two items keeps the call around the generator from being repeated."""

    async def story():
        tries = []

        async def pay():
            return "paid"

        paying = hand.protect(pay, effects="once")

        async def items():
            yield 1
            await hand.call(paying)
            yield 2

        stream = hand.guard(items)

        async def read():
            tries.append(1)
            await hand.all(stream())
            raise ConnectionError("afterwards")

        await hand.call(hand.protect(read, effects="unknown").outcome)
        return len(tries)

    assert 1 == hand.play(story)


def test_attempts_around_and_inside_do_not_multiply(hand):
    """A generator that was repeated in vain is not begun anew by the call around it."""

    async def story():
        tries = []
        stream = breaking(hand, after=0, log=tries, effects="none", retry=ub.Retry(3))

        async def read():
            return await hand.all(stream())

        await hand.call(hand.protect(read, effects="none").outcome)
        return len(tries)

    assert 3 == hand.play(story)


@pytest.mark.parametrize(("effects", "tries"), [("none", 2), ("unknown", 1)])
def test_a_wait_for_an_item_that_is_cut_leaves_the_doubt_of_a_call_that_is_cut(effects, tries):
    """What an undeclared generator was doing then nobody knows, so its consumer is not repeated over it."""

    async def story():
        begun = []

        @ub.protect("stream", effects=effects, timeout=ub.Timeout(1.0))
        async def items():
            yield 1
            await asyncio.Event().wait()

        @ub.protect("reader", retry=ub.Retry(2))
        async def read():
            begun.append(1)
            try:
                return [item async for item in items()]
            except TimeoutError:
                raise ConnectionError("gave up") from None

        await read.outcome()
        return len(begun)

    with virtual_time():
        assert tries == asyncio.run(story())


@pytest.mark.parametrize(("effects", "tries"), [("none", 2), ("unknown", 1)])
def test_nobody_knows_what_a_generator_has_done_whose_event_loop_is_gone(effects, tries):
    """It was begun and never told how it ended."""
    begun = []

    @ub.protect("stream", effects=effects)
    async def items():
        yield 1
        yield 2

    async def begin(kept):
        kept.append(items())
        await anext(kept[0])

    @ub.protect("reader", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    def read():
        begun.append(1)
        kept = []
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin(kept))
        loop.close()
        kept.clear()
        gc.collect()
        raise ConnectionError("afterwards")

    read.outcome()

    assert tries == len(begun)


def test_the_context_of_a_call_that_is_over_is_over(hand):
    """Whoever has kept it, such as a task that goes on, is not in it any more."""

    async def story():
        kept = []

        async def items():
            kept.append(ub.current())
            yield 1

        stream = hand.guard(items)
        await hand.all(stream())
        reading = stream()
        await hand.next(reading)
        await hand.close(reading)
        return [context.live for context in kept]

    assert [False, False] == hand.play(story)


def test_whoever_waits_for_a_generator_at_work_is_woken_when_it_rests():
    """Nobody knows whether its consumer will ever ask for more, so nobody waits for that."""
    hand = Hand("async")

    async def story():
        async def items():
            yield 1
            await hand.sleep(1.0)
            yield 2

        stream, times = hand.guard(items), []

        @ub.protect("reader")
        async def read():
            reading, here = stream(), ub.current()
            await anext(reading)
            asking = asyncio.create_task(anext(reading))
            await hand.sleep(0.25)
            over = await all_over(here, ASYNCIO, lambda call: math.inf if hand.now() < 9.0 else 0.0)
            times.append((over, round(hand.now(), 1)))
            await asking
            await reading.aclose()

        await read()
        return times

    [(over, moment)] = hand.play(story)

    assert over
    assert 1.0 <= moment < 1.5


def test_a_fallback_inside_makes_of_what_is_read_a_makeshift(hand):
    """Also when it answers after the first item: whoever caches what was read has to know."""

    async def story():
        async def down():
            raise ConnectionError("down")

        page = hand.protect(down, retry=False, fallback=lambda failure: "old")
        known = []

        async def items():
            yield "new"
            yield await hand.call(page)

        stream = hand.guard(items)

        async def read():
            await hand.all(stream())
            known.append(ub.current().makeshift)

        await hand.call(hand.protect(read))
        return known

    assert [True] == hand.play(story)


def test_a_call_that_was_cancelled_may_still_read_a_generator():
    """While it cleans up, its old cancellation is no reason not to repeat what fails before its first item."""

    async def story():
        tries, came = [], []

        @ub.protect("stream")
        async def items():
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionError("down")
            yield 1

        async def work():
            try:
                await asyncio.Event().wait()
            finally:
                came.extend([item async for item in items()])

        task = asyncio.create_task(work())
        await sleep(1.0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return came, len(tries)

    with virtual_time():
        assert ([1], 2) == asyncio.run(story())


@pytest.mark.parametrize("refused", [True, False])
def test_an_error_that_says_it_was_never_sent_does_not_speak_for_what_was_left_in_doubt(hand, refused):
    """A call inside that was cut after the first item leaves a doubt that the last error does not know of."""

    async def story():
        async def pay():
            raise ub.errors.AttemptTimeout("cut") if refused else ValueError("no")

        paying = hand.protect(pay, retry=False)

        async def items():
            yield 1
            with contextlib.suppress(TimeoutError, ValueError):
                await hand.call(paying)
            raise ConnectionRefusedError("the next page")

        _, error = await hand.until(hand.guard(items, effects="idempotent")())
        return getattr(error, "may_have_arrived", None)

    assert (True if refused else None) == hand.play(story)
