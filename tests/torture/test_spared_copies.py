"""Who says that it is asked too much is spared the copies of slow attempts for a while."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
SLOW_EACH = 20


class TooMany(Exception):
    status_code = 429


class Limited:
    """Answer 20 requests a second, 20 at once at most, and 18.5 a second are asked; 3 in 100 take ten times as long."""

    def __init__(self, seed: int) -> None:
        self.arrivals, self.dice, self.left, self.at = random.Random(seed), random.Random(seed + 1), 20.0, 0.0
        self.took: list[float] = []
        self.refused = 0

    async def serve(self) -> None:
        now = ASYNCIO.now()
        self.left, self.at = min(20.0, self.left + 20.0 * (now - self.at)), now
        await sleep(0.005)
        if self.left < 1.0:
            self.refused += 1
            raise TooMany
        self.left -= 1.0
        await sleep(self.dice.lognormvariate(math.log(0.03), 0.3) * (10 if self.dice.random() < 0.03 else 1))

    async def call(self, door) -> None:
        began = ASYNCIO.now()
        with contextlib.suppress(TooMany):
            await door()
        self.took.append(ASYNCIO.now() - began)

    async def often(self, door) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(4_000):
                group.create_task(self.call(door))
                await sleep(self.arrivals.expovariate(18.5))


def play(seed: int, **options: object) -> tuple[int, float]:
    """Return how many requests are refused, and how long 99 of 100 calls take at most."""
    with virtual_time(seed):
        target = Limited(seed)
        asyncio.run(target.often(ub.protect("limited", effects="idempotent", **options)(target.serve)))
    return target.refused, sorted(target.took)[int(0.99 * len(target.took))]


@pytest.mark.parametrize("seed", [1, 2, 3][: most(3, 1)])
def test_copies_do_not_go_far_beyond_a_limit_on_rates(seed):
    """They made the slowest of a hundred calls slower than none, for who is refused because of them has to wait."""
    refused, slowest = play(seed)
    with_copies, slowest_with_copies = play(seed, hedge=ub.Hedge(0.06))

    assert 1.5 * refused < with_copies
    assert slowest < slowest_with_copies


class Target:
    """Take long with each twentieth request, and refuse when it is told to."""

    def __init__(self) -> None:
        self.asked, self.refuses = 0, False

    async def work(self) -> None:
        self.asked += 1
        if self.refuses:
            self.refuses = False
            raise TooMany
        await sleep(1.0 if self.asked % SLOW_EACH == 0 else 0.02)


def extra(after: int, pause: float = 0.0, **options: object) -> int:
    """Return how many copies 90 calls are sent, so many calls and seconds *after* one was refused."""

    async def story() -> int:
        target, copies = Target(), []
        door = ub.protect("target", effects="none", retry=False, **options)(target.work)
        door.node.on(ub.events.Hedged, copies.append)
        for _ in range(400):
            await door()
        target.refuses = True
        with pytest.raises(TooMany):
            await door()
        await sleep(pause)
        for _ in range(after):
            await door()
        copies.clear()
        for _ in range(90):
            await door()
        return len(copies)

    with virtual_time():
        return asyncio.run(story())


def test_there_are_none_until_some_calls_went_well():
    """A share of the calls, so that a busy target which refuses one in a thousand has copies."""
    assert 0 == extra(0)
    assert 3 <= extra(300)


def test_there_are_some_after_a_minute_in_any_case():
    """A target that is hardly asked would else do without them for hours."""
    assert 3 <= extra(0, pause=61.0)


def test_a_hedge_of_the_users_own_is_kept():
    """Who gives a number of seconds wants to have copies then."""
    assert 3 <= extra(0, hedge=ub.Hedge(0.1))
