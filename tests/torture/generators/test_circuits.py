"""A circuit counts each generator's call once: at its end, or at its first item where that is a probe."""

from __future__ import annotations

import pytest
from tests.torture.generators.conftest import breaking

import unbreakable as ub
from unbreakable.errors import CircuitOpen


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_target_that_always_breaks_off_opens_its_circuit(hand, after):
    """The first item of each stream is no success that the failure after it would be forgiven for."""

    async def story():
        stream = breaking(hand, after=after, breaker=ub.CircuitBreaker(3))
        ends = [type((await hand.until(stream()))[1]) for _ in range(4)]
        return [each.__name__ for each in ends], stream.node.breaker.state.value

    assert (["ConnectionError"] * 3 + ["CircuitOpen"], "open") == hand.play(story)


def test_a_stream_that_ends_well_ends_a_row_of_failures(hand):
    """It is counted at its end."""

    async def story():
        stream = breaking(hand, after=1, breaker=ub.CircuitBreaker(2))
        for fails in (True, False, True):
            await hand.until(stream(fails))
        return stream.node.breaker.state.value

    assert "closed" == hand.play(story)


def test_a_share_of_failures_counts_each_call_once(hand):
    """Three good ones and two that broke off are two of five, and not of the ten items that came first and last."""

    async def story():
        stream, states = breaking(hand, after=1, breaker=ub.CircuitBreaker(ratio=0.4, minimum=5)), []
        for fails in (True, False, False, False, True):
            await hand.until(stream(fails))
            states.append(stream.node.breaker.state.value)
        return states

    assert ["closed"] * 4 + ["open"] == hand.play(story)


def test_a_probe_has_found_out_when_it_has_its_first_item(hand):
    """Nobody waits until a long stream is over; how it ends is then no news of the time before."""

    async def story():
        stream = breaking(hand, after=2, breaker=ub.CircuitBreaker(1, rest=5.0))
        await hand.until(stream())
        await hand.sleep(6.0)
        probe = stream()
        await hand.next(probe)
        after_first = stream.node.breaker.state.value
        others = await hand.all(stream(False))
        _, error = await hand.until(probe)
        return after_first, others, type(error).__name__, stream.node.breaker.state.value

    assert ("closed", [0, 1, 2], "ConnectionError", "closed") == hand.play(story)


def test_several_probes_are_counted_once_each(hand):
    """A probe that goes on to its end does not stand for a second one."""

    async def story():
        stream = breaking(hand, after=0, breaker=ub.CircuitBreaker(1, rest=5.0, permits=2))
        await hand.until(stream())
        await hand.sleep(6.0)
        await hand.all(stream(False))
        half = stream.node.breaker.state.value
        await hand.all(stream(False))
        return half, stream.node.breaker.state.value

    assert ("half-open", "closed") == hand.play(story)


def test_a_probe_that_fails_before_its_first_item_opens_the_circuit_again(hand):
    """Then the target is not back."""

    async def story():
        stream = breaking(hand, after=0, breaker=ub.CircuitBreaker(1, rest=5.0))
        await hand.until(stream())
        await hand.sleep(6.0)
        await hand.until(stream())
        with pytest.raises(CircuitOpen):
            await hand.next(stream(False))
        return stream.node.breaker.state.value

    assert "open" == hand.play(story)


def test_a_stream_that_was_open_while_the_circuit_closed_again_says_nothing(hand):
    """A stale result is ignored, be it good or bad."""

    async def story():
        stream = breaking(hand, after=1, breaker=ub.CircuitBreaker(1, rest=5.0))
        old = stream()
        await hand.next(old)
        await hand.until(stream())  # opens it
        await hand.sleep(6.0)
        await hand.all(stream(False))  # closes it
        _, error = await hand.until(old)
        return type(error).__name__, stream.node.breaker.state.value

    assert ("ConnectionError", "closed") == hand.play(story)


def test_a_slow_first_item_counts_as_slow_and_a_slow_consumer_does_not(hand):
    """Time that the consumer takes is not the target's."""

    async def story():
        stream = breaking(hand, after=None, breaker=ub.CircuitBreaker(1, slow=0.7))
        reading = stream()
        for _ in range(3):
            await hand.next(reading)
            await hand.sleep(10.0)
        await hand.until(reading)
        quick = stream.node.breaker.state.value
        other = breaking(hand, after=None, breaker=ub.CircuitBreaker(1, slow=0.3))
        await hand.all(other())
        return quick, other.node.breaker.state.value

    assert ("closed", "open") == hand.play(story)


def test_a_failure_that_no_remedy_can_mend_any_more_is_counted(hand):
    """A remedy is for the next attempt, which there is none of after the first item."""

    async def story():
        mended = []
        stream = breaking(hand, after=1, breaker=ub.CircuitBreaker(1), retry=ub.Retry(3))
        stream.remedy(ConnectionError)(lambda failure: mended.append(1))
        await hand.until(stream())
        return mended, stream.node.breaker.state.value

    assert ([], "open") == hand.play(story)


def test_a_breaker_that_only_measures_sees_how_generators_begin(hand):
    """It opens, looks again and closes by first items; what comes after them it does not see."""

    async def story():
        measured = {"breaker": ub.Shadow(ub.CircuitBreaker(2, rest=5.0)), "bulkhead": ub.Shadow(ub.Bulkhead(1))}
        stream = breaking(hand, after=0, **measured)
        for fails, pause in ((True, 0.0), (True, 6.0), (False, 0.0), (True, 0.0), (False, 0.0)):
            await hand.until(stream(fails))
            await hand.sleep(pause)
        seen = stream.node.get_status().shadows["breaker"]
        return seen["would_open"], seen["would_refuse"]

    assert (1, 0) == hand.play(story)
