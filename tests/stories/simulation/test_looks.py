"""A way that hangs is looked at now and then: who does so is rescued by the way that works."""

from __future__ import annotations

import asyncio

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Hung:
    """A primary way of which nothing is heard any more, and a replica that answers soon."""

    def __init__(self) -> None:
        self.engine, self.asked, self.late, self.back = ub.QuantumSimulationEngine(), 0, [], 1e9

    async def primary(self) -> None:
        self.asked += 1
        await sleep(1e9 if ASYNCIO.now() < self.back else 0.05)

    async def replica(self) -> None:
        await sleep(0.05)

    async def often(self, calls: int, *, pause: float = 1.0, **how) -> None:
        """Call so many times; ``late`` has the numbers of those that took longer than a second, or failed."""
        how |= {"name": "job", "alternatives": {"replica": self.replica}}
        for number in range(calls):
            began = ASYNCIO.now()
            try:
                await self.engine.execute_quantum(self.primary, **how)
            except Exception:
                self.late.append(number)
            else:
                self.late += [number] * (ASYNCIO.now() - began > 1.0)
            await sleep(pause)


@pytest.mark.parametrize("effects", ["none", "idempotent"])
@pytest.mark.parametrize("seed", [1, 2, 3][: most(3, 1)])
def test_who_sees_whether_a_way_that_is_down_is_back_is_rescued(seed, effects):
    """Its rest is over, so it is asked; the other one comes to help as soon as it would have answered."""
    ways = Hung()
    with virtual_time(seed):
        asyncio.run(ways.often(600, effects=effects))

    assert 3 < ways.asked
    assert [number for number in ways.late if number > 5] == []


@pytest.mark.parametrize("seed", [3, 4, 5][: most(3, 1)])
def test_calls_that_are_not_raced_are_rescued_as_others_are(seed):
    """Races that the budget does not pay for are ordinary calls; one finds out before it can pay for anything again."""
    ways = Hung()
    with virtual_time(seed):
        asyncio.run(ways.often(600, effects="none", race=True))

    assert 3 < ways.asked
    assert 1 >= len(ways.late)


def test_a_way_that_is_back_is_found_out():
    """Looks that are rescued teach nothing of a way that hangs, and all that is to be known of one that answers."""
    ways = Hung()

    async def main() -> None:
        await ways.often(100, effects="none")
        ways.back, ways.asked = 0.0, 0
        await ways.often(400, effects="none")

    with virtual_time(4):
        asyncio.run(main())
    ((node, _),) = ways.engine._jobs.values()

    assert 3 < ways.asked
    assert node.target.rests.is_well("primary")
