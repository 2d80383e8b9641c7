"""A node with an adaptive limit: one capacity for all, who waits for it and who is refused, what it is told."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import count

import pytest

import unbreakable as ub
from unbreakable.errors import BulkheadFull, LimitReached
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Server:
    """Answer each call after *seconds*, of which those beyond *workers* wait; know how many are inside."""

    def __init__(self, workers: int = 1_000, seconds: float = 0.1) -> None:
        self.workers, self.seconds, self.inside, self.peak, self.calls = workers, seconds, 0, 0, 0
        self.order: list[object] = []
        self.lock = threading.Lock()

    def come(self, name: object = None) -> float:
        with self.lock:
            self.calls += 1
            self.inside += 1
            self.peak = max(self.peak, self.inside)
            self.order.append(name)
            return self.seconds * max(1.0, self.inside / self.workers)

    def go(self) -> None:
        with self.lock:
            self.inside -= 1

    async def answer(self, name: object = None) -> object:
        seconds = self.come(name)
        try:
            await sleep(seconds)
        finally:
            self.go()
        return name

    def answer_sync(self, name: object = None) -> object:
        seconds = self.come(name)
        try:
            time.sleep(seconds)  # noqa: TID251 - virtual, or the work of a thread
        finally:
            self.go()
        return name


def protected(server: Server, **limit: object) -> ub.FractalNode:
    return ub.protect("target", limit=ub.AdaptiveLimit(**limit), retry=False)(server.answer)


async def all_of(*calls: object) -> list[object]:
    return await asyncio.gather(*calls, return_exceptions=True)


def names(results: list[object]) -> list[object]:
    return [type(each).__name__ if isinstance(each, Exception) else each for each in results]


# ── places ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_finds_no_place_waits_and_is_refused_when_none_comes_free():
    """First come, first served; LimitReached after the time that a call may wait, and no place is lost."""

    async def story():
        server = Server(seconds=0.5)
        call = protected(server, first=2, most=2, wait=0.7)
        results = await all_of(*(call(number) for number in range(8)))
        return names(results), server.order, call.node.target.gate.inside, len(call.node.target.gate.line)

    with virtual_time():
        results, order, inside, line = asyncio.run(story())

    assert [0, 1, 2, 3, *["LimitReached"] * 4] == results
    assert [0, 1, 2, 3] == order
    assert (0, 0) == (inside, line)


def test_the_wait_ends_with_the_deadline():
    """A call with less time than it might wait is refused when that is over, though the place is held for longer."""

    async def story():
        inner = ub.protect("target", limit=ub.AdaptiveLimit(first=1, most=1, wait=60.0))(Server(seconds=9.0).answer)
        outer = ub.protect("brief", deadline=2.0)(inner)
        held = asyncio.ensure_future(inner("a"))
        await sleep(0.1)
        began = ASYNCIO.now()
        results = await all_of(outer("b"))
        waited = ASYNCIO.now() - began
        outcome = inner.node.target.gate.inside, len(inner.node.target.gate.line)
        return names(results), waited, outcome, await held

    with virtual_time():
        (ended,), waited, left, held = asyncio.run(story())

    assert ended in ("LimitReached", "DeadlineExceeded")
    assert waited == pytest.approx(2.0)
    assert ((1, 0), "a") == (left, held)


def test_plain_code_waits_no_longer_than_its_deadline():
    """Nobody can cut a thread that stands in line, so the line lets it go in time."""
    with virtual_time() as clock:
        inner = ub.protect("target", limit=ub.AdaptiveLimit(first=1, most=1, wait=60.0))(
            Server(seconds=9.0).answer_sync
        )
        outer = ub.protect("brief", deadline=2.0)(inner)
        threading.Thread(target=inner).start()
        time.sleep(0.1)  # noqa: TID251 - virtual
        with pytest.raises((LimitReached, ub.errors.DeadlineExceeded)):
            outer()
        waited = clock.now() - 0.1

    assert waited == pytest.approx(2.0)


def test_a_waiter_that_is_cancelled_leaks_nothing():
    """Neither its place in the line nor one that it was given at that very moment."""

    async def story():
        server = Server(seconds=0.5)
        call = protected(server, first=1, most=1, wait=9.0)
        first, waiting, last = (asyncio.ensure_future(call(name)) for name in "abc")
        await sleep(0.1)
        waiting.cancel()
        results = await all_of(first, waiting, last)
        return names(results[::2]), server.order, call.node.target.gate.inside

    with virtual_time():
        assert (["a", "c"], ["a", "c"], 0) == asyncio.run(story())


def test_the_more_important_wait_before_the_less():
    """With a full limit low traffic is refused first, whoever came first."""

    async def one(call, name):
        with ub.priority(name):
            return await call(name)

    async def story():
        server = Server(seconds=0.5)
        call = protected(server, first=1, most=1, wait=1.2)
        results = await all_of(*(one(call, name) for name in ("normal", "low", "low", "normal", "high", "critical")))
        return names(results), server.order

    with virtual_time():
        results, order = asyncio.run(story())

    assert ["normal", "critical", "high"] == order
    assert ["normal", "LimitReached", "LimitReached", "LimitReached", "high", "critical"] == results


def test_one_capacity_serves_threads_and_event_loops_together():
    """With real threads and two event loops, never more than the limit are inside, and nobody is lost."""
    server, ended = Server(seconds=0.001), []
    node = ub.FractalNode("target", limit=ub.AdaptiveLimit(first=3, most=3, wait=30.0))

    def thread():
        ended.extend(node.execute_sync(server.answer_sync).ok for _ in range(20))

    async def visits():
        for _ in range(5):
            ended.extend(each.ok for each in await asyncio.gather(*(node.execute(server.answer) for _ in range(5))))

    people = [threading.Thread(target=target) for target in [thread] * 3 + [lambda: asyncio.run(visits())] * 2]
    for one in people:
        one.start()
    for one in people:
        one.join()

    assert [True] * 110 == ended
    assert (3, 0) == (server.peak, node.target.gate.inside)


def test_a_bulkhead_beside_it_is_not_passed():
    """What the bulkhead allows is the limit's upper end, and then it is the bulkhead that is full."""

    async def story():
        server = Server(seconds=0.5)
        call = ub.protect("target", limit=ub.AdaptiveLimit(first=20, wait=9.0), bulkhead=ub.Bulkhead(2))(server.answer)
        return names(await all_of(*(call(number) for number in range(4)))), call.node.get_status().limit

    with virtual_time():
        assert ([0, 1, "BulkheadFull", "BulkheadFull"], 2) == asyncio.run(story())
    assert issubclass(BulkheadFull, ub.errors.Rejected)


