"""What becomes known of a generator's call: to the circuit, the statistics, the calls around it and who listens."""

from __future__ import annotations

import pytest
from tests.torture.generators.conftest import breaking

import unbreakable as ub
from unbreakable.runtime import ASYNCIO

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
        elapsed = [each.elapsed for each in told if hasattr(each, "elapsed")]
        return names, [round(each, 3) for each in elapsed]

    names, elapsed = hand.play(story)

    assert [
        *("good", "Succeeded", "AttemptFailed", "Retrying", "RemedyConfirmed", "heals", "Healed", "Explained"),
        *("breaks", "AttemptFailed", "RetryDenied", "Failed", "Explained"),
    ] == names
    assert [0.5, 0.5, 2.0, 0.5] == elapsed


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
            with pytest.raises(KeyError):
                await hand.throw(outcome.value, KeyError())
        del outcome
        if hand.is_async:
            await sleep(0.0)
            await sleep(0.0)
        return closed, stream.node.target.gate.inside

    assert ([1], 0) == hand.play(story)
