"""Policies in the shadow that hold load off a target: whom they would have refused, or let wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.shadowed import Course

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

COLOURS = pytest.mark.parametrize("colour", ["async", "sync"])


@pytest.mark.parametrize("wait", [0.0, 9.0])
def test_a_bulkhead_would_refuse_who_comes_when_it_is_full(wait):
    """As many as it refuses when it is in force; who could wait would be told to."""

    async def crowd(course: Course) -> None:
        for size in (1, 5, 3, 1):
            await asyncio.gather(*(course.call() for _ in range(size)))

    async def slow(moment: float) -> None:
        await ASYNCIO.sleep(1.0)

    refused, seen = [], []
    for bulkhead in (ub.Bulkhead(2), ub.Shadow(ub.Bulkhead(2, wait=wait))):
        course = Course("async", slow, bulkhead=bulkhead)
        with virtual_time():
            asyncio.run(crowd(course))
        refused.append(course.ends["BulkheadFull"])
        seen.append(course.shadows.get("bulkhead"))

    late = {"would_refuse": 0, "would_wait": 4} if wait else {"would_refuse": 4, "would_wait": 0}
    assert [4, 0] == refused
    assert [None, {"calls": 10, **late, "most_in_flight": 5}] == seen


class Busy(Exception):
    """A 429."""

    http_status = 429


class Full(Exception):
    """A 503."""

    http_status = 503


@COLOURS
def test_a_throttle_would_refuse_about_as_much_as_it_refuses(colour):
    """Of a target that says of half the calls that they are too much, and later takes them all again."""
    calls = []

    def half(moment: float) -> int:
        calls.append(moment)
        if 10.0 < moment < 60.0 and len(calls) % 2:
            raise Busy
        return 7

    ends, shares = [], []
    for throttle in (ub.Throttle(0.9), ub.Shadow(ub.Throttle(0.9))):
        course = Course(colour, half, throttle=throttle, breaker=False).calls(300, 0.3)
        ends.append(course.ends)
        shares.append(course.shadows.get("throttle"))

    assert (300, 0) == (shares[1]["calls"], ends[1]["Throttled"])
    assert 0.6 < shares[1]["would_refuse"] / ends[0]["Throttled"] < 1.6
    assert 0 < shares[1]["refused_in_error"] < shares[1]["would_refuse"]
    assert shares[1]["would_refuse"] == course.heard.count(("throttle", "refuse"))
    assert set() == course.door.node.target.shades.all[0].unsent


@COLOURS
@pytest.mark.parametrize("trouble", ["refused", "wrong", "broken"])
def test_what_a_throttle_does_not_hold_off_says_nothing_to_it(colour, trouble):
    """Attempts that a circuit refused never came to the target; other failures are no word on how much it takes."""

    def wrong(moment: float) -> int:
        if moment > 10.0:
            raise ValueError("wrong") if trouble == "wrong" else ConnectionError("down")
        return 7

    breaker = ub.CircuitBreaker(1, rest=1_000.0) if trouble == "refused" else False
    retry = False if trouble == "refused" else ub.Retry(1, on=ConnectionError)
    course = Course(colour, wrong, throttle=ub.Shadow(ub.Throttle(0.5)), breaker=breaker, retry=retry)
    course.calls(200, 0.3)
    sent, accepted, _ = course.door.node.target.shades.all[0].shedding._sums()

    assert ((0, 0) if trouble == "refused" else (sent, sent)) == (sent, accepted)
    assert (sent > 0) is (trouble != "refused")
    assert (200, 0) == (course.shadows["throttle"]["calls"], course.shadows["throttle"]["would_refuse"])


@pytest.mark.parametrize("wait", [0.0, 1.0])
def test_a_limit_would_hold_off_who_is_too_many_and_would_try_less(wait):
    """Who finds no place at the limit is counted; and a target that becomes slow would be tried with fewer."""
    seconds = [0.1]

    async def crowd(course: Course) -> list[Any]:
        told = []
        for pause in (0.1, 0.1, 0.9):
            seconds[0] = pause
            for _ in range(8):
                await asyncio.gather(*(course.call() for _ in range(30)))
            told.append(course.shadows["limit"])
        return told

    course = Course(
        "async",
        lambda moment: ASYNCIO.sleep(seconds[0]),
        limit=ub.Shadow(ub.AdaptiveLimit(first=20, most=20, wait=wait)),
        breaker=False,
    )
    with virtual_time():
        first, second, last = asyncio.run(crowd(course))
    late, other = ("would_wait", "would_refuse") if wait else ("would_refuse", "would_wait")

    assert {"ok": 720} == course.ends
    assert (240, 80, 0, 30) == tuple(first[each] for each in ("calls", late, other, "most_in_flight"))
    assert second["would_cut"] < last["would_cut"]  # now and then it would look whether there is a queue, in any case


@pytest.mark.parametrize("trouble", ["refuses", "is full", "hangs"])
def test_a_limit_would_try_less_of_a_target_that_refuses_or_hangs(trouble):
    """A 429, a 503 and no answer in time are what a limit is for; a plain error is no word on how much it takes."""

    async def crowd(course: Course) -> None:
        for _ in range(30):
            await asyncio.gather(*(course.call() for _ in range(25)))

    async def bad(moment: float) -> None:
        await ASYNCIO.sleep(0.3)
        if trouble != "hangs":
            raise (Busy if trouble == "refuses" else Full)
        raise TimeoutError("no answer in time")

    async def plain(moment: float) -> None:
        await ASYNCIO.sleep(0.3)
        raise ConnectionError("down")

    told = []
    for does in (bad, plain):
        course = Course("async", does, limit=ub.Shadow(ub.AdaptiveLimit(first=20)), breaker=False)
        with virtual_time():
            asyncio.run(crowd(course))
        told.append(course.shadows["limit"]["would_cut"])

    assert told[0] > told[1] == 0


def test_a_limit_would_grow_while_it_is_reached_and_the_target_is_well():
    """Until everybody has found a place; what it would try meanwhile is not what it finds."""
    late = []

    async def crowd(course: Course) -> None:
        for _ in range(50):
            await asyncio.gather(*(course.call() for _ in range(12)))
            late.append(course.shadows["limit"]["would_wait"])

    course = Course("async", lambda moment: ASYNCIO.sleep(0.4), limit=ub.Shadow(ub.AdaptiveLimit(first=5)))
    with virtual_time():
        asyncio.run(crowd(course))

    assert 7 == late[0] < late[-10] == late[-1]
    assert 12 == course.shadows["limit"]["most_in_flight"]
    assert 1 >= course.shadows["limit"]["would_cut"]
