"""Whoever gets its turn at a remedy too late for it leaves it to the next."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


async def ten_a_second(door, calls):
    tasks = []
    for _ in range(calls):
        await ASYNCIO.sleep(0.1)
        tasks.append(asyncio.ensure_future(door.outcome()))
    return [await task for task in tasks]


def protected(error, *, hosts):
    """Return a search that fails by *error* on the first of *hosts*, for calls of two and a half seconds."""

    @ub.protect("search", effects="none", budget=False, breaker=False, deadline=2.5)
    async def search(host=""):
        await ASYNCIO.sleep(0.01)
        if (host or hosts[-1]) == "primary":
            raise error
        return host or hosts[-1]

    return search


@pytest.mark.parametrize("error", [ConnectionError("down"), PermissionError("401")], ids=["down", "refused"])
def test_a_slow_remedy_serves_as_many_as_it_can_where_more_come(error):
    """Sixteen at a time for two seconds are eight a second of ten; a turn with a second left would be for nothing."""
    search = protected(error, hosts=["primary"])

    @search.remedy(type(error))
    async def move(failure):
        await ASYNCIO.sleep(2.0)
        return {"host": "backup"}

    with virtual_time(seed=3):
        ends = asyncio.run(ten_a_second(search, 600))

    assert sum(end.ok for end in ends[300:]) >= 0.7 * 300
    told = "\n".join(end.explain() for end in ends if not end.ok)
    assert "remedy move was not applied" in told
    assert sum("the caller's deadline came first" in end.explain() for end in ends[300:]) <= 3


def test_a_remedy_for_all_that_raised_once_is_not_kept_from_it_by_those_who_wait():
    """Each in line had a tenth of a second left after the one before it, and none the two that it takes."""
    hosts, applied = ["primary"], 0
    search = protected(PermissionError("401"), hosts=hosts)

    @search.remedy(PermissionError)
    async def refresh(failure):
        nonlocal applied
        applied += 1
        await ASYNCIO.sleep(2.0)
        if applied == 1:
            raise ConnectionError("the token server is away")
        hosts.append("backup")

    with virtual_time(seed=3):
        ends = asyncio.run(ten_a_second(search, 300))

    assert all(end.ok for end in ends[200:])
    assert applied < 10


@pytest.mark.parametrize("options", [{}, {"fallback": lambda failure: "none"}], ids=["alone", "with a fallback"])
def test_who_left_its_turn_begins_the_remedy_no_later_either(options):
    """A moment later there was no line: it was begun with less time yet, cut, and given up for those who had enough."""

    @ub.protect("search", effects="none", budget=False, deadline=3.0, **options)
    async def search(host="primary"):
        await ASYNCIO.sleep(0.05)
        if host == "primary":
            raise PermissionError("401")
        return host

    @search.remedy(PermissionError)
    async def move(failure):
        await ASYNCIO.sleep(2.0)
        return {"host": "backup"}

    async def all_at_once_then_one_by_one():
        burst = await asyncio.gather(*(search.outcome() for _ in range(30)))
        return burst, [await search.outcome() for _ in range(5)]

    with virtual_time(seed=3):
        burst, later = asyncio.run(all_at_once_then_one_by_one())

    told = [end.explain() for end in burst if not end.ok]
    assert 0 < len(told) == sum("was not applied: its turn came" in each for each in told)
    assert not any("the caller's deadline came first" in each for each in told)
    assert ["healed"] * 5 == [end.status.value for end in later]


def test_who_left_its_turn_has_not_found_the_remedy_in_vain():
    """Nothing was tried; that a burst had no time for the remedy is no proof that repeats are of no use."""
    search = protected(PermissionError("401"), hosts=["primary"])

    @search.remedy(PermissionError)
    async def move(failure):
        await ASYNCIO.sleep(2.0)
        return {"host": "backup"}

    async def in_a_burst_then_one_by_one():
        first = asyncio.ensure_future(search.outcome())
        burst = asyncio.ensure_future(ten_a_second(search, 15))
        await ASYNCIO.sleep(0.9)
        first.cancel()  # it had the turn, and the next one has too little time left
        await burst
        return [await search.outcome() for _ in range(5)]

    with virtual_time(seed=3):
        later = asyncio.run(in_a_burst_then_one_by_one())
    assert ["healed"] * 5 == [end.status.value for end in later]
