"""The first plans of a target know what its quick answers say, and that others are still under way."""

from __future__ import annotations

import asyncio
import itertools
import random

import numpy as np  # noqa: F401 - at hand when the first plan is made
import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

NEVER = 1e6  # seconds


async def served(work, *, calls, rate, deadline, seed, **options):
    """Return how many of the calls were lost, and how many requests were made."""
    dice, made, lost = random.Random(seed), [], []

    async def counted(number):
        made.append(number)
        await work(number)

    door = ub.protect("partner", effects="none", deadline=deadline, **options)(counted)

    async def one(number):
        try:
            await door(number)
        except ub.errors.DeadlineExceeded:
            lost.append(number)

    tasks = []
    for number in range(calls):
        tasks.append(asyncio.ensure_future(one(number)))
        await ASYNCIO.sleep(dice.expovariate(rate))
    await asyncio.gather(*tasks)
    return len(lost), len(made)


@pytest.mark.parametrize("seed", range(3))
def test_slow_answers_that_are_still_to_come_are_not_asked_for_twice(seed):
    """A third of the requests take ten times as long, whoever is asked: that is no reason to make them again."""
    dice = random.Random(seed)

    async def work(number):
        await ASYNCIO.sleep(dice.lognormvariate(-1.0, 0.1) * (10.0 if number % 3 == 0 else 1.0))

    with virtual_time(seed):
        lost, made = asyncio.run(served(work, calls=1_000, rate=200.0, deadline=30.0, seed=seed))

    assert lost == 0
    assert made <= 1.03 * 1_000


# Within two seconds there is no time for three attempts, and by luck alone ten calls hang twice.
ALL_SAVED, FEW_LOST = [(seed, 10.0, 0) for seed in range(3)], [(seed, 2.0, 3) for seed in (1, 2, 7)]


@pytest.mark.parametrize(("seed", "deadline", "most_lost"), ALL_SAVED + FEW_LOST)
def test_what_never_comes_is_asked_for_again_in_time(seed, deadline, most_lost):
    """One request in ten hangs from the start: nobody waits for it until its deadline."""
    dice = random.Random(seed)

    async def work(number):
        await ASYNCIO.sleep(NEVER if dice.random() < 0.1 else dice.lognormvariate(-2.3, 0.4))

    with virtual_time(seed):
        lost, made = asyncio.run(served(work, calls=1_000, rate=50.0, deadline=deadline, seed=seed))

    assert lost <= most_lost
    assert made <= 1.25 * 1_000


@pytest.mark.parametrize(("deadline", "usual"), [(1.0, 0.004), (6.0, 1.2)])
@pytest.mark.parametrize("options", [{}, {"hedge": False}], ids=str)
def test_the_first_call_that_hangs_is_made_again_by_a_limit_of_about_half_the_deadline(deadline, usual, options):
    """A hundred calls went well: the limit that came of it is half of the deadline, or more, and no copies are sent."""
    dice, requests = random.Random(1), itertools.count()

    async def work(number):
        hangs = number > 100 and next(requests) % 20 == 0
        await ASYNCIO.sleep(NEVER if hangs else dice.uniform(0.9, 1.1) * usual)

    with virtual_time(1):
        lost, made = asyncio.run(served(work, calls=400, rate=5.0, deadline=deadline, seed=1, **options))

    assert lost == 0
    assert made <= 1.1 * 400
