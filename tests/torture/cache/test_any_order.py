"""Anything in any order: callers, writers, cancellations, time, tags; and an oracle that knows what is old."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.dense import most

from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

TTL = 10.0
TAGS = {"a": ["odd"], "b": ["even"], "c": ["odd", "even"]}
keys = st.sampled_from("abc")


@dataclass(frozen=True)
class Read:
    """What a load brings: the version that it read, and when it began."""

    key: str
    version: int
    began: float


@dataclass
class Call:
    """A call under way: the version below which nothing may come, and when it began."""

    key: str
    floor: int
    began: float
    task: asyncio.Task


class AnyOrder(RuleBasedStateMachine):
    """Play on one event loop in virtual time; each answer is held against the oracle when it comes."""

    def __init__(self):
        super().__init__()
        self.time = virtual_time()
        self.clock = self.time.__enter__()
        self.runner = asyncio.Runner()
        self.cache = CacheNode(TTL, max_size=2, loader=self.load, retry=False, breaker=False, fallback=self.instead)
        self.versions, self.floors = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
        self.seconds, self.fails = 1.0, False
        self.calls: list[Call] = []
        self.answered = self.loads = 0

    def teardown(self):
        self.go(self.end_all())
        assert self.cache.leases.flights == {}
        assert 0 == self.cache.get_status().in_flight
        assert self.answered == self.cache.get_status().hits + self.cache.get_status().misses
        self.runner.close()
        self.time.__exit__(None, None, None)

    def go(self, script):
        return self.runner.run(script)

    async def load(self, key):
        self.loads += 1
        fails, read = self.fails, Read(key, self.versions[key], self.clock.now())
        await ASYNCIO.sleep(self.seconds)
        if fails:
            raise OSError
        return read

    def instead(self, failure):
        return Read("instead", 99, self.clock.now())

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(key=keys)
    def call(self, key):
        async def begin():
            task = asyncio.ensure_future(self.cache.get(key, tags=TAGS[key]))
            self.calls.append(Call(key, self.floors[key], self.clock.now(), task))
            await self.turns()

        self.go(begin())

    @rule(key=keys)
    def write(self, key):
        self.versions[key] += 1

    @rule(key=keys)
    def invalidate(self, key):
        self.cache.invalidate(key)
        self.floors[key] = self.versions[key]

    @rule(tag=st.sampled_from(["odd", "even"]))
    def invalidate_tag(self, tag):
        self.cache.invalidate(tags=[tag])
        self.floors.update({key: self.versions[key] for key, tags in TAGS.items() if tag in tags})

    @rule()
    def invalidate_everything(self):
        self.cache.invalidate()
        self.floors.update(self.versions)

    @rule(key=keys)
    def write_through(self, key):
        self.versions[key] += 1
        self.cache.set(key, Read(key, self.versions[key], self.clock.now()), tags=TAGS[key])
        self.floors[key] = self.versions[key]

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 9.5, 12.0]))
    def let_time_pass(self, seconds):
        self.go(ASYNCIO.sleep(seconds))

    @rule(seconds=st.sampled_from([0.0, 1.0, 6.0, 11.0]), fails=st.booleans())
    def change_the_source(self, seconds, fails):
        self.seconds, self.fails = seconds, fails

    @precondition(lambda self: self.calls)
    @rule(number=st.integers(0, 9))
    def cancel(self, number):
        self.calls[number % len(self.calls)].task.cancel()
        self.go(self.turns())

    # ── what must hold ──────────────────────────────────────────────────────────────────────────────────────────────

    async def turns(self):
        for _ in range(12):
            await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop

    async def end_all(self):
        await asyncio.gather(*(call.task for call in self.calls), return_exceptions=True)
        await self.turns()
        self.look_at_answers()

    @invariant()
    def look_at_answers(self):
        for call in [call for call in self.calls if call.task.done()]:
            self.calls.remove(call)
            self.answered += 1
            if call.task.cancelled() or call.task.result().key == "instead":
                continue
            read = call.task.result()
            assert call.key == read.key
            assert read.version >= call.floor, "a value from before the last invalidation"
            assert read.began > call.began - TTL, "a value that was too old when it was asked for"

    @invariant()
    def what_is_kept_is_fresh_and_real(self):
        for key in "abc":
            if key in self.cache:
                read = self.cache.leases.shelf.entries[key].value
                assert (key, True) == (read.key, read.version >= self.floors[key])
                assert self.clock.now() < read.began + TTL
        assert len(self.cache) <= 2


AnyOrder.TestCase.settings = settings(max_examples=most(60, 25), stateful_step_count=40)
test_any_order = AnyOrder.TestCase
