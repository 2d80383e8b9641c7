"""Generators that end badly in more than one way."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import VerificationFailed


@pytest.mark.parametrize("bad", [0, 2])
def test_a_generator_that_cannot_even_be_closed_says_so_beside_what_was_wrong(hand, bad):
    """Its item is refused, the first or a later one, and what it raises on its way out is a note."""

    async def items():
        try:
            for item in range(3):
                yield item
        finally:
            raise OSError("no way out")

    async def story():
        stream = hand.guard(items, retry=False, verify=lambda item: item != bad)
        came, error = await hand.until(stream())
        return came, type(error), [note for note in error.__notes__ if "closing" in note]

    note = "unbreakable: closing the generator failed, too: OSError: no way out"
    assert (list(range(bad)), VerificationFailed, [note]) == hand.play(story)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_who_is_interrupted_at_the_first_item_has_no_generator(hand, form):
    """Ctrl-C passes, says nothing of the target, and the generator is over."""

    async def items():
        raise KeyboardInterrupt
        yield 1

    async def story():
        stream = hand.guard(items, breaker=ub.CircuitBreaker(1))
        reading = stream() if form == "plain" else None
        with pytest.raises(KeyboardInterrupt):
            await (hand.next(reading) if reading is not None else hand.call(stream.outcome))
        left = [] if reading is None else await hand.all(reading)
        status = stream.node.get_status()
        return left, status.total_executions, status.breaker, status.in_flight or 0

    assert ([], 0, "closed", 0) == hand.play(story)
