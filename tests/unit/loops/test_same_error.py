"""A loop whose operation raises the same exception again and again, as a client does that keeps why it is dead."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

DEAD = ConnectionError("no route")


def length(error):
    """Return how many places an error's traceback has."""
    count, place = 0, error.__traceback__
    while place is not None:
        count, place = count + 1, place.tb_next
    return count


@pytest.mark.parametrize("colour", ["async", "plain"])
def test_it_holds_no_frames_of_iterations_long_ago(colour):
    """Python adds to the traceback each time; without an end a loop would take more memory, and time, for each."""

    def plain(ctx):
        raise DEAD

    async def work(ctx):
        raise DEAD

    async def story():
        options = {"interval": 0.1, "effects": "once", "max_iterations": 300}
        loop = ub.QuantumLoopEngine().create_loop(work if colour == "async" else plain, name="dead", **options)
        loop.start()
        await loop.wait()
        return loop.get_status().ledger["failed"]

    with virtual_time():
        assert 300 == asyncio.run(story())
    assert 250 > length(DEAD)
