"""A cache never hands over what is too old, nor what was read before an invalidation that the caller came after."""

from __future__ import annotations

import asyncio
import itertools
import math
import time

import pytest

from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def play(story):
    """Return what the story returns, in virtual time."""
    with virtual_time():
        return asyncio.run(story())


class Source:
    """What is cached: a number that goes up with each write, and takes *seconds* to read; read when a load begins."""

    def __init__(self, seconds=0.0):
        self.seconds, self.version, self.loads = seconds, 1, 0

    async def read(self, key):
        self.loads += 1
        version = self.version
        await sleep(self.seconds)
        return version


# ── age ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_is_given_until_its_age_is_the_ttl():
    """At 9.999 s it is a hit, at 10 s it is loaded again."""

    async def story():
        source = Source()
        cache = CacheNode(ttl=10, loader=source.read)
        first = await cache.get("k")
        source.version = 2
        await sleep(9.999)
        second = await cache.get("k")
        await sleep(0.001)
        return [first, second, await cache.get("k")], source.loads

    assert ([1, 1, 2], 2) == play(story)


def test_the_age_counts_from_the_start_of_the_load():
    """A value that took 6 s to load is 6 s old when it comes: with a ttl of 10 s it is given for 4 s more."""

    async def story():
        source = Source(seconds=6)
        cache = CacheNode(ttl=10, loader=source.read)
        await cache.get("k")
        await sleep(3.9)
        hit = "k" in cache
        await sleep(0.1)
        return hit, "k" in cache

    assert (True, False) == play(story)


def test_a_load_that_takes_longer_than_the_ttl_answers_once():
    """Those who waited get the value; nobody else does."""

    async def story():
        source = Source(seconds=11)
        cache = CacheNode(ttl=10, loader=source.read)
        values = await asyncio.gather(cache.get("k"), cache.get("k"))
        status = cache.get_status()
        return values, source.loads, len(cache), status.discarded

    assert ([1, 1], 1, 0, 1) == play(story)


def test_who_comes_when_a_load_is_too_old_already_begins_another():
    """A load that began longer ago than the ttl is not waited for: its value may be older than was promised."""

    async def story():
        source = Source(seconds=20)
        cache = CacheNode(ttl=10, loader=source.read)
        early = asyncio.ensure_future(cache.get("k"))
        await sleep(9)
        joining = asyncio.ensure_future(cache.get("k"))
        source.version = 2
        await sleep(1)
        late = asyncio.ensure_future(cache.get("k"))
        return await asyncio.gather(early, joining, late), source.loads

    assert ([1, 1, 2], 2) == play(story)


def test_a_blocked_event_loop_ages_values_all_the_same():
    """After the loop has stood still for longer than the ttl the value is not given: no timer decides it."""

    async def story():
        source = Source()
        cache = CacheNode(ttl=1, loader=source.read)
        await cache.get("k")
        source.version = 2
        time.sleep(5)  # noqa: ASYNC251, TID251 - virtual: the loop stands still
        return await cache.get("k")

    assert 2 == play(story)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_changes_nothing(step, monkeypatch):
    """An hour back gives no value a longer life, an hour forward loses none."""

    async def story():
        source = Source()
        cache = CacheNode(ttl=10, loader=source.read)
        await cache.get("k")
        real = time.time  # noqa: TID251 - it is looked at, not asked
        monkeypatch.setattr(time, "time", lambda: real() + step)
        await sleep(9)
        young = "k" in cache
        await sleep(1)
        return young, "k" in cache

    assert (True, False) == play(story)


def test_a_value_without_an_end_stays():
    """With ttl=math.inf only room and invalidation end a value."""

    async def story():
        source = Source()
        cache = CacheNode(ttl=math.inf, loader=source.read)
        await cache.get("k")
        await sleep(1e6)
        await cache.get("k")
        return source.loads, cache.get_status().expirations

    assert (1, 0) == play(story)


# ── invalidation ────────────────────────────────────────────────────────────────────────────────────────────────────

