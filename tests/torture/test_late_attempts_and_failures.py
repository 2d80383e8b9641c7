"""Attempts beside late ones leave the budget what failures need: who is late is answered in the end."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

CALLS, RATE = 600, 100.0


class Slow:
    """A target half of whose answers take a second, far beyond what is thought to be late; one request in 40 fails."""

    def __init__(self, seed):
        self.dice, self.lost, self.made = random.Random(seed), 0, 0

    async def serve(self):
        """Fail at once, or answer in time, or late."""
        self.made += 1
        if self.dice.random() < 0.025:
            raise ConnectionError("reset")
        await ASYNCIO.sleep(1.0 if self.dice.random() < 0.5 else 0.05)

    async def call(self, door):
        """Count calls that are lost."""
        try:
            await door()
        except ConnectionError:
            self.lost += 1

    async def often(self, door):
        """Call at random, as often as any."""
        calls = []
        for _ in range(CALLS):
            calls.append(asyncio.ensure_future(self.call(door)))
            await ASYNCIO.sleep(self.dice.expovariate(RATE))
        await asyncio.gather(*calls)


@pytest.mark.parametrize("seed", range(4, most(8, 5)))
def test_calls_that_fail_are_repeated_though_many_are_late(seed):
    """All are healed, and requests stay within the budget."""
    target = Slow(seed)
    limit = ub.Timeout(0.2, learned=True)
    door = ub.protect("slow", effects="none", timeout=limit, hedge=False, strategy="balanced")(target.serve)
    with virtual_time(seed):
        asyncio.run(target.often(door))

    assert target.lost == 0
    assert target.made <= 1.2 * CALLS + 10
