"""A remedy that a call's deadline has cut sooner than it takes is no worse for it, to those who have the time."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
LIFE, TAKES = 60.0, 1.0  # seconds: how long a token is good, and how long a new one takes


class Partner:
    """A service whose tokens die, and that hands out a new one unless it *hangs*; calls have *deadline*."""

    def __init__(self, deadline: float = 30.0) -> None:
        self.born, self.begun, self.hangs = ASYNCIO.now() - LIFE, 0, False
        self.end = self.renew  #: what comes of a remedy that is seen through
        self.ask = ub.protect("partner", effects="idempotent", deadline=deadline, budget=False)(self.answer)
        self.ask.remedy(PermissionError)(self.refresh)

    async def answer(self, token: str | None = None) -> None:
        good = ASYNCIO.now() - self.born < LIFE
        await sleep(0.05)
        if not good:
            raise PermissionError("401")

    async def refresh(self, failure: ub.Failure) -> object:
        self.begun += 1
        await sleep(1e6 if self.hangs else TAKES)
        return self.end()

    def renew(self) -> None:
        self.born = ASYNCIO.now()

    async def call(self, seconds: float) -> bool:
        """Ask for a request that has so many *seconds*; return whether that was answered."""
        with ub.incoming({"Unbreakable-Deadline": str(seconds)}):
            outcome = await self.ask.outcome()
        return outcome.ok


@pytest.mark.parametrize("hurried", [1, 4, 19, 99], ids="{} in a hurry, then one with time".format)
def test_calls_with_enough_time_are_mended_however_many_have_too_little(hurried):
    """Half a second is too little for a token that takes a whole one: that says nothing of the token."""

    async def story():
        partner, ended = Partner(), []
        for _ in range(6):
            partner.born = ASYNCIO.now() - LIFE
            for _ in range(hurried):
                await partner.call(0.5)
            ended.append(await partner.call(30.0))
        return ended

    with virtual_time(seed=1):
        assert all(asyncio.run(story()))


def test_what_has_more_time_than_ever_was_in_vain_tries_it_once():
    """So a remedy that hangs takes as much as that once, and not from each of them."""

    async def story():
        partner = Partner(deadline=1e5)
        partner.hangs = True
        for _ in range(40):
            await partner.call(0.5)
        before, took = partner.begun, []
        for _ in range(15):
            since = ASYNCIO.now()
            await partner.call(30.0)
            took.append(ASYNCIO.now() - since)
        return before, took

    with virtual_time(seed=1):
        before, took = asyncio.run(story())
    assert before < 15
    assert sum(each > 1.0 for each in took) <= 3


def test_a_remedy_that_took_long_and_then_hangs_is_given_up():
    """Who has less time than it took once may tell nothing by a cut, but not for ever."""

    async def story():
        partner = Partner(deadline=100.0)
        partner.born -= LIFE
        await partner.call(100.0)
        partner.hangs, took = True, []
        partner.born = -1e9
        for _ in range(80):
            since = ASYNCIO.now()
            await partner.call(0.9)
            took.append(ASYNCIO.now() - since)
        return took

    with virtual_time(seed=1):
        took = asyncio.run(story())
    assert sum(each > 0.5 for each in took[40:]) <= 4


def raises():
    raise OSError("no tokens today")


@pytest.mark.parametrize("end", [raises, lambda: None, lambda: {"token": "bad"}], ids=["raises", "no use", "of a call"])
def test_what_is_in_vain_with_all_the_time_it_needs_is_passed_over(end):
    """However many have cut it in between."""

    async def story():
        partner, took = Partner(), []
        partner.end, partner.born = end, -1e9
        for _ in range(60):
            await partner.call(0.5)
            since = ASYNCIO.now()
            await partner.call(30.0)
            took.append(ASYNCIO.now() - since)
        return took

    with virtual_time(seed=1):
        took = asyncio.run(story())
    assert sum(each > 0.5 for each in took[20:]) <= 5