WAYS = {
    "key": lambda cache: cache.invalidate("k"),
    "tag": lambda cache: cache.invalidate(tags=["t"]),
    "everything": lambda cache: cache.invalidate(),
    "set": lambda cache: cache.set("k", 2, tags=["t"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_invalidated_while_it_is_loaded_is_not_kept(way):
    """Who waited before gets the old value, who comes after gets a new one, and only that is kept."""

    async def story():
        source = Source(seconds=1)
        cache = CacheNode(loader=source.read)
        before = asyncio.ensure_future(cache.get("k", tags=["t"]))
        await sleep(0.5)
        source.version = 2
        WAYS[way](cache)
        after = asyncio.ensure_future(cache.get("k", tags=["t"]))
        values = [await before, await after]
        return values, await cache.get("k")

    assert ([1, 2], 2) == play(story)


@pytest.mark.parametrize("way", ["key", "tag", "everything"])
def test_what_was_invalidated_after_its_load_is_loaded_again(way):
    """Right after the call nothing that was kept is given."""

    async def story():
        source = Source()
        cache = CacheNode(loader=source.read)
        await cache.get("k", tags=["t"])
        source.version = 2
        dropped = WAYS[way](cache)
        return dropped, await cache.get("k", tags=["t"]), cache.get_status().invalidations

    assert (1, 2, 1) == play(story)


def test_the_last_of_two_loads_in_flight_is_kept_though_it_ends_first():
    """The load from before the invalidation may end at any time: it never takes the place of the later one."""

    async def story():
        source = Source(seconds=10)
        cache = CacheNode(loader=source.read)
        old = asyncio.ensure_future(cache.get("k"))
        await sleep(0.1)
        source.version, source.seconds = 2, 1
        cache.invalidate("k")
        new = await cache.get("k")
        return new, await old, await cache.get("k"), source.loads

    assert (2, 1, 2, 2) == play(story)


def test_a_tag_of_one_value_leaves_the_others():
    """Only what bears one of the tags goes, be it kept or on its way."""

    async def story():
        source = Source(seconds=1)
        cache = CacheNode(loader=source.read)
        await asyncio.gather(*(cache.get(key, tags=["even" if key % 2 == 0 else "odd", key]) for key in range(6)))
        flying = [asyncio.ensure_future(cache.get(key, tags=[tag])) for key, tag in ((10, "even"), (11, "odd"))]
        await sleep(0.5)
        cache.invalidate(tags=["even", 1])
        await asyncio.gather(*flying)
        return [key for key in range(12) if key in cache]

    assert [3, 5, 11] == play(story)


def test_an_empty_list_of_tags_invalidates_nothing():
    """Tags that were computed and came out empty do not mean everything."""
    cache = CacheNode(loader=lambda key: key)
    cache.get_sync("k")

    assert (0, 0, 1) == (cache.invalidate(tags=[]), cache.invalidate(tags=()), len(cache))


# ── every order ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Course:
    """One course of a story in which the next step is chosen by a list of numbers; the rest are the first possible."""

    def __init__(self, choices, callers, script):
        self.choices, self.taken, self.open = list(choices), [], []
        self.version = self.floor = 0
        self.halts: list[asyncio.Future] = []
        self.callers, self.script = list(range(callers)), list(script)
        self.began, self.tasks = {}, {}
        self.cache = CacheNode(loader=self.read, retry=False)

    async def halt(self):
        halt = asyncio.get_running_loop().create_future()
        self.halts.append(halt)
        await halt

    async def read(self, key):
        await self.halt()
        version = self.version
        await self.halt()
        return version

    def possible(self):
        steps = []
        if self.callers:
            steps.append(self.call)
        if self.script:
            steps.append(getattr(self, self.script[0]))
        return steps + [lambda halt=halt: self.go_on(halt) for halt in self.halts]

    def call(self):
        number = self.callers.pop(0)
        self.began[number] = self.floor
        self.tasks[number] = asyncio.ensure_future(self.cache.get("k", tags=["t"]))

    def go_on(self, halt):
        self.halts.remove(halt)
        if not halt.done():
            halt.set_result(None)

    def write(self):
        self.version += 1
        self.script.pop(0)

    def invalidate(self):
        (self.cache.invalidate if self.version % 2 else lambda _: self.cache.invalidate(tags=["t"]))("k")
        self.floor = self.version
        self.script.pop(0)

    def cancel(self):
        if 0 in self.tasks:
            self.tasks[0].cancel()
        self.script.pop(0)

    async def run(self):
        while steps := self.possible():
            choice = self.choices[len(self.taken)] if len(self.taken) < len(self.choices) else 0
            self.taken.append(choice)
            self.open.append(len(steps))
            steps[choice]()
            for _ in range(12):  # as many turns as any step takes to show all of what it leads to
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
        return await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def every_course(callers, script):
    """Play every course there is; yield each with what its callers got."""
    choices = []
    while choices is not None:
        course = Course(choices, callers, script)
        yield course, await course.run()
        choices = following(course.taken, course.open)


def following(taken, possible):
    """Return the choices of the next course in order, None after the last."""
    for place in reversed(range(len(taken))):
        if taken[place] + 1 < possible[place]:
            return [*taken[:place], taken[place] + 1]
    return None


@pytest.mark.parametrize(
    ("callers", "script"),
    [
        (3, ["write", "invalidate"]),
        (2, ["write", "invalidate", "write", "invalidate"]),
        (2, ["write", "cancel", "invalidate"]),
    ],
)
def test_in_no_order_of_events_does_a_later_caller_get_an_earlier_value(callers, script):
    """In each course of calls, reads, writes and invalidations, a call gets what was written before the last one."""

    async def story():
        courses, loads, stale = 0, 0, []
        async for course, values in every_course(callers, script):
            courses += 1
            floors = [course.began[number] for number in range(callers)]
            wrong = [
                (value, floor)
                for value, floor in zip(values, floors, strict=True)
                if not isinstance(value, asyncio.CancelledError) and value < floor
            ]
            last = asyncio.ensure_future(course.cache.get("k"))
            while not last.done():
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
                for halt in list(course.halts):
                    course.go_on(halt)
            loads = max(loads, course.cache.get_status().loads)
            if wrong or await last < course.floor:
                stale.append((course.taken, wrong))
        return courses, loads, stale

    courses, loads, stale = asyncio.run(story())

    assert [] == stale
    assert courses > 100
    assert loads <= callers + 1


def test_the_courses_are_all_different():
    """The list of courses has none twice, and ends."""

    async def story():
        return [tuple(course.taken) async for course, _ in every_course(2, ["write", "invalidate"])]

    courses = asyncio.run(story())

    assert len(set(courses)) == len(courses)
    assert all(left < right for left, right in itertools.pairwise(courses))
