"""A target that asks for peace again and again gets it from all its callers; one that asks once delays one call."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub
from unbreakable.errors import Throttled
from unbreakable.events import LeftInPeace
from unbreakable.policies.peace import MOST_WAITING
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
ONCE = ub.Retry(1)


class Busy(Exception):
    """Tell whoever asks to come back later."""

    def __init__(self, seconds=5.0, status=429):
        super().__init__("come back later")
        self.http_status, self.retry_after = status, seconds


class Service:
    """Ask to be left in peace until the clock shows so much, and note when it was asked."""

    def __init__(self, colour, until, **facts):
        self.colour, self.until, self.facts, self.asked = colour, until, facts, []

    async def ask(self):
        self.asked.append(self.colour.now())
        if self.colour.now() < self.until:
            raise Busy(**self.facts)
        return "served"


@pytest.mark.parametrize("status", [429, 503])
def test_after_three_wishes_the_next_caller_waits(colour, status):
    """Nobody asks before the time that the target named; then the call goes through, a little later."""

    async def story():
        service = Service(colour, until=5.0, status=status)
        door = colour.protect(service.ask, retry=ONCE)
        for _ in range(3):
            await colour.call(door.outcome)
        return service.asked, await colour.call(door), colour.now()

    asked, value, then = colour.play(story)

    assert ([0.0, 0.0, 0.0], "served") == (asked[:3], value)
    assert 5.0 < asked[3] == then <= 6.25


@pytest.mark.parametrize(("rest", "then"), [(4.9, 5.0), (5.0, 0.0), (30.0, 0.0)])
def test_a_circuit_that_rests_as_long_has_the_say(colour, rest, then):
    """Whoever would wait for the target only to be refused by the circuit is refused at once."""

    async def story():
        service = Service(colour, until=math.inf, status=503)
        door = colour.protect(service.ask, retry=ONCE, breaker=ub.CircuitBreaker(3, rest=rest))
        for _ in range(3):
            await colour.call(door.outcome)
        outcome = await colour.call(door.outcome)
        return type(outcome.error), colour.now()

    error, now = colour.play(story)
    assert error is (Busy if then else ub.errors.CircuitOpen)
    assert then <= now <= 1.25 * then


@pytest.mark.parametrize("wishes", [1, 2])
def test_fewer_wishes_delay_nobody_else(colour, wishes):
    """What one call was told is that call's own business."""

    async def story():
        service = Service(colour, until=5.0)
        door = colour.protect(service.ask, retry=ONCE)
        for _ in range(wishes):
            await colour.call(door.outcome)
        service.until = 0.0
        return await colour.call(door), colour.now()

    assert ("served", 0.0) == colour.play(story)


def test_who_fails_for_another_reason_asks_nobody_for_peace(colour):
    """An error that says when it makes sense to try again, and not that it was too much, is that call's alone."""

    async def story():
        class Later(Exception):
            retry_after = 9.0

        async def work():
            raise Later

        door = colour.protect(work, retry=ONCE)
        for _ in range(5):
            await colour.call(door.outcome)
        return colour.now(), door.node.target.peace.kept

    assert (0.0, False) == colour.play(story)


def test_a_success_between_wishes_keeps_the_door_open(colour):
    """A target that serves every other call is limiting, not overwhelmed."""

    async def story():
        service = Service(colour, until=5.0)
        door = colour.protect(service.ask, retry=ONCE)
        for _ in range(10):
            service.until = 5.0 - service.until
            await colour.call(door.outcome)
        return colour.now(), len(service.asked)

    assert (0.0, 10) == colour.play(story)


def test_who_has_no_time_is_told_at_once(colour):
    """A deadline that comes before the end is no reason to wait for it."""

    async def story():
        service = Service(colour, until=20.0, seconds=20.0)
        door = colour.protect(service.ask, retry=ONCE, deadline=10.0)
        for _ in range(3):
            await colour.call(door.outcome)
        outcome = await colour.call(door.outcome)
        return outcome.error, outcome.attempts, colour.now(), len(service.asked)

    error, attempts, now, asked = colour.play(story)

    assert (Throttled, 20.0) == (type(error), error.retry_after)
    assert (0, 0.0, 3) == (attempts, now, asked)