def test_each_key_has_a_limit_of_its_own():
    """One tenant that fills its limit takes no place of another's."""

    async def story():
        server = Server(seconds=0.5)
        limit = ub.AdaptiveLimit(first=1, most=1, wait=0.0)
        call = ub.protect("target", limit=limit, key=lambda name: name[0], retry=False)(server.answer)
        return names(await all_of(call("a1"), call("a2"), call("b1")))

    with virtual_time():
        assert ["a1", "LimitReached", "b1"] == asyncio.run(story())


# ── what it learns ──────────────────────────────────────────────────────────────────────────────────────────────────


def crowd(call, people: int, seconds: float, clock):
    """Let so many people call again and again for so long."""

    async def one():
        while clock.now() < seconds:
            await asyncio.gather(call(), return_exceptions=True)

    async def story():
        await asyncio.gather(*(one() for _ in range(people)))

    asyncio.run(story())


def test_it_grows_with_a_target_that_is_well_and_tells_why():
    """All that want to are let in before long; each change is an event, and the status shows the limit."""
    server, told = Server(seconds=0.1), []
    call = protected(server, first=4, wait=9.0)
    call.node.on(ub.events.LimitChanged, told.append)
    with virtual_time() as clock:
        crowd(call, 20, 12.0, clock)

    assert call.node.get_status().limit >= 20
    assert (4, call.node.target.gate.most) == (told[0].before, told[-1].after)
    assert "it is reached, and the target is well" in {each.reason for each in told}


@pytest.mark.parametrize(("facts", "retry"), [({"http_status": 404}, False), ({}, ub.Retry(on=OSError))])
def test_it_grows_with_a_target_that_says_no_to_most(facts, retry):
    """Two of three lookups find nothing, which takes as long: those are in flight as well."""
    server, made = Server(seconds=0.1), count()
    no = type("NotThere", (Exception,), facts)

    async def look():
        await server.answer()
        if next(made) % 3:
            raise no

    call = ub.protect("target", limit=ub.AdaptiveLimit(first=4, wait=9.0), retry=retry, breaker=False)(look)
    with virtual_time() as clock:
        crowd(call, 8, 24.0, clock)

    assert call.node.get_status().limit >= 8


