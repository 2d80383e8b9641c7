"""The pauses of a learned plan outlive a partner's restart as well as those of the cold one."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unbreakable as ub
from unbreakable.policies import Plan
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation.strategies import LEAST_ONLY_PAUSE, LEAST_SPAN, paced
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def share_that_outlives(backoff, pauses, outage, trials=2_000):
    """Return the share of calls that begin during an outage of so many seconds and have an attempt after its end."""
    dice, outlived = random.Random(7), 0
    for _ in range(trials):
        waits = itertools.accumulate(backoff.pause(number, dice.random()) for number in range(1, pauses + 1))
        outlived += any(wait >= left for left in [dice.random() * outage] for wait in waits)
    return outlived / trials


@pytest.mark.parametrize("outage", [0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("pauses", [2, 3])
@pytest.mark.parametrize("first", [0.01, 0.02, 0.05, 0.1, 0.5])
def test_learned_pauses_outlive_what_the_cold_ones_do(first, pauses, outage):
    """However quick the target, no smaller share of calls gets over a short outage than before anything was learned."""
    cold = Plan().retry
    known = share_that_outlives(cold.backoff, cold.attempts - 1, outage)
    assert share_that_outlives(paced(first, pauses), pauses, outage) >= known - 0.02


@given(st.floats(0.01, 5.0), st.integers(1, 9))
def test_all_pauses_together_are_long_enough(first, count):
    """The pauses add up to the least span, the first is what was learned, and none is shorter than the one before."""
    backoff = paced(first, count)
    pauses = [backoff.pause(number, u=1.0) for number in range(1, count + 1)]
    assert sum(pauses) >= (LEAST_SPAN if count > 1 else LEAST_ONLY_PAUSE)
    assert pauses == sorted(pauses)
    assert count == 1 or pauses[0] == first
    assert sum(pauses) <= max(1.02 * LEAST_SPAN, sum(first * 2.0**number for number in range(count)), LEAST_ONLY_PAUSE)


@pytest.mark.parametrize("outage", [0.1, 0.2])
def test_a_warm_call_outlives_a_restart_as_a_cold_one_does(outage):
    """One caller of a partner of six milliseconds gets over its restart after 200 good calls as well as after ten."""
    assert survivors(200, outage) >= survivors(10, outage) - 5


def survivors(warm, outage):
    """Return how many of a hundred calls succeed that begin within an outage, after so many good ones."""

    async def story():
        loop, back, good = asyncio.get_running_loop(), 0.0, 0

        @ub.protect(f"partner-{warm}", effects="idempotent", breaker=False, budget=False)
        async def ask():
            if loop.time() < back:
                raise ConnectionRefusedError
            await sleep(0.006)

        for _ in range(warm):
            await ask()
        for number in range(100):
            back = loop.time() + outage * (number + 1) / 100
            good += (await ask.outcome()).ok
            await sleep(max(0.0, back - loop.time()))
        return good

    with virtual_time():
        return asyncio.run(story())
