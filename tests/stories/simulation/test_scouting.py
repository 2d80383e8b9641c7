"""Calls that go another way than the best one, to find out: they are rescued, and teach nothing of the best one."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.errors import NotSent
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Ways:
    """A slow primary way and a fast replica, each failing so often."""

    def __init__(self, seed: int, *, primary: float = 0.2, replica: float = 0.02, fails: float = 0.0) -> None:
        self.dice, self.fails, self.asked, self.took = random.Random(seed), fails, [], []
        self.primary, self.replica = self.way("primary", primary), self.way("replica", replica)
        self.engine = ub.QuantumSimulationEngine()

    def way(self, name: str, seconds: float):
        async def work() -> None:
            self.asked.append(name)
            await sleep(seconds * self.dice.lognormvariate(0.0, 0.3))
            if self.dice.random() < self.fails:
                raise ConnectionError(name)

        return work

    async def often(self, calls: int, effects: str = "none") -> None:
        for _ in range(calls):
            began = ASYNCIO.now()
            how = {"name": "job", "effects": effects, "alternatives": {"replica": self.replica}}
            await self.engine.execute_quantum(self.primary, **how)
            self.took.append(ASYNCIO.now() - began)
            await sleep(0.02)

    @property
    def target(self):
        ((node, _),) = self.engine._jobs.values()
        return node.target


@pytest.fixture(scope="module")
def played():
    """Return ways after 1,500 calls."""
    ways = Ways(seed=4, fails=0.03)
    with virtual_time(4):
        asyncio.run(ways.often(1_500))
    return ways


def test_no_caller_waits_for_the_sake_of_what_is_found_out(played):
    """Some calls go the slow way, and none takes as long as that does."""
    late = [took for took in played.took[300:] if took > 0.15]

    assert 5 < played.asked.count("primary")
    assert 2 >= len(late)


@pytest.mark.parametrize("effects", ["none", "unknown"])
def test_the_model_is_that_of_the_way_in_force(effects):
    """One call in twenty goes the other way at first; so copies and limits are not set for a mixture."""
    ways = Ways(seed=6)
    with virtual_time(6):
        asyncio.run(ways.often(400, effects))
    target = ways.target
    ways.engine.aclose_sync()
    traffic = target.traffic

    assert 15 < ways.asked.count("primary")
    assert 300 < traffic.ok.count
    assert 0.08 > traffic.ok.value(0.98)
    assert 4 > traffic.cut.count


def test_failures_at_random_are_no_spell_of_trouble(played):
    """Successes count that lie between them, though none of them is made by arithmetic alone: no pause is learned."""
    assert 0.05 >= played.target.plan.retry.backoff.first
    assert 1_000 < played.target.traffic.lags.quiet[0]


def test_what_is_found_out_about_costs_few_requests(played):
    """Repeats of what failed are 3 in 100; those that find out, with the copies that rescue them, are few."""
    assert 1.08 > len(played.asked) / 1_500


def test_a_way_that_failed_once_is_asked_again_if_it_is_far_sooner():
    """The other one takes ten times as long; it is asked when the second attempt has failed as well."""
    ways = Ways(seed=5)

    async def main() -> None:
        await ways.often(200)
        ways.asked.clear()
        ways.fails = 1.0
        with pytest.raises((ConnectionError, NotSent)):
            await ways.often(1)

    with virtual_time(5):
        asyncio.run(main())
    assert ["replica", "replica", "primary"] == ways.asked[:3]
