"""What becomes known of a generator's call: to the circuit, the statistics, the calls around it and who listens."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.torture.generators.conftest import breaking

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


# ── statistics and events ───────────────────────────────────────────────────────────────────────────────────────────


def test_how_long_a_call_takes_is_how_long_its_first_item_does(hand):
    """Neither the other items nor the consumer count for the latency that is learned from."""

    async def story():
        stream = breaking(hand, after=None)
        for _ in range(3):
            reading = stream()
            for _ in range(3):
                await hand.next(reading)
                await hand.sleep(10.0)
            await hand.until(reading)
        status = stream.node.get_status()
        return status.success_count, round(status.latency.p50, 1), round(status.latency.p99, 1)

    assert (3, 0.5, 0.5) == hand.play(story)


def test_events_tell_of_each_call_once_and_at_its_end(hand):
    """Success, healing and failure are told when they are known."""

    async def story():
        told = []
        tries = []

        async def items(sort):
            tries.append(sort)
            await hand.sleep(0.5)
            if sort == "heals" and tries.count("heals") == 1:
                raise ConnectionError("down")
            yield 1
            if sort == "breaks":
                raise ConnectionError("broken")
            yield 2

        stream = hand.guard(items)
        stream.node.on(ub.events.Event, told.append)
        for sort in ("good", "heals", "breaks"):
            reading = stream(sort)
            await hand.next(reading)
            told.append(sort)
            await hand.sleep(3.0)
            await hand.until(reading)
        names = [each if isinstance(each, str) else type(each).__name__ for each in told]
        elapsed = [each.elapsed for each in told if isinstance(each, (ub.events.Succeeded, ub.events.Healed))]
        return names, [round(each, 3) for each in elapsed]

    names, elapsed = hand.play(story)

    assert [
        *("good", "Succeeded", "AttemptFailed", "Retrying", "RemedyConfirmed", "heals", "Healed", "Explained"),
        *("breaks", "AttemptFailed", "RetryDenied", "Failed", "Explained"),
    ] == names
    assert [0.5, 2.0] == elapsed


def test_an_outcome_tells_how_a_generator_began(hand):
    """Its value is the generator with its first item ready; a failure later is raised to who reads on."""

    async def story():
        stream = breaking(hand, after=2, bulkhead=ub.Bulkhead(1))
        outcome = await hand.call(stream.outcome)
        held = stream.node.target.gate.inside
        came, error = await hand.until(outcome.value)
        return outcome.status.value, round(outcome.elapsed, 3), held, came, type(error), outcome.trace is not None

    assert ("ok", 0.5, 1, [0, 1], ConnectionError, True) == hand.play(story)


def test_an_outcome_without_a_first_item_is_failed_or_degraded(hand):
    """It never raises an Exception."""

    async def story():
        failed = await hand.call(breaking(hand, after=0).outcome)
        degraded = await hand.call(breaking(hand, after=0, fallback=lambda failure: [7, 8]).outcome)
        empty = await hand.call(hand.guard(nothing).outcome)
        return (
            (failed.status.value, failed.value, type(failed.error)),
            (degraded.status.value, await hand.all(degraded.value), degraded.degraded_reason),
            (empty.status.value, await hand.all(empty.value)),
        )

    async def nothing():
        for item in ():
            yield item

    failed, degraded, empty = hand.play(story)

    assert ("failed", None, ConnectionError) == failed
    assert ("degraded", [7, 8], "ConnectionError: broken") == degraded
    assert ("ok", []) == empty


@pytest.mark.parametrize("how", ["closed", "dropped", "thrown into"])
def test_an_outcome_that_nobody_reads_gives_its_place_back(hand, how):
    """As every generator that has begun and is closed or dropped."""

    async def story():
        closed = []

        async def items():
            try:
                yield 1
                yield 2
            finally:
                closed.append(1)

        stream = hand.guard(items, bulkhead=ub.Bulkhead(1))
        outcome = await hand.call(stream.outcome)
        if how == "closed":
            await hand.close(outcome.value)
        elif how == "thrown into":
            with contextlib.suppress(KeyError):
                await hand.throw(outcome.value, KeyError())
        del outcome
        if hand.is_async:
            await sleep(0.0)
            await sleep(0.0)
        return closed, stream.node.target.gate.inside

    assert ([1], 0) == hand.play(story)


# ── the calls around it ─────────────────────────────────────────────────────────────────────────────────────────────


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
