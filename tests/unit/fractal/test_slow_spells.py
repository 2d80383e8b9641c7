"""A slow spell looks like a drift while it lasts; when it is over, its target is the one that was known before."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

import unbreakable as ub
from unbreakable.fractal.drifting import HOUR
from unbreakable.fractal.target import FOLD
from unbreakable.runtime import ASYNCIO
from unbreakable.stats.drift import LEAST_CHANGE
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
CALM = 1_000  # calls


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time(5):
        yield


class Partner:
    """A target that takes about so many seconds, and the node by which it is asked."""

    def __init__(self, deviation=0.3, **options):
        self.dice, self.deviation, self.drifts = random.Random(3), deviation, []
        self.ask = ub.protect("partner", effects="none", retry=False, breaker=False, **options)(sleep)
        self.node = self.ask.node
        self.node.on(ub.events.DriftDetected, self.drifts.append)

    async def asked(self, calls, seconds, deviation=None):
        """Ask so often, one call after the other."""
        spread = self.deviation if deviation is None else deviation
        for _ in range(calls):
            await self.ask(seconds * math.exp(spread * self.dice.gauss(0.0, 1.0)))
        return self.node.get_status().plan["observations"]

    def knows(self):
        """Return how many answers are known, and their median."""
        latency = self.node.get_status().latency
        return self.node.target.traffic.ok.count, latency.p50


@pytest.mark.parametrize("spell", [40, 150, 1_000])
def test_after_a_slow_spell_all_is_known_again(spell):
    """Within three hundred calls its plan rests on all that was seen before, and not on these."""
    partner = Partner()

    async def main():
        await partner.asked(CALM, 0.05)
        await partner.asked(spell, 0.4)
        return await partner.asked(FOLD + 100, 0.05)

    rests_on = asyncio.run(main())

    assert partner.drifts
    assert rests_on > 0.9 * CALM
    known, median = partner.knows()
    assert 0.9 * CALM < known < CALM + FOLD + 150
    assert 0.05 == pytest.approx(median, rel=0.1)


@pytest.mark.parametrize(("seconds", "deviation"), [(0.1, 0.3), (0.5, 1.0), (0.02, 0.3)])
def test_what_has_become_another_one_is_not_taken_for_what_it_was(seconds, deviation):
    """Twice as slow, or ten times and more scattered, or faster."""
    partner = Partner()

    async def main():
        await partner.asked(CALM, 0.05)
        await partner.asked(800, seconds, deviation)

    asyncio.run(main())

    known, median = partner.knows()
    assert partner.drifts
    assert known <= 900
    assert median == pytest.approx(seconds, rel=0.2)


def test_an_hour_later_it_is_another_one():
    """What it was by night, or before the last release, is no guess for what it is now."""
    partner = Partner()

    async def main():
        await partner.asked(CALM, 0.05)
        await partner.asked(300, 1.0)
        await sleep(HOUR)
        await partner.asked(600, 0.05)

    asyncio.run(main())

    assert partner.knows()[0] < CALM


def test_of_what_was_known_before_two_drifts_the_better_known_comes_back():
    """A spell that becomes worse in its middle was never the normal."""
    partner = Partner()

    async def main():
        await partner.asked(CALM, 0.05)
        await partner.asked(120, 0.3)
        await partner.asked(120, 3.0)
        await partner.asked(FOLD + 100, 0.05)

    asyncio.run(main())

    assert len(partner.drifts) >= 2
    assert partner.knows()[0] > 0.9 * CALM


def test_who_shares_a_memory_knows_it_again_too():
    """What one node forgets and finds again is forgotten and found again by the other, and by a program made later."""
    memory = ub.LocalMemory()
    one, two = Partner(memory=memory), Partner(memory=memory)

    async def main():
        await one.asked(CALM, 0.05)
        await two.asked(FOLD, 0.05)
        await one.asked(300, 0.4)
        await two.asked(FOLD, 0.4)
        await one.asked(2 * FOLD, 0.05)
        await two.asked(FOLD, 0.05)

    asyncio.run(main())
    later = Partner(memory=memory)
    asyncio.run(later.asked(1, 0.05))

    for partner in (one, two, later):
        known, median = partner.knows()
        assert known > 0.8 * CALM
        assert 0.05 == pytest.approx(median, rel=0.2)


def test_copies_are_sent_while_little_is_known_of_what_it_became():
    """A plan that rests on the first calls of a slow spell has them, as the one before: they are what helps in it."""
    plans = []
    partner = Partner(deviation=1.0, hedge=None)
    partner.node.on(ub.events.PlanPublished, lambda _: plans.append(partner.node.target.plan))

    async def main():
        await partner.asked(CALM, 0.05)
        before = partner.node.target.plan.hedge
        del plans[:]
        await partner.asked(200, 0.5)
        return before

    before = asyncio.run(main())

    assert before is not None
    assert partner.drifts
    assert all(plan.hedge is not None for plan in plans if plan.observations < FOLD)


@pytest.mark.parametrize("seed", [4, 10, 13])
def test_a_target_of_hits_and_misses_is_known_again_once_it_is_back(seed):
    """Half of its answers come ten times as fast, so the middle of a few says little: it was forgotten once more."""
    partner, dice = Partner(deviation=0.1), random.Random(seed)

    async def main():
        for calls, slower in ((CALM, 1), (400, 8), (800, 1)):
            for _ in range(calls):
                await partner.asked(1, slower * (0.01 if dice.random() < 0.55 else 0.1))

    asyncio.run(main())

    assert len(partner.drifts) >= 2
    assert partner.knows()[0] > CALM + FOLD


@pytest.mark.parametrize("seed", range(3))
def test_a_group_of_slow_calls_that_is_over_is_hardly_ever_a_drift(seed):
    """Twenty at a time are slow or fast together: what is told as a drift is a change of more than a tenth."""
    partner, dice = Partner(deviation=0.1), random.Random(seed)

    async def main():
        for _ in range(200):
            together = math.exp(0.2 * dice.gauss(0.0, 1.0))
            await asyncio.gather(*(partner.asked(1, 0.05 * together) for _ in range(20)))

    asyncio.run(main())

    assert 1 >= sum(abs(math.log(each.after / each.before)) < LEAST_CHANGE for each in partner.drifts)
