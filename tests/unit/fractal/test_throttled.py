"""A throttle: a share of the calls is not sent while the target refuses too many; all are when it is back."""

from __future__ import annotations

import asyncio
import math
import random
import time

import pytest

import unbreakable as ub
from unbreakable.errors import Throttled
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Busy(Exception):
    """A 503: not now."""

    http_status = 503


class Service:
    """Refuse a share of what comes, evenly."""

    def __init__(self, accepts: float) -> None:
        self.accepts, self.credit, self.asked = accepts, 0.0, 0

    def say(self) -> str:
        self.asked += 1
        self.credit += self.accepts
        if self.credit < 1.0:
            raise Busy
        self.credit -= 1.0
        return "yes"

    async def ask(self) -> str:
        await sleep(0.01)
        return self.say()

    def ask_sync(self) -> str:
        time.sleep(0.01)  # noqa: TID251 - virtual
        return self.say()


def options(**more):
    return {"throttle": ub.Throttle(0.9), "breaker": False, "retry": False, "budget": False, "hedge": False, **more}


async def calls(door, count, priority="normal"):
    """Return how many of so many calls were answered, refused by the target, and not sent."""
    ends = [0, 0, 0]
    with ub.priority(priority):
        for _ in range(count):
            try:
                await door()
                ends[0] += 1
            except Busy:
                ends[1] += 1
            except Throttled:
                ends[2] += 1
    return ends


def test_a_share_of_the_calls_is_not_sent_and_all_are_as_soon_as_the_target_is_back():
    """A proportion, in steps with what is refused; a few answers in a row end it, and it is told."""
    service, told = Service(0.0), []

    async def story():
        door = ub.protect("service", **options())(service.ask)
        for kind in (ub.events.SheddingBegan, ub.events.SheddingEnded):
            door.node.on(kind, lambda event: told.append(type(event).__name__))
        down = await calls(door, 300)
        share = door.node.get_status().throttle
        service.accepts = 1.0
        coming = await calls(door, 60)
        back = await calls(door, 200)
        return down, share, coming, back, door.node.get_status().throttle

    with virtual_time():
        down, share, coming, back, after = asyncio.run(story())

    assert 20 <= down[1] <= 80
    assert 0.9 == share
    assert coming[2] < 60
    assert [200, 0, 0] == back
    assert 0.0 == after
    assert ["SheddingBegan", "SheddingEnded"] == told


def test_while_all_is_well_calls_take_the_quick_path_and_again_when_all_is_well():
    """A throttle that has nothing to do costs no script."""
    service = Service(1.0)

    async def story():
        door = ub.protect("service", **options())(service.ask)
        await calls(door, 20)
        quick = dict(door.node.target.quick)
        service.accepts = 0.0
        await calls(door, 30)
        slow = dict(door.node.target.quick)
        service.accepts = 1.0
        await calls(door, 60)
        return quick, slow, dict(door.node.target.quick)

    with virtual_time():
        quick, slow, again = asyncio.run(story())

    assert ({True: math.inf, False: math.inf}, {True: None, False: None}) == (quick, slow)
    assert quick == again


def test_with_time_calls_take_the_quick_path_again():
    """What was refused half a minute ago counts no more: the next call finds that out."""
    service = Service(0.0)

    async def story():
        door = ub.protect("service", **options())(service.ask)
        await calls(door, 30)
        service.accepts = 1.0
        await sleep(60.0)
        return await calls(door, 2), dict(door.node.target.quick)

    with virtual_time():
        assert ([2, 0, 0], {True: math.inf, False: math.inf}) == asyncio.run(story())


def test_every_attempt_counts_and_not_every_call():
    """A call that is healed has asked the target more than once, and was refused before."""
    service = Service(1 / 3)

    async def story():
        door = ub.protect("service", **options(retry=ub.Retry(3)))(service.ask)
        ends = await calls(door, 4)
        door.node.target.flow.pour(door.node, ASYNCIO.now())
        return ends, door.node.target.flow.shedding._sums()

    with virtual_time():
        ends, sums = asyncio.run(story())

    assert ([4, 0, 0], (service.asked, 4, 0)) == (ends, sums)
    assert service.asked > 4


def answer(status):
    return type("Answer", (Exception,), {"http_status": status})()


