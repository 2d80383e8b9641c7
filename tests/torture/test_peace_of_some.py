"""A target that serves most and asks some for peace, as where one replica of several does, is asked on."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.events import LeftInPeace
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
WELL = 5.0  # seconds for which all are served at first


class Busy(Exception):
    """Tell whoever asks to come back later."""

    def __init__(self, status, seconds):
        super().__init__("come back later")
        self.http_status, self.retry_after = status, seconds


def crowd(share, rate, wish, *, status=503, well=WELL, seconds=20.0):
    """Return the share of calls served that came at that *rate*, of which a *share* is told to wait; and the pauses."""
    heads, pauses, ends = random.Random(1), [], []

    @ub.protect("replicas", effects="none")
    async def ask():
        if ASYNCIO.now() - begun >= well and heads.random() < share:
            await sleep(0.005)  # a refusal costs nothing
            raise Busy(status, wish)
        await sleep(0.1)

    async def story():
        tasks = []
        while ASYNCIO.now() - begun < well + seconds:
            tasks.append(asyncio.ensure_future(ask.outcome()))
            await sleep(1.0 / rate)
        ends.extend(await asyncio.gather(*tasks[round(well * rate) + 1 :]))

    ask.node.on(LeftInPeace, pauses.append)
    with virtual_time(seed=1):
        begun = ASYNCIO.now()
        asyncio.run(story())
    return sum(each.ok for each in ends) / len(ends), len(pauses)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("share", "rate", "wish"), [(0.2, 100, 2.0), (0.3, 50, 5.0), (0.4, 20, 2.0)])
def test_more_are_served_than_without_us(share, rate, wish, status):
    """Three of many in a row are refused by chance, all the time: nobody else has to wait for that."""
    served, pauses = crowd(share, rate, wish, status=status)

    assert served > 1.0 - share
    assert pauses <= 3


def test_more_are_served_than_without_us_from_the_first_call_on():
    """Refusals come sooner than answers do, so the first of all, and of those after a pause, are a row of them."""
    served, pauses = crowd(0.3, 50, 5.0, well=0.0)

    assert served > 0.7
    assert pauses <= 3


def test_one_that_serves_nobody_is_left_in_peace_as_ever():
    """However well it was before, and however many asked it."""
    served, pauses = crowd(1.0, 50, 5.0)

    assert (0.0, True) == (served, pauses >= 1)


def test_a_limit_on_rates_is_used_up_to_its_end():
    """Who waited together comes back together, and is refused in a long row: that must not have all wait again."""
    heads, served = random.Random(1), []

    @ub.protect("limited", effects="none")
    async def ask():
        nonlocal tokens, counted
        now = ASYNCIO.now()
        tokens, counted = min(4.0, tokens + 4.0 * (now - counted)), now
        if tokens < 1.0:
            await sleep(0.005)
            raise Busy(429, 5.0)
        tokens -= 1.0
        await sleep(0.1)
        served.append(now)

    async def story():
        tasks = []
        for _ in range(960):
            tasks.append(asyncio.ensure_future(ask.outcome()))
            await sleep(heads.expovariate(8.0))
        await asyncio.gather(*tasks)

    with virtual_time(seed=1):
        tokens, counted = 4.0, ASYNCIO.now()
        asyncio.run(story())
    assert len(served) > 0.85 * 4.0 * 120
