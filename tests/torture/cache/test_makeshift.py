"""A value with a fallback's answer in it, however deep, answers those who wait for it and is not kept."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes import APINode, CacheNode

ONCE = {"retry": False, "breaker": False}


class Price:
    """What a shop asks for: 7, if it answers."""

    def __init__(self, colour, *, down=True):
        self.colour, self.down, self.asked = colour, down, 0

    async def __call__(self):
        self.asked += 1
        if self.down:
            raise ConnectionError("the shop is down")
        return 7

    def protected(self, **options):
        return self.colour.protect(self.__call__, **{**ONCE, "fallback": lambda failure: 0, **options})


def getter(colour, cache):
    """Return the cache's door of that colour."""
    return cache.get if colour.is_async else cache.get_sync


async def twice(colour, price, fetch, cache=None):
    """Return what two gets bring, the shop being back before the second, and how many values are kept then."""
    get = getter(colour, cache := cache or CacheNode(**ONCE))
    first = await colour.call(get, "k", fetch)
    price.down = False
    return first, await colour.call(get, "k", fetch), len(cache)


def test_a_fallbacks_answer_is_not_kept(colour):
    """The protected function is the load: it answers, and is asked again."""

    async def story():
        price = Price(colour)
        return await twice(colour, price, price.protected())

    assert (0, 7, 1) == colour.play(story)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    "options", [{}, {"verify": lambda value: True}, {"deadline": 5.0}, {"bulkhead": ub.Bulkhead()}]
)
def test_what_is_made_of_it_is_not_kept(colour, layers, options):
    """Each layer above, by either path, says of its value what was said to it."""

    async def story():
        price = Price(colour)
        door = price.protected(**options)
        for _ in range(layers):

            async def above(below=door):
                return 10 * await colour.call(below)

            door = colour.protect(above, **ONCE, **options)
        return await twice(colour, price, door)

    assert (0, 7 * 10**layers, 1) == colour.play(story)


@pytest.mark.parametrize("way", ["outcome", "a node inside", "another cache"])
def test_it_is_known_however_it_was_asked_for(colour, way):
    """An outcome, a node that is a node's operation, and another cache all tell the load around them."""

    async def story():
        price, inner = Price(colour), CacheNode(**ONCE)
        door = price.protected()
        node = ub.FractalNode("above", ub.FractalNode("below", door, **ONCE), **ONCE)

        async def load():
            if way == "outcome":
                return (await colour.call(door.outcome)).value
            if way == "another cache":
                return await colour.call(getter(colour, inner), "inner", door)
            return (await colour.call(node.execute if colour.is_async else node.execute_sync)).unwrap()

        return await twice(colour, price, colour.plain(load))

    assert (0, 7, 1) == colour.play(story)


def test_an_attempt_that_was_repeated_takes_its_fallbacks_with_it(colour):
    """A value of a second attempt, in which the shop answered by itself, is kept."""

    async def story():
        price, cache = Price(colour), CacheNode(retry=ub.Retry(2))
        door = price.protected()

        async def load():
            value = await colour.call(door)
            price.down = False
            if not value:
                raise ConnectionError("not for nothing")
            return value

        value = await colour.call(getter(colour, cache), "k", colour.plain(load))
        return value, len(cache), price.asked

    assert (7, 1, 2) == colour.play(story)


def test_what_failed_inside_and_was_answered_by_the_loader_itself_is_kept(colour):
    """Whoever catches an exception and answers knows what the answer is worth; nobody else does."""

    async def story():
        price = Price(colour)
        door = colour.protect(price.__call__, **ONCE)

        async def load():
            try:
                return await colour.call(door)
            except ConnectionError:
                return 5

        return await twice(colour, price, colour.plain(load))

    assert (5, 5, 1) == colour.play(story)


def test_who_waits_for_the_same_load_has_it_and_knows(play):
    """All callers of one flight get the answer; those that are loads themselves do not keep it either."""

    async def story():
        asked, outer, inner = [], CacheNode(**ONCE), CacheNode(**ONCE)

        @ub.protect("shop", **ONCE, fallback=lambda failure: 0)
        async def price():
            asked.append(1)
            await asyncio.sleep(1)  # noqa: TID251 - virtual
            raise ConnectionError("down")

        async def load():
            return await inner.get("k", price)

        values = await asyncio.gather(*(outer.get(key, load) for key in range(3)))
        return values, len(asked), len(outer), len(inner)

    assert ([0, 0, 0], 1, 0, 0) == play(story)


def test_a_task_that_outlives_its_load_says_nothing_of_it(play):
    """What goes on after the load has landed, and falls back then, makes no difference."""

    async def story():
        cache, tasks = CacheNode(**ONCE), []

        @ub.protect("shop", **ONCE, fallback=lambda failure: 0)
        async def price():
            await asyncio.sleep(5)  # noqa: TID251 - virtual
            raise ConnectionError("down")

        async def load():
            tasks.append(asyncio.ensure_future(price()))
            await asyncio.sleep(1)  # noqa: TID251 - virtual
            return "fresh"

        first = await cache.get("k", load)
        kept = len(cache)
        await tasks[0]
        return first, kept, len(cache), await cache.get("k", load)

    assert ("fresh", 1, 1, "fresh") == play(story)


def test_an_api_nodes_fallback_is_not_kept(play):
    """A node of HTTP whose fallback answers is a protected call like any."""

    async def story():
        up = []
        transport = httpx2.MockTransport(lambda request: httpx2.Response(200 if up else 500, json={"price": 7}))
        async with APINode("http://shop", transport=transport, **ONCE, fallback=lambda failure: None) as shop:
            cache = CacheNode(**ONCE)
            first = await cache.get("k", shop.make_request)
            up.append(True)
            return first, await cache.get("k", shop.make_request), len(cache)

    assert (None, {"price": 7}, 1) == play(story)


@pytest.mark.parametrize("options", [{}, {"deadline": 30.0}])
def test_a_run_with_a_fallbacks_answer_in_it_is_not_kept(play, options):
    """The steps of a run are calls inside the load, too."""

    async def story():
        down = [True]

        @ub.protect("shop", **ONCE, fallback=lambda failure: 0)
        async def price():
            if down:
                raise ConnectionError("down")
            return 7

        cache, runs = CacheNode(**ONCE), ub.OrchestratorNode(**ONCE, **options)

        async def load():
            return (await runs.orchestrate([ub.Step("price", price)])).results["price"]

        first = await cache.get("k", load)
        down.clear()
        return first, await cache.get("k", load), len(cache)

    assert (0, 7, 1) == play(story)