def test_repeats_wait_as_well_and_keep_their_own_failure(colour):
    """A repeat waits for the end of the pause; one that has no time leaves the call with what the target said."""

    async def story():
        service = Service(colour, until=4.0, seconds=4.0)
        others = colour.protect(service.ask, retry=ub.Retry(3, throttled=ub.Backoff(0.0)), deadline=8.0)
        healed = await colour.call(others.outcome)
        service.until = 100.0
        late = await colour.call(others.outcome)
        return healed.status.value, type(late.error).__name__, late.attempts

    assert ("healed", "Busy", 2) == colour.play(story)


def test_the_pause_is_over_for_good_when_it_is_over(colour):
    """After the first call that went through the others take the quick path again."""

    async def story():
        service = Service(colour, until=5.0)
        door = colour.protect(service.ask, retry=ONCE)
        for _ in range(3):
            await colour.call(door.outcome)
        closed = dict(door.node.target.quick)
        await colour.call(door)
        return closed, door.node.target.quick[colour.is_async], await colour.call(door)

    assert ({True: None, False: None}, math.inf, "served") == colour.play(story)


def test_a_hundred_callers_come_back_spread_out():
    """They wait together and return one by one, and not in the order of their coming alone."""

    async def story():
        came, begun = [], ASYNCIO.now()

        @ub.protect("limited", retry=ONCE)
        async def ask():
            now = ASYNCIO.now() - begun
            if now < 10.0:
                raise Busy(10.0)
            came.append(now)

        for _ in range(3):
            await ask.outcome()
        await asyncio.gather(*(ask() for _ in range(100)))
        return came

    with virtual_time():
        came = asyncio.run(story())

    assert (100, 100) == (len(came), len(set(came)))
    assert 10.0 < min(came) < max(came) <= 12.5


def test_a_target_that_is_not_back_stops_those_who_wait_yet():
    """Whoever comes first sees that it still holds; the others wait on, without asking."""

    async def story():
        asked = []

        @ub.protect("limited", retry=ONCE, deadline=60.0)
        async def ask():
            now = ASYNCIO.now() - begun
            asked.append(now)
            if now < 21.0:
                raise Busy(10.0)

        begun = ASYNCIO.now()
        for _ in range(3):
            await ask.outcome()
        outcomes = await asyncio.gather(*(ask.outcome() for _ in range(50)))
        return asked, sum(outcome.ok for outcome in outcomes)

    with virtual_time():
        asked, served = asyncio.run(story())

    early = [moment for moment in asked if moment < 21.0]
    assert len(early) <= 3 + 4
    assert served >= 46


def test_other_targets_of_the_node_are_asked_on(colour):
    """Who partitions by key has one tenant's limits for that tenant alone."""

    async def story():
        served = []

        async def ask(tenant):
            if tenant == "a":
                raise Busy
            served.append(colour.now())

        door = colour.protect(ask, retry=ONCE, key=lambda tenant: tenant)
        for _ in range(3):
            await colour.call(door.outcome, "a")
        await colour.call(door, "b")
        return served

    assert [0.0] == colour.play(story)


def test_all_sorts_of_calls_leave_it_in_peace(colour):
    """A target that is overwhelmed by reads is not asked to write either, and is asked both again afterwards."""

    async def story():
        service = Service(colour, until=5.0)

        async def ask(effects):
            return await service.ask()

        door = colour.protect(ask, retry=ONCE)
        door.node.targets.tell_effects(lambda effects: effects)
        service.until = 0.0
        for effects in ("none", "idempotent"):
            await colour.call(door, effects)
        service.until = 5.0
        for _ in range(3):
            await colour.call(door.outcome, "none")
        await colour.call(door, "idempotent")
        return service.asked, [bool(each.quick[colour.is_async]) for each in door.node.target.circle]

    asked, quick = colour.play(story)

    assert ([0.0] * 5, True) == (asked[:5], asked[5] > 5.0)
    assert [True] * 3 == quick


