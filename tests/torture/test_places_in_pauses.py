"""Between its attempts a call holds no place; it has one again before the next, or ends with its own last error."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import unbreakable as ub
from unbreakable.fractal.targets import has_calls_inside
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
POLICIES = pytest.mark.parametrize(
    "policy",
    [{"bulkhead": ub.Bulkhead(1)}, {"limit": ub.AdaptiveLimit(first=1, most=1, wait=0.0)}],
    ids=["bulkhead", "limit"],
)


class Later(Exception):
    """A 429 that asks to be left alone for ten seconds."""

    status_code, retry_after = 429, 10.0


class Scene:
    """A target with one place, at which one call fails at first while another comes at a moment, and stays."""

    def __init__(self, error=Later, fails=1, pause=0.0, **options):
        self.error, self.fails, self.told = error, fails, []
        backoff = ub.Backoff(pause, most=max(pause, 1.0), jitter=False)
        options = {"deadline": 60.0, "effects": "idempotent", **options}
        self.call = ub.protect("target", retry=ub.Retry(3, backoff=backoff, throttled=backoff), **options)(self.work)
        self.node, self.began = self.call.node, []

    async def work(self, stays=None):
        if stays is not None:
            await sleep(stays)
            return
        self.began.append(ASYNCIO.now())
        await sleep(0.0)
        if len(self.began) <= self.fails:
            raise self.error("come back later")

    def listen(self):
        for kind in (ub.events.CallRejected, ub.events.RetryDenied):
            self.node.on(kind, lambda event: self.told.append((type(event).__name__, event.reason)))

    async def beside(self, comes, stays):
        """Return what the first call comes to, and what the other one does."""
        first = asyncio.ensure_future(self.call.outcome())
        await sleep(comes)
        other = await self.call.outcome(stays)
        return await first, other

    def play(self, comes, stays):
        async def story():
            began = ASYNCIO.now()
            outcomes = await self.beside(comes, stays)
            return *outcomes, [moment - began for moment in self.began], ASYNCIO.now() - began

        with virtual_time(seed=1):
            return asyncio.run(story())

    @property
    def is_free(self):
        gate = self.node.target.gate
        return (gate.inside, len(gate.line), gate.coming, gate.away) == (0, 0, set(), set())


@POLICIES
def test_others_have_the_place_in_the_pause_and_who_comes_back_waits_for_it(policy):
    """Although nobody else may wait for one here; it says so, and succeeds."""
    scene = Scene(**policy)
    first, other, began, _ = scene.play(comes=9.0, stays=5.0)

    assert ("healed", 2, "ok") == (first.status.value, first.attempts, other.status.value)
    assert [0.0, 14.0] == pytest.approx(began)
    assert "waited 4.000 s for one of 1 places" in first.explain()
    assert scene.is_free


@POLICIES
def test_without_a_place_until_the_deadline_a_call_ends_with_its_own_last_error(policy):
    """It says why there was no other attempt; what was paid for that is given back."""
    scene = Scene(**policy, deadline=20.0)
    scene.listen()
    budget = scene.node.get_status().budget
    first, other, _, took = scene.play(comes=9.0, stays=19.0)
    reason = "1 calls to target are in flight, and none came free in 10.000 s"

    assert (Later, "ok", 1) == (type(first.error), other.status.value, first.attempts)
    assert f"no further attempt: {reason}" in first.explain()
    assert [("CallRejected", reason), ("RetryDenied", reason)] == scene.told
    assert scene.node.get_status().budget == pytest.approx(budget, abs=0.5)
    assert (28.0, True) == (pytest.approx(took), scene.is_free)


def test_a_short_pause_is_one_as_well_and_is_not_made_twice():
    """A plain call whose repeat needs no script stands in line when its pause is over, and begins when it may."""
    scene = Scene(ConnectionError, pause=1.0, bulkhead=ub.Bulkhead(1))

    async def story():
        began, first = ASYNCIO.now(), asyncio.ensure_future(scene.call())
        await sleep(0.5)
        await scene.call(1.25)
        await first
        return [moment - began for moment in scene.began]

    with virtual_time():
        assert [0.0, 1.75] == pytest.approx(asyncio.run(story()))
    assert scene.is_free


def test_a_short_pause_ends_at_once_where_a_place_is_free():
    """And the second attempt is counted by arithmetic alone."""
    scene = Scene(ConnectionError, pause=1.0, bulkhead=ub.Bulkhead(1))
    with virtual_time():
        asyncio.run(scene.call())

    assert (2, True, 1) == (len(scene.began), scene.is_free, scene.node.get_status().heal_count)


@pytest.mark.parametrize(("of_the_first", "place"), [("low", 1), ("critical", 0)])
def test_who_comes_back_has_the_priority_of_its_call(of_the_first, place):
    """A more important one goes first, were it never in before; of equals whoever stood in line before."""
    scene, order = Scene(bulkhead=ub.Bulkhead(1, wait=30.0)), []

    async def call(name, importance, *stays):
        with ub.priority(importance):
            await scene.call(*stays)
            order.append(name)

    async def story():
        tasks = [asyncio.ensure_future(call("first", of_the_first))]
        await sleep(9.0)
        tasks.append(asyncio.ensure_future(call("between", "normal", 5.0)))
        await sleep(2.0)
        tasks.append(asyncio.ensure_future(call("fresh", "normal", 1.0)))
        await asyncio.gather(*tasks)

    with virtual_time(seed=1):
        asyncio.run(story())
    assert (["between", "fresh"], place) == ([name for name in order if name != "first"], order.index("first") - 1)


@POLICIES
@pytest.mark.parametrize("moment", [5.0, 12.0], ids=["in the pause", "in line"])
def test_a_cancelled_call_leaves_no_place_and_takes_none(policy, moment):
    """Whether it pauses or stands in line; whoever comes then finds one."""
    scene = Scene(**policy)

    async def story():
        first = asyncio.ensure_future(scene.call())
        await sleep(4.0)
        other = asyncio.ensure_future(scene.call(20.0))
        await sleep(moment - 4.0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        inside = scene.node.target.gate.inside, len(scene.node.target.gate.line)
        await other
        return inside

    with virtual_time():
        assert ((1, 0), True) == (asyncio.run(story()), scene.is_free)


def in_flight(node):
    """Return how many are."""
    return node.get_status().in_flight


def test_a_block_holds_a_place_while_it_is_under_way():
    """Its attempts have one, whatever its loop does; the pause between them has none."""
    told = []

    async def look(node):
        await sleep(5.0)
        told.append(in_flight(node))

    async def story():
        attempts, tries = ub.attempts("block", bulkhead=ub.Bulkhead(1), retry=ub.Retry(2), deadline=60.0), 0
        looks = asyncio.ensure_future(look(attempts.node))
        async for attempt in attempts:
            async with attempt:
                tries, _ = tries + 1, told.append(in_flight(attempts.node))
                if tries == 1:
                    raise Later
        await looks
        return in_flight(attempts.node)

    with virtual_time():
        assert (0, [1, 0, 1]) == (asyncio.run(story()), told)


def test_a_generator_holds_one_from_its_first_item_on():
    """It pauses before that as any call does, and never after."""
    fails = [Later()]

    @ub.protect("items", bulkhead=ub.Bulkhead(1), deadline=60.0)
    async def items():
        if fails:
            raise fails.pop()
        yield 1
        await sleep(3.0)
        yield 2

    async def story():
        told = []

        async def consume():
            async with contextlib.aclosing(items()) as stream:
                told.extend([(item, in_flight(items.node)) async for item in stream])

        consumer = asyncio.ensure_future(consume())
        await sleep(5.0)
        told.append(in_flight(items.node))
        await consumer
        return told, in_flight(items.node)

    with virtual_time():
        assert ([0, (1, 1), (2, 1)], 0) == asyncio.run(story())


def test_a_remedy_is_applied_in_the_place_of_its_call():
    """Were it given back, others would come in only to fail by what is just being mended."""
    scene, told = Scene(ConnectionError, bulkhead=ub.Bulkhead(1)), []

    @scene.call.remedy(ConnectionError)
    async def mend():
        await sleep(2.0)
        told.append(in_flight(scene.node))

    with virtual_time():
        asyncio.run(scene.call())
    assert ([1], True) == (told, scene.is_free)


def test_a_remedy_that_is_tried_once_more_is_applied_in_a_place_as_well():
    """There is a pause between the two, which others have the place in: then it waits for them."""
    scene, told = Scene(PermissionError, pause=1.0, bulkhead=ub.Bulkhead(1)), []

    @scene.call.remedy(PermissionError)
    async def mend():
        told.append((ASYNCIO.now(), in_flight(scene.node)))
        if len(told) == 1:
            raise ConnectionError

    first, other, began, _ = scene.play(comes=0.5, stays=2.0)

    assert (True, True, [1, 1]) == (first.ok, other.ok, [inside for _, inside in told]), first.explain()
    assert 2.5 == pytest.approx(told[1][0] - told[0][0]) == pytest.approx(began[1])
    assert scene.is_free


def test_a_remedy_that_raised_is_not_tried_once_more_where_no_place_comes_free():
    """Who came in the pause stays beyond the deadline: the call ends with its own error, and says why."""
    scene, told = Scene(PermissionError, pause=1.0, bulkhead=ub.Bulkhead(1), deadline=10.0), []

    @scene.call.remedy(PermissionError)
    async def mend():
        told.append(ASYNCIO.now())
        raise ConnectionError

    first, other, _, _ = scene.play(comes=0.5, stays=9.9)

    assert (PermissionError, True, 1) == (type(first.error), other.ok, len(told)), first.explain()
    assert "1 calls to target are in flight, and none came free in" in first.explain()
    assert scene.is_free


def test_who_waits_for_the_peace_of_a_target_holds_no_place():
    """All who come in it wait, not just as many as there are places; then they go one by one, two at a time."""
    asked, inside, peak = [], 0, 0

    @ub.protect("target", bulkhead=ub.Bulkhead(2), retry=False, deadline=60.0, breaker=False)
    async def ask():
        nonlocal inside, peak
        asked.append(ASYNCIO.now())
        if len(asked) <= 3:
            raise Later
        inside, peak = inside + 1, max(peak, inside + 1)
        await sleep(3.0)
        inside -= 1

    async def story():
        for _ in range(3):
            await ask.outcome()
        outcomes = [asyncio.ensure_future(ask.outcome()) for _ in range(9)]
        await sleep(5.0)
        resting = in_flight(ask.node), has_calls_inside(ask.node.target)
        return resting, [outcome.ok for outcome in await asyncio.gather(*outcomes)]

    with virtual_time():
        resting, ends = asyncio.run(story())
    assert ((0, True), [True] * 9, 2) == (resting, ends, peak)
    assert (0, False) == (in_flight(ask.node), has_calls_inside(ask.node.target))


def test_whose_time_is_over_in_the_line_behind_a_peace_is_told_that_there_was_no_place():
    """It had no attempt, and so no error of its own."""
    asked = []

    @ub.protect("target", bulkhead=ub.Bulkhead(1), retry=False, deadline=20.0, breaker=False)
    async def ask():
        asked.append(1)
        await sleep(0.0 if len(asked) <= 3 else 3.0)
        if len(asked) <= 3:
            raise Later

    async def story():
        calls = []
        for _ in range(3):
            await ask.outcome()
        for _ in range(9):
            calls.append(asyncio.ensure_future(ask.outcome()))
            await sleep(0.1)
        return [outcome.error for outcome in await asyncio.gather(*calls)]

    with virtual_time(seed=1):
        refused = [error for error in asyncio.run(story()) if isinstance(error, ub.errors.BulkheadFull)]
    assert len(refused) >= 2
    assert all("1 calls to target are in flight, and none came free in" in str(error) for error in refused)


@pytest.mark.parametrize("shadow", ["bulkhead", "limit"])
def test_in_the_shadow_a_pause_takes_no_place_either(shadow):
    """Who comes meanwhile would be let in; who comes back then would have to wait."""
    policy = {"bulkhead": ub.Bulkhead(1), "limit": ub.AdaptiveLimit(first=1, most=1, wait=0.0)}[shadow]
    scene = Scene(**{shadow: ub.Shadow(policy)})
    first, other, began, _ = scene.play(comes=9.0, stays=5.0)
    told = scene.node.get_status().shadows[shadow]

    assert (True, True, [0.0, 10.0]) == (first.ok, other.ok, pytest.approx(began))
    assert {"calls": 2, "would_refuse": 0, "would_wait": 1, "most_in_flight": 2}.items() <= told.items()
    assert (0, 0, {}) == tuple(vars(scene.node.target.shades.all[0])[each] for each in ("inside", "in_flight", "stays"))