def test_it_is_found_where_the_queue_begins():
    """A target of five workers is given about five calls, though five times as many are wanted."""
    server = Server(workers=5)
    call = protected(server, first=20, wait=0.5)
    with virtual_time() as clock:
        crowd(call, 25, 30.0, clock)

    assert 3 <= call.node.target.gate.most <= 9
    assert 0 == call.node.target.gate.inside


def test_only_an_attempt_that_succeeded_says_how_long_it_takes():
    """Neither repeats and their pauses, nor quick failures, nor refusals of ours are taken for the target's latency."""
    taken = []
    tries = iter([ConnectionError("1"), None, ValueError("no"), None])

    async def work():
        await sleep(0.2)
        error = next(tries)
        if error is not None:
            raise error

    call = ub.protect("target", effects="none", limit=ub.AdaptiveLimit(), retry=ub.Retry(3))(work)
    with virtual_time():

        async def story():
            for _ in range(3):
                await all_of(call())
            taken.extend(call.node.target.flow.tap)

        asyncio.run(story())

    assert [pytest.approx(0.2)] * 2 == taken
    assert call.node.target.flow.limiter is None  # nothing was late, or too much


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (TimeoutError("late"), 1),
        (type("Busy", (Exception,), {"http_status": 429})("busy"), 1),
        (ConnectionRefusedError("nobody"), 0),
        (KeyError("bug"), 0),
        (ub.errors.CircuitOpen("of another one"), 0),
    ],
)
def test_what_was_late_or_too_much_for_the_target_says_so(error, refused):
    """A time-out and a 429 are signs of too much; an error that has nothing to do with it is not."""

    async def work():
        raise error

    call = ub.protect("target", limit=ub.AdaptiveLimit(), retry=False)(work)
    with virtual_time():
        asyncio.run(all_of(call()))
    limiter = call.node.target.flow.limiter

    assert refused == (0 if limiter is None else limiter.meter.refused)


def test_calls_within_the_limit_take_the_quick_path():
    """No script is played for a call that finds a place, and its latency is known all the same."""

    async def story():
        call = protected(Server())
        call.node.play = None  # the script would fail
        await call()
        return list(call.node.target.flow.tap)

    with virtual_time():
        assert [pytest.approx(0.1)] == asyncio.run(story())


def test_a_limit_that_falls_lets_nobody_in_before_enough_have_left():
    """Those inside finish; on the quick path, too, their places go with them."""

    async def story():
        server = Server(seconds=1.0)
        call = protected(server, first=5, most=5, wait=0.0)
        inside = [asyncio.ensure_future(call(number)) for number in range(5)]
        await sleep(0.5)
        call.node.target.gate.resize(2)
        await asyncio.gather(*inside)
        return names(await all_of(call("a"), call("b"), call("c")))

    with virtual_time():
        assert ["a", "b", "LimitReached"] == asyncio.run(story())


def test_calls_with_other_effects_share_the_limit():
    """A node's twin for operations of others has the same places and the same lessons."""
    node = ub.FractalNode("target", limit=ub.AdaptiveLimit())
    twin = node.target.doing("none", node._new_target)

    assert node.target.flow is twin.flow
    assert node.target.gate is twin.gate


def test_who_waited_is_told():
    """The outcome's story says how long a call waited, or why it was refused."""

    async def story():
        call = protected(Server(seconds=0.5), first=1, most=1, wait=0.6)
        waited, refused = (await asyncio.gather(*(call.outcome() for _ in range(3))))[1:]
        return waited.explain(), refused.explain()

    with virtual_time():
        waited, refused = asyncio.run(story())

    assert "waited 0.500 s for one of 1 places" in waited
    assert "LimitReached: 1 calls to target are in flight, and none came free in 0.6 s" in refused


def test_a_limit_of_none_is_none():
    """What is not pinned costs nothing: no limit is learned."""
    call = ub.protect("target")(Server().answer)

    assert (None, None, None) == (call.node.target.flow, call.node.target.gate, call.node.get_status().limit)


def test_wrong_ends_are_refused():
    """The most must not be less than the least."""
    with pytest.raises(
        ub.errors.ConfigurationError, match=r"AdaptiveLimit.most must be at least AdaptiveLimit.least, 5"
    ):
        ub.AdaptiveLimit(least=5, most=3)