@pytest.mark.parametrize(
    ("accepted", "error"),
    [
        *[(0, each) for each in (Busy(), answer(429), TimeoutError("late"), ub.errors.BulkheadFull("further in"))],
        *[(1, each) for each in (answer(404), answer(500), ConnectionError("gone"), KeyError("mine"))],
    ],
    ids=lambda each: f"{type(each).__name__}-{getattr(each, 'http_status', '')}" if isinstance(each, Exception) else "",
)
def test_refused_is_what_the_target_calls_too_much_or_does_not_answer_in_time(accepted, error):
    """Whatever else goes wrong is no word on how much it takes."""

    async def work():
        raise error

    async def story():
        door = ub.protect("service", **options())(work)
        await asyncio.gather(door(), return_exceptions=True)
        return door.node.target.flow.shedding._sums()

    with virtual_time():
        assert (1, accepted, 0) == asyncio.run(story())


def test_what_an_open_circuit_refuses_is_no_word_from_the_target():
    """It was not asked."""

    async def work():
        raise ConnectionError("gone")

    async def story():
        door = ub.protect("service", **options(breaker=ub.CircuitBreaker(1, rest=60.0)))(work)
        ends = [type((await door.outcome()).error).__name__ for _ in range(3)]
        return ends, door.node.target.flow.shedding._sums()

    with virtual_time():
        assert (["ConnectionError", "CircuitOpen", "CircuitOpen"], (1, 1, 0)) == asyncio.run(story())


@pytest.mark.parametrize("retry", [False, ub.Retry(2, backoff=ub.Backoff(0.0))])
def test_a_target_that_fails_at_random_is_asked_as_often_as_without_a_throttle(retry):
    """What has nothing to do with how much it is asked does not become less by asking less."""
    dice, asked = random.Random(1), []

    async def work():
        asked.append(ASYNCIO.now())
        if dice.random() < 0.3:
            raise ConnectionResetError

    async def story():
        door = ub.protect("service", **options(retry=retry))(work)
        for _ in range(300):
            await door.outcome()
            await sleep(0.05)

    with virtual_time():
        asyncio.run(story())

    assert len(asked) >= 300


def test_a_full_target_that_also_fails_at_random_is_given_what_it_takes():
    """Of thirty calls a second it takes ten, and fails in half of them: these were not too much."""
    dice, full, taken = random.Random(1), [], []

    async def work():
        now = ASYNCIO.now()
        if sum(moment > now - 1.0 for moment in taken[-10:]) == 10:
            full.append(now)
            raise Busy
        taken.append(now)
        if dice.random() < 0.5:
            raise ConnectionResetError

    async def story():
        door = ub.protect("service", **options())(work)
        began = ASYNCIO.now()
        for _ in range(1_500):
            await door.outcome()
            await sleep(1 / 30)
        return [sum(moment > began + 25.0 for moment in each) / 25.0 for each in (taken, full)]

    with virtual_time(seed=1):
        took, refused = asyncio.run(story())

    assert took > 6.0
    assert refused < 2.0


def test_low_traffic_is_refused_first():
    """While every other call is refused, low traffic is shed more than normal, and critical traffic not at all."""
    service, shed = Service(0.5), {}

    async def story():
        door = ub.protect("service", **options())(service.ask)
        for name in ("normal", "critical", "high", "normal", "low"):
            shed[name] = (await calls(door, 150, name))[2]

    with virtual_time():
        asyncio.run(story())

    assert shed["low"] > shed["normal"] > shed["high"] >= shed["critical"] == 0


def test_it_comes_before_the_limit_and_the_circuit():
    """A call that is shed takes no place, and is no attempt."""
    service = Service(0.0)

    async def story():
        door = ub.protect("service", **options(limit=ub.AdaptiveLimit(), breaker=ub.CircuitBreaker(5)))(service.ask)
        target = door.node.target
        for _ in range(20):
            target.flow.shedding.refuse(ASYNCIO.now())
        target.flow.look(door.node, ASYNCIO.now())
        came = []
        target.gate.enter_nowait = lambda: came.append(1)
        target.gate.resize(0)
        outcomes = [await door.outcome() for _ in range(20)]
        return [each for each in outcomes if isinstance(each.error, Throttled)], len(came)

    with virtual_time():
        shed, came = asyncio.run(story())

    assert 10 <= len(shed)
    assert came <= 2 * (20 - len(shed))
    assert "refused: service refuses too much" in shed[0].explain()
    assert 0 == service.asked


def test_plain_functions_are_throttled_alike():
    """One throttle serves both colours."""
    service = Service(0.0)
    with virtual_time():
        door = ub.protect("service", **options())(service.ask_sync)
        ends = []
        for _ in range(200):
            try:
                door()
            except Exception as error:
                ends.append(type(error).__name__)

    assert {"Busy", "Throttled"} == set(ends)
    assert 100 <= ends.count("Throttled") <= 185
