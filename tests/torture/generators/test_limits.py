"""Limits of calls whose places are held as long as items are handed on, found and measured as those of others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.errors import BulkheadFull, LimitReached
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def limited(limit: Any, workers: asyncio.Semaphore, seconds: float = 2.0) -> Any:
    """Return a generator whose first item comes soon after a worker is free, which it then keeps so many seconds."""

    @ub.protect("stream", limit=limit, retry=False, breaker=False, timeout=ub.Timeout(600.0), deadline=600.0)
    async def items():
        async with workers:
            await sleep(0.2)
            yield 1
            await sleep(seconds)
            yield 2

    return items


async def crowd(items: Any, size: int, minutes: float, pause: float = 1.0) -> None:
    """Read those items all the time, each to its end, so many at once; who finds no place comes again after a pause."""

    async def read(begins: float) -> None:
        await sleep(begins)
        until = ASYNCIO.now() + 60.0 * minutes
        while ASYNCIO.now() < until:
            try:
                async for _ in items():
                    pass
            except LimitReached:
                await sleep(pause)

    await asyncio.gather(*(read(0.05 * number) for number in range(size)))


@pytest.mark.parametrize(("seconds", "minutes"), [(2.0, 2.5), (60.0, 75.0)])
def test_a_limit_of_generators_grows_while_their_target_is_well(seconds, minutes):
    """However long they go on after their first item: there is a place for everybody in the end."""

    async def story():
        items = limited(ub.AdaptiveLimit(first=8, wait=0.0), asyncio.Semaphore(1_000), seconds)
        await crowd(items, 14, minutes, seconds / 2)
        return items.node.get_status().limit

    with virtual_time():
        assert 14 <= asyncio.run(story())


def test_a_limit_of_generators_finds_the_queue_of_their_target():
    """A target that has four workers is given about as many, though what grows is only the wait for first items."""

    async def story():
        items, heard = limited(ub.AdaptiveLimit(first=12), asyncio.Semaphore(4)), []
        items.node.on(ub.events.LimitChanged, heard.append)
        await crowd(items, 16, 4.0)
        return items.node.get_status().limit, heard[-1].after

    with virtual_time():
        limit, last = asyncio.run(story())

    assert 2 <= limit <= 6
    assert limit == last


def test_a_limit_in_the_shadow_grows_with_the_generators_in_flight():
    """After that, nobody would have to wait any more."""

    async def story():
        items = limited(ub.Shadow(ub.AdaptiveLimit(first=8)), asyncio.Semaphore(1_000))
        seen = []
        for _ in range(2):
            await crowd(items, 14, 1.5)
            seen.append(items.node.get_status().shadows["limit"])
        return seen

    with virtual_time():
        first, second = asyncio.run(story())

    assert 14 == first["most_in_flight"]
    assert 0 < first["would_wait"] == second["would_wait"]


@pytest.mark.parametrize(
    ("name", "policy", "full"),
    [
        ("bulkhead", ub.Bulkhead(1), BulkheadFull),
        ("limit", ub.AdaptiveLimit(first=1, most=1, wait=0.0), LimitReached),
    ],
)
def test_places_in_the_shadow_are_held_as_long_as_those_in_force(hand, name, policy, full):
    """Who would find none is counted until the generator before has ended, be it that its consumer has left."""

    async def items():
        yield 1
        yield 2

    async def story():
        forced, shadow = hand.guard(items, **{name: policy}), hand.guard(items, **{name: ub.Shadow(policy)})
        for refused, end in enumerate((hand.all, hand.close), 1):
            opened = [forced(), shadow()]
            for one in opened:
                await hand.next(one)
            with pytest.raises(full):
                await hand.next(forced())
            assert [1, 2] == await hand.all(shadow())
            assert refused == shadow.node.get_status().shadows[name]["would_refuse"]
            for one in opened:
                await end(one)
        told = shadow.node.get_status().shadows[name]
        return told["calls"], told["would_refuse"], told["most_in_flight"]

    assert (4, 2, 2) == hand.play(story)


@pytest.mark.parametrize(("fails", "in_error"), [(False, 1), (True, 0)])
def test_a_generator_that_a_throttle_would_have_refused_is_known_by_its_first_item(hand, fails, in_error):
    """It would have been refused in error if that came; and is under way as long as it is read."""

    async def items():
        if fails:
            raise ConnectionError("down")
        yield 1
        yield 2

    async def story():
        stream = hand.guard(items, throttle=ub.Shadow(ub.Throttle()), retry=False)
        shade = stream.node.target.shades.all[0]
        shade.due = 1.0  # the shares of those before add up to one
        came, _ = await hand.until(stream())
        assert ([] if fails else [1, 2]) == came
        assert set() == shade.unsent
        return shade.value()

    assert {"calls": 1, "would_refuse": 1, "refused_in_error": in_error} == hand.play(story)


@pytest.mark.parametrize(
    "options", [{"bulkhead": ub.Bulkhead(1)}, {"bulkhead": ub.Bulkhead(1), "throttle": ub.Throttle()}]
)
def test_a_place_of_a_bulkhead_is_held_and_nothing_is_learned_of_it(options):
    """There is no limit to find, with a throttle or without any: the place is kept to the end, and given back."""

    @ub.protect("stream", retry=False, breaker=False, **options)
    async def items():
        yield 1
        yield 2

    async def story():
        held, found = items(), []
        found.append(await anext(held))
        with pytest.raises(BulkheadFull):
            await anext(items())
        await held.aclose()
        return found + [item async for item in items()]

    with virtual_time():
        assert [1, 1, 2] == asyncio.run(story())