async def directly(colour, below):
    return await colour.call(below)


async def for_a_request(colour, below):
    with ub.incoming({}):
        return await colour.call(below)


async def through_a_cache(colour, below):
    cache = ub.CacheNode(retry=ONCE)
    return await colour.call(cache.get if colour.is_async else cache.get_sync, "key", below)


@pytest.mark.parametrize("way", [directly, for_a_request, through_a_cache])
def test_the_calls_around_do_not_count_what_they_were_told_below(colour, way):
    """The one that throttles is the target below, however its error is handed on."""

    async def story():
        service = Service(colour, until=100.0)
        below = colour.protect(service.ask, retry=ONCE, deadline=1.0)

        async def work():
            try:
                await way(colour, below)
            except Busy as error:
                raise Busy from error
            except Throttled:
                return "without"

        above = colour.protect(work, retry=ONCE)
        ends = [(await colour.call(above.outcome)).status.value for _ in range(4)]
        return ends, above.node.target.peace.kept, below.node.target.peace.kept

    assert (["failed"] * 3 + ["ok"], False, True) == colour.play(story)


def test_a_remedy_that_helps_is_waited_for_by_nobody():
    """Where another way is at hand nobody has to leave the first one in peace, however many were told of it."""

    async def story():
        begun = ASYNCIO.now()

        @ub.protect("partner", retry=ub.Retry(2))
        async def ask(way="a"):
            await sleep(0.1)
            if way == "a":
                raise Busy(30.0)
            return way

        ask.remedy(Busy)(lambda failure: {"way": "b"})
        served = await asyncio.gather(*(ask() for _ in range(5)))
        return served, round(ASYNCIO.now() - begun, 6)

    with virtual_time():
        assert (["b"] * 5, 0.2) == asyncio.run(story())


def test_it_is_told_once(colour):
    """Listeners hear for how long, and not again for each caller who waits."""

    async def story():
        heard = []
        service = Service(colour, until=5.0)
        door = colour.protect(service.ask, retry=ONCE)
        door.node.on(LeftInPeace, lambda event: heard.append(event.seconds))
        for _ in range(4):
            await colour.call(door.outcome)
        return heard

    assert [5.0] == colour.play(story)


def test_a_caller_who_is_cancelled_leaves_its_place():
    """Whoever is gone is not counted among those who wait."""

    async def story():
        @ub.protect("limited", retry=ONCE)
        async def ask():
            raise Busy

        for _ in range(3):
            await ask.outcome()
        waiting = [asyncio.ensure_future(ask()) for _ in range(5)]
        await sleep(1.0)
        before = ask.node.target.peace.waiting
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return before, ask.node.target.peace.waiting

    with virtual_time():
        assert (5, 0) == asyncio.run(story())


def test_a_crowd_that_waits_already_is_not_joined(colour):
    """Whoever comes when as many wait as there is room for is told so at once."""

    async def story():
        service = Service(colour, until=5.0)
        door = colour.protect(service.ask, retry=ONCE)
        for _ in range(3):
            await colour.call(door.outcome)
        door.node.target.peace.waiting = MOST_WAITING
        outcome = await colour.call(door.outcome)
        return type(outcome.error), outcome.attempts, colour.now()

    assert (Throttled, 0, 0.0) == colour.play(story)


@pytest.mark.parametrize("never", [{"retry_after": float("inf")}, {"headers": {"x-should-retry": "false"}}])
def test_a_target_that_wants_no_repeat_gets_none(colour, never):
    """A no is kept by the call that was told, says so, and is no pause for others."""

    async def story():
        calls = []

        async def ask():
            calls.append(1)
            error = OSError("no")
            vars(error).update(never, http_status=429)
            raise error

        door = colour.protect(ask)
        outcomes = [await colour.call(door.outcome) for _ in range(4)]
        return len(calls), colour.now(), "asked not to be asked again" in outcomes[0].explain()

    assert (4, 0.0, True) == colour.play(story)
