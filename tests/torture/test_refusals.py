"""A target that says no is there: its circuit closes, and stays closed, and what is part of a probe is let through."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen, Throttled, ValidationFailed
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
REST = 10.0  # seconds
BREAKERS = {
    "in a row": ub.CircuitBreaker(3, rest=REST),
    "a share": ub.CircuitBreaker(ratio=0.5, minimum=3, rest=REST),
    "two permits": ub.CircuitBreaker(3, rest=REST, permits=2),
    "a ramp": ub.CircuitBreaker(3, rest=REST, ramp=4.0),
}


class SaysNo(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


class Declined(Exception):
    pass


async def told(ask, count, callers=4, pause=0.01):
    """Return by which errors so many calls ended of each of several callers."""
    ends = Counter()

    async def caller(number):
        await sleep(number * pause)
        for _ in range(count):
            outcome = await ask.outcome()
            ends[type(outcome.error).__name__] += 1
            await sleep(pause)

    await asyncio.gather(*map(caller, range(callers)))
    return ends


def after_an_outage(error, breaker, **options):
    """Return how 80 calls end once a target that was down answers all of them by *error*."""
    down = True

    @ub.protect("target", effects="none", breaker=breaker, **options)
    async def ask():
        await sleep(0.05)
        raise ConnectionResetError if down else error

    async def story():
        nonlocal down
        await told(ask, 10)
        down = False
        await sleep(REST)
        for _ in range(20):  # it finds out, and a ramp goes on
            await told(ask, 1, pause=REST / 20)
        return await told(ask, 20)

    with virtual_time():
        return asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("in a row", status) for status in (400, 401, 404, 429)),
        *((name, 404) for name in ("a share", "two permits", "a ramp")),
    ],
)
def test_a_target_that_is_back_and_says_no_is_asked(name, status):
    """Its answer is as good a proof as any that it is there: soon nobody is refused."""
    assert {"SaysNo": 80} == after_an_outage(SaysNo(status), BREAKERS[name], retry=False)


def test_what_is_not_repeated_keeps_no_circuit_from_closing():
    """A card that is declined is no outage, nor a sign that one goes on."""
    ends = after_an_outage(Declined(), BREAKERS["in a row"], retry=ub.Retry(on=OSError))

    assert {"Declined": 80} == ends


def test_a_target_that_is_still_down_stays_alone():
    """Only a word of the target itself says that it is back: a 503 is none."""
    ends = after_an_outage(SaysNo(503), BREAKERS["in a row"], retry=False)

    assert {"CircuitOpen": 80} == ends


def lookup(every, **options):
    """Return a lookup that finds nothing, and of which one in so many is reset."""
    made = 0

    @ub.protect("names", effects="none", **options)
    async def is_taken():
        nonlocal made
        made += 1
        error = SaysNo(404) if made % every else ConnectionResetError()
        await sleep(0.01)
        raise error

    return is_taken


def test_failures_with_answers_between_them_are_no_row():
    """Among lookups whose usual answer is 404 one connection is reset now and then: nobody is refused."""
    with virtual_time():
        ends = asyncio.run(told(lookup(10, breaker=BREAKERS["in a row"], retry=False), 25))

    assert {"SaysNo": 90, "ConnectionResetError": 10} == ends


def test_calls_that_are_answered_by_a_no_earn_repeats():
    """Of lookups that find nothing one in fifty is reset: each of those is repeated, as where all is found."""
    twice = ub.Retry(2, backoff=ub.Backoff(0.0))
    with virtual_time():
        ends = asyncio.run(told(lookup(50, breaker=False, retry=twice), 500))

    assert {"SaysNo": 2_000} == ends


def test_a_full_target_that_says_no_to_others_serves_them():
    """One with five places refuses what is beyond, and answers 404 to the rest: that is no outage."""
    inside = 0

    @ub.protect("target", effects="none", limit=ub.AdaptiveLimit(first=20), retry=False)
    async def ask():
        nonlocal inside
        if inside >= 5:
            raise SaysNo(503)
        inside += 1
        try:
            await sleep(0.1)
        finally:
            inside -= 1
        raise SaysNo(404)

    async def story():
        return await told(ask, 30, callers=12)

    with virtual_time():
        ends = asyncio.run(story())

    assert 0 == ends["CircuitOpen"]


# ── calls inside a probe ─────────────────────────────────────────────────────────────────────────────────────────────


def pages(breaker, **options):
    """Return a function that asks for three pages, one inside the other, and its target, which is down at first."""
    target = {"down": True, "asked": Counter()}

    @ub.protect("pages", effects="none", breaker=breaker, retry=False, **options)
    def ask(page=1):
        target["asked"][page] += 1
        if target["down"]:
            raise ConnectionResetError
        return [page] if page == 3 else [page, *ask(page + 1)]

    return ask, target


@pytest.mark.parametrize("breaker", BREAKERS.values(), ids=BREAKERS)
def test_a_probe_that_makes_a_call_of_the_same_target_ends_well(breaker):
    """Its parts need no permits of their own, or there would never be enough."""
    ask, target = pages(breaker)
    with virtual_time() as clock:
        for _ in range(6):
            ask.outcome()
        target["down"] = False
        clock.advance(REST)
        ends = []
        for _ in range(2 * breaker.permits):
            ends.append(ask.outcome().value)
            clock.advance(breaker.ramp)

    assert [[1, 2, 3]] * 2 * breaker.permits == ends
    assert "closed" == ask.node.breaker.state


def test_a_part_of_a_probe_that_fails_is_no_second_verdict():
    """The probe fails with it, and the circuit opens once."""
    ask, target = pages(BREAKERS["in a row"])
    opened = []
    ask.node.on(ub.events.CircuitOpened, opened.append)
    with virtual_time() as clock:
        for _ in range(3):
            ask.outcome()
        clock.advance(REST)
        ask.outcome()

    assert 2 == len(opened)
    assert {1: 4} == target["asked"]


def test_what_a_throttle_refuses_of_a_call_is_no_word_of_the_target():
    """A function that calls itself, throttled in an outage, is let through again soon after it."""
    down, ends = False, Counter()

    @ub.protect("tree", effects="none", throttle=ub.Throttle(), breaker=False, retry=False)
    def ask(depth):
        if down:
            raise SaysNo(503)
        return 1 if not depth else 1 + ask(depth - 1)

    with virtual_time(seed=1) as clock:
        for second in range(150):
            down = 60 <= second < 90
            for _ in range(5):
                clock.advance(0.2)
                outcome = ask.outcome(2)
                ends[second >= 120, type(outcome.error).__name__] += 1

    assert {"NoneType": 150} == {name: count for (is_late, name), count in ends.items() if is_late}


@pytest.mark.parametrize(("status", "late"), [(404, False), (401, False), (500, True)])
def test_a_throttle_knows_by_a_no_that_its_target_is_back(status, late):
    """Of an outage nothing is left forty seconds later where it answers by a 404; other failures prove nothing."""
    refused = 0

    @ub.protect("look", throttle=ub.Throttle(), breaker=False, retry=False)
    def look(second):
        raise SaysNo(503 if second < 300 else status)

    with virtual_time(seed=1) as clock:
        for second in range(400):
            refused += isinstance(look.outcome(second).error, Throttled) and second >= 340
            clock.advance(1.0)

    assert (refused > 0) is late


def batch_at_a_target_that_is_down(**options):
    """Return by which errors the items of a batch ended that goes by the node that it asks for each of them."""
    node, ends = ub.FractalNode("partner", effects="none", retry=False, deadline=math.inf, **options), Counter()

    def item(ctx):
        raise SaysNo(503)

    with virtual_time(seed=1) as clock:

        def batch(ctx):
            for _ in range(500):
                ends[type(node.execute_sync(item).error).__name__] += 1
                clock.advance(0.2)

        for _ in range(5):
            node.execute_sync(item)
        clock.advance(40.0)
        node.execute_sync(batch)
    return ends


def test_a_batch_that_is_a_probe_is_no_way_around_the_circuit():
    """Its items are parts of it until one fails; so each rest in vain costs one request."""
    assert batch_at_a_target_that_is_down()["SaysNo"] < 10


@pytest.mark.parametrize(
    ("no", "retry"),
    [(SaysNo(404), None), (Declined(), ub.Retry(on=OSError)), (ValidationFailed(), None)],
    ids=["404", "not repeated", "wrong input"],
)
def test_a_batch_that_is_a_probe_is_served_though_it_is_told_no_now_and_then(no, retry):
    """An item that is not there is an answer, and one that is wrong none: those after it are asked for as well."""
    down, ends = True, Counter()
    node = ub.FractalNode("partner", effects="none", deadline=math.inf, retry=retry)

    def item(ctx):
        if down:
            raise ConnectionResetError
        if not ctx.input % 3:
            raise no

    def batch(ctx):
        for number in range(30):
            ends[type(node.execute_sync(item, number).error).__name__] += 1

    with virtual_time(seed=1) as clock:
        for number in range(5):
            node.execute_sync(item, number)
        clock.advance(40.0)
        down = False
        node.execute_sync(batch, 0)

    assert {type(no).__name__: 10, "NoneType": 20} == ends


@pytest.mark.parametrize(("error", "speaks"), [(SaysNo(503), True), (TimeoutError(), True), (Declined(), False)])
def test_a_batch_knows_what_speaks_against_its_target_though_it_is_not_repeated(error, speaks):
    """A type that ``Retry.on`` leaves out does where it says that the target is full, or too late."""
    node = ub.FractalNode("partner", effects="none", retry=ub.Retry(on=ConnectionError))

    def item():
        raise error

    def batch(ctx):
        node.execute_sync(item)
        return ub.current().fails_inside

    assert node.execute_sync(batch).value is speaks


def test_a_probe_whose_parts_are_healed_is_none_in_vain():
    """Of ten pages two have to be asked for again; so a circuit does not stay open for minutes more."""
    dice, refused = random.Random(3), 0

    @ub.protect("tree", effects="none", budget=False)
    def ask(depth, second):
        if second < 60 or (not depth and dice.random() < 0.2):
            raise ConnectionResetError
        return 1 if not depth else sum(ask(depth - 1, second) for _ in range(10))

    with virtual_time(seed=1) as clock:
        for second in range(240):
            refused += isinstance(ask.outcome(1, second).error, CircuitOpen) and second >= 60
            clock.advance(1.0)

    assert refused < 45


def test_a_batch_that_was_sent_is_no_way_around_the_throttle():
    """Its items are parts of it until one fails; from then on each is drawn."""
    assert batch_at_a_target_that_is_down(breaker=False, throttle=ub.Throttle())["SaysNo"] < 100


def test_who_is_no_part_of_a_probe_waits_for_its_end():
    """Another call is refused while one finds out, and so is one inside a call that was let through before."""
    breaker, ends = ub.CircuitBreaker(1, rest=1.0), []

    @ub.protect("target", effects="none", breaker=breaker, retry=False)
    async def ask(seconds, then=None):
        await sleep(seconds)
        if then is None:
            raise ConnectionResetError
        return await then()

    async def nothing():
        return "well"

    async def inside():
        return type((await ask.outcome(0.0, nothing)).error).__name__

    async def story():
        before = asyncio.ensure_future(ask(2.0, inside))
        await ask.outcome(0.0)
        await sleep(1.5)
        probe = asyncio.ensure_future(ask(1.0, nothing))
        await sleep(0.1)
        ends.append(await inside())
        ends.append(await before)
        ends.append(await probe)

    with virtual_time():
        asyncio.run(story())

    assert ["CircuitOpen", "CircuitOpen", "well"] == ends


def test_a_long_call_of_before_is_no_late_probe():
    """Its end says nothing of how long answers take of those who find out: a probe that hangs is given up as ever."""
    hangs = False

    @ub.protect("jobs", effects="none", retry=False, deadline=7_200.0, breaker=ub.CircuitBreaker(3, rest=30.0))
    async def job(seconds):
        await sleep(3_600.0 if hangs else seconds)
        if not seconds:
            raise ConnectionResetError

    async def story():
        nonlocal hangs
        long = asyncio.ensure_future(job(1_200.0))
        await sleep(1_100.0)
        for _ in range(3):
            await job.outcome(0.0)
        await sleep(30.0)
        hangs = True
        probe = asyncio.ensure_future(job(1.0))
        await sleep(1.0)
        hangs = False
        await long
        await sleep(31.0)
        outcome = await job.outcome(1.0)
        probe.cancel()
        return outcome.ok

    with virtual_time():
        assert asyncio.run(story())
