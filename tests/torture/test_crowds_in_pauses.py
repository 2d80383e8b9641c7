"""A target that tells some of its callers to come back later serves the others meanwhile, never too many at once."""

from __future__ import annotations

import asyncio
import functools
import random
import threading
import time
from collections import Counter

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Later(Exception):
    """A 429 that asks to be left alone for twenty seconds."""

    status_code, retry_after = 429, 20.0


class Server:
    """Answer each call after a tenth of a second, and tell a share of them to come back; know how many are inside."""

    def __init__(self, share=0.2, seconds=0.1, seed=1, error=Later):
        self.share, self.seconds, self.dice = share, seconds, random.Random(seed)
        self.error = error
        self.inside = self.peak = 0
        self.lock = threading.Lock()

    def come(self):
        with self.lock:
            self.inside += 1
            self.peak = max(self.peak, self.inside)

    def go(self):
        with self.lock:
            self.inside -= 1

    def judge(self, error=None):
        if self.dice.random() < self.share:
            raise (error or self.error)("come back later")

    async def answer(self):
        self.come()
        try:
            await sleep(self.seconds)
            self.judge()
        finally:
            self.go()

    def answer_sync(self):
        self.come()
        try:
            time.sleep(self.seconds)  # noqa: TID251 - virtual
            self.judge()
        finally:
            self.go()


def served(**options):
    """Return which share of the calls is served, how they ended, the most that were inside, and the node."""
    rate, seconds = 50, 40
    server = Server()
    call = ub.protect("target", effects="idempotent", deadline=60.0, **options)(server.answer)

    async def one():
        return type((await call.outcome()).error).__name__

    async def story():
        tasks = []
        for _ in range(int(rate * seconds)):
            tasks.append(asyncio.ensure_future(one()))
            await sleep(1.0 / rate)
        return Counter(await asyncio.gather(*tasks))

    with virtual_time(seed=1):
        ends = asyncio.run(story())
    return ends["NoneType"] / ends.total(), ends, server.peak, call.node


@functools.cache
def possible():
    """Return the share that is served where nothing limits how many are inside."""
    return served()[0]


@pytest.mark.parametrize("policy", [{"bulkhead": ub.Bulkhead(64)}, {"limit": ub.AdaptiveLimit()}])
def test_who_waits_for_as_long_as_it_was_told_leaves_its_place_to_others(policy):
    """Of 50 calls a second, a fifth of which come back after 20 s, nearly as many are served as without any limit."""
    share, ends, _, node = served(**policy)

    assert share >= 0.9 * possible() > 0.85, ends
    assert node.get_status().latency.p99 < 0.2
    assert (0, set(), 0) == (node.target.gate.inside, node.target.gate.away, len(node.target.gate.line))


@pytest.mark.parametrize("places", [6, 8])
def test_who_comes_back_to_a_full_target_is_served_and_starves_nobody(places):
    """Asked for about as much as it can do: of those that are let in hardly any fails for want of a place."""
    share, ends, peak, node = served(bulkhead=ub.Bulkhead(places))
    admitted = ends.total() - ends["BulkheadFull"]

    assert peak == places
    assert share > 0.8, ends
    assert ends["NoneType"] > 0.93 * admitted, ends
    assert (0, set()) == (node.target.gate.inside, node.target.gate.away)


# ── never too many, whatever becomes of the calls ────────────────────────────────────────


def policies(dice, places):
    """Return one of the two, with as many places."""
    wait = dice.choice([0.0, 0.3, 5.0])
    if dice.random() < 0.5:
        return {"bulkhead": ub.Bulkhead(places, wait=wait)}
    return {"limit": ub.AdaptiveLimit(first=places, most=places, wait=wait)}


def call_of(context):
    """Return the call that this is an attempt of."""
    return context if context.whole is None else call_of(context.whole)


class Crowd:
    """Many calls of all kinds to one target with few places, of which some are cancelled at any moment."""

    def __init__(self, seed):
        self.dice = dice = random.Random(seed)
        self.places, self.server = dice.randint(1, 5), Server(dice.uniform(0.2, 0.7), dice.choice([0.05, 0.5]), seed)
        told = type("Told", (Exception,), {"status_code": 429, "retry_after": dice.choice([0.3, 2.0])})
        self.errors = [told, ConnectionError]
        options = {
            "retry": ub.Retry(4, backoff=ub.Backoff(dice.choice([0.01, 0.5]))),
            "timeout": dice.choice([None, ub.Timeout(0.4), ub.Timeout(0.4, learned=True)]),
            "breaker": False,
            "budget": dice.choice([None, False]),
            "deadline": dice.choice([3.0, 30.0]),
            "effects": "idempotent",
            **policies(dice, self.places),
        }
        self.call = ub.protect("crowd", hedge=False, **options)(self.work)
        self.node = self.call.node
        self.at_work, self.peak = Counter(), 0  # attempts by call

    async def work(self):
        call = call_of(ub.current())
        self.server.come()
        self.at_work[call] += 1
        self.peak = max(self.peak, len(+self.at_work))
        try:
            await sleep(self.server.seconds * self.dice.uniform(0.5, 2.0))
            self.server.judge(self.dice.choice(self.errors))
        finally:
            self.server.go()
            self.at_work[call] -= 1

    async def one(self):
        await sleep(self.dice.uniform(0.0, 10.0))
        with ub.priority(self.dice.choice(["low", "normal", "critical"])):
            try:
                await (self.call() if self.dice.random() < 0.5 else self.call.outcome())
            except Exception:
                return

    async def story(self):
        tasks = [asyncio.ensure_future(self.one()) for _ in range(60)]
        for task in self.dice.sample(tasks, 25):
            asyncio.get_running_loop().call_later(self.dice.uniform(0.0, 15.0), task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        while self.server.inside:  # a late attempt is told to stop, and not waited for
            await sleep(0.01)


@pytest.mark.parametrize("seed", range(most(400, 24)))
def test_no_more_are_inside_than_places_whoever_is_cancelled_when(seed):
    """In a pause, in line, at work: all places are free in the end, and all of them can be taken again."""
    with virtual_time(seed=seed):
        crowd = Crowd(seed)
        asyncio.run(crowd.story())
        gate = crowd.node.target.gate

    assert crowd.peak <= crowd.places  # a late one and those beside it share a place
    assert (0, 0, set(), set()) == (gate.inside, len(gate.line), gate.coming, gate.away)
    assert all(gate.enter_nowait() for _ in range(gate.most))
    assert not gate.enter_nowait()


def test_threads_and_two_event_loops_share_the_places_that_are_left_in_pauses():
    """Whoever comes back, in whatever colour, finds one or stands in the same line."""
    server = Server(share=0.4, seconds=0.01, error=ConnectionError)
    node = ub.FractalNode(
        "shared", effects="idempotent", breaker=False, budget=False, bulkhead=ub.Bulkhead(3, wait=60.0), deadline=300.0
    )

    def in_thread():
        for _ in range(15):
            node.execute_sync(server.answer_sync)
        ended.append("thread")

    def on_loop():
        async def crowd():
            await asyncio.gather(*(node.execute(server.answer) for _ in range(15)))

        asyncio.run(crowd())
        ended.append("loop")

    ended = []
    with virtual_time(seed=3):
        threads = [threading.Thread(target=work) for work in (in_thread, in_thread, on_loop, on_loop)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    gate = node.target.gate
    assert Counter(thread=2, loop=2) == Counter(ended)
    assert server.peak == 3
    assert (0, 0, set(), set()) == (gate.inside, len(gate.line), gate.coming, gate.away)
