"""One logic, two drivers: generators tell the same on an event loop and without one."""

from __future__ import annotations

import pytest
from tests.torture.generators.conftest import Hand

import unbreakable as ub


@pytest.mark.parametrize("after", [None, 0, 1, 2])
@pytest.mark.parametrize("failures", [0, 1, 3])
@pytest.mark.parametrize(
    "options",
    [{}, {"bulkhead": ub.Bulkhead(1)}, {"breaker": ub.CircuitBreaker(2, rest=1.5)}, {"verify": lambda item: item != 1}],
    ids=["cold", "bulkhead", "breaker", "verify"],
)
def test_both_drivers_tell_the_same_story(after, failures, options):
    """The same events at the same virtual times, the same items and ends."""
    told = [story_told_by(Hand(colour), after, failures, options) for colour in ("async", "sync")]

    assert told[0] == told[1]
    assert len(told[0][0]) >= 3


def story_told_by(hand, after, failures, options):
    """Return what is told of three calls, each left after two items at the latest."""
    told = []

    def listen(event):
        told.append((hand.now(), as_told(event)))

    async def story():
        stream = hand.guard(flaky(hand, after, failures), **options)
        stream.node.on(ub.events.Event, listen)
        ends = [await first_two(hand, stream()) for _ in range(3)]
        return told, ends

    return hand.play(story)


def flaky(hand, after, failures):
    """Return a generator that fails so often before its first item, and then always *after* so many."""
    tries = []

    async def items():
        tries.append(1)
        await hand.sleep(0.25)
        if len(tries) <= failures:
            raise ConnectionError("down")
        for item in range(3):
            if item == after:
                raise ConnectionError("broken")
            yield item
            await hand.sleep(0.5)

    return items


async def first_two(hand, items):
    """Return two items, or by what they ended, and when."""
    came, end = [], ""
    try:
        came.append(await hand.next(items))
        came.append(await hand.next(items))
    except Exception as error:
        end = repr(error)
    await hand.close(items)
    return hand.now(), came, end


def as_told(event):
    """Return what an event says, without the serial number of the call and the names of functions."""
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in event.to_dict().items()
        if name not in ("at", "id", "text", "signature")
    }
