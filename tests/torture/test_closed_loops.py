"""Event loops that are closed over what they had begun are not kept, however many there are."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref

import pytest

import unbreakable as ub
from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO, Gate
from unbreakable.testing import virtual_time

LOOPS = 200
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected_between_event_loops():
    """Collect while none runs: Python 3.11 itself may crash when it closes a coroutine in the middle of another."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


async def forever(*_):
    await asyncio.Event().wait()


def cache():
    node = CacheNode(loader=forever)
    return node, node.get


def hedged():
    node = ub.FractalNode("hedged", effects="none", hedge=ub.Hedge(0.0))
    return node, lambda _: node.execute(forever)


def orchestrator():
    node = ub.OrchestratorNode()
    return node, lambda number: node.orchestrate([ub.Step("a", forever)], run_id=f"run {number}")


def abandon(begin, number):
    """Begin a call on an event loop, and close that without a word to its tasks."""
    loop = asyncio.new_event_loop()

    async def story():
        task = asyncio.ensure_future(begin(number))
        task._log_destroy_pending = False
        for _ in range(10):
            await ASYNCIO.sleep(0)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each._log_destroy_pending = False

    loop.run_until_complete(story())
    loop.close()
    return weakref.ref(loop)


@pytest.mark.parametrize("made", [cache, hedged, orchestrator])
def test_closed_event_loops_are_let_go(made):
    """As many calls as there are loops, none of which has ended: a few loops are kept at most."""
    node, begin = made()
    loops = [abandon(begin, number) for number in range(LOOPS)]
    gc.collect()

    assert 40 > sum(loop() is not None for loop in loops)
    assert node is not None


def test_a_cache_tells_what_is_under_way():
    """What was abandoned is not; what another event loop still loads is."""
    node, begin = cache()
    loop = asyncio.new_event_loop()
    alive = loop.create_task(begin("alive"))
    loop.run_until_complete(ASYNCIO.sleep(0))
    for number in range(LOOPS):
        abandon(begin, number)

    assert 1 == node.get_status().in_flight
    alive.cancel()
    loop.run_until_complete(asyncio.wait({alive}))
    loop.close()
    assert 0 == node.get_status().in_flight


@pytest.mark.parametrize("where", ["attempt", "fallback", "remedy"])
def test_what_the_collector_closes_does_not_take_a_call_out_of_the_one_around_it(where):
    """A coroutine that its event loop was closed over ends in the middle of whatever code is running."""

    async def hangs(*_):
        await asyncio.Event().wait()

    async def fails():
        raise OSError

    @ub.protect("left", fallback=hangs if where == "fallback" else None, retry=ub.Retry(2), breaker=False)
    async def left():
        await (hangs() if where == "attempt" else fails())

    if where == "remedy":
        left.remedy(OSError)(hangs)

    async def begun():
        script = left.outcome()
        script.send(None)
        return script

    script = asyncio.run(begun())

    @ub.protect("inner")
    async def inner():
        return ub.current().parent is not None

    @ub.protect("outer")
    async def outer():
        script.close()  # as the collector does
        return await inner()

    assert asyncio.run(outer())


@pytest.mark.parametrize("between", [False, True])
def test_whoever_finds_no_place_has_calls_of_closed_event_loops_give_theirs_back(between):
    """The first call on the next loop has a place, without a wait, also when another node's call went before it."""
    hung = ub.protect("hung", bulkhead=ub.Bulkhead(2, wait=1e6), effects="none")(forever)
    other = ub.protect("other")(ASYNCIO.sleep)
    for number in range(2):
        abandon(hung, number)

    async def asked():
        if between:
            await other(0)
        return (await hung.node.execute(lambda: 7)).value, hung.node.target.gate.inside

    assert (7, 0) == asyncio.run(asked())


def test_who_comes_back_from_a_pause_to_the_place_of_a_closed_event_loop_gives_it_back():
    """The place is free again once that call is over: another event loop was closed over it in the pause."""
    retry, began = ub.Retry(2, backoff=ub.Backoff(0.001)), []
    node = ub.FractalNode("target", bulkhead=ub.Bulkhead(1), effects="idempotent", retry=retry)

    def other():
        abandon(lambda _: node.execute(forever), 0)

    async def fails_once():
        began.append(1)
        if len(began) == 1:
            thread = threading.Thread(target=other)
            asyncio.get_running_loop().call_soon(lambda: (thread.start(), thread.join()))
            raise ConnectionError
        return "ok", node.target.gate.inside

    assert ("ok", 1) == asyncio.run(node.execute(fails_once)).value
    assert (0, 2) == (node.target.gate.inside, len(began))


def test_a_place_comes_back_from_a_closed_event_loop_on_which_others_stood_in_line_for_it():
    """One of them had come back from a pause; who stands in line kept alive what their event loop was closed over."""
    retry = ub.Retry(3, backoff=ub.Backoff(0.001))

    @ub.protect("target", bulkhead=ub.Bulkhead(1, wait=0.5), effects="idempotent", retry=retry)
    async def call(seconds):
        if seconds is None:
            raise ConnectionError
        await ASYNCIO.sleep(seconds)
        return "ok"

    async def begin():
        for seconds in (None, 60.0, 60.0):
            asyncio.ensure_future(call(seconds))._log_destroy_pending = False
            await ASYNCIO.sleep(0.0)
        await ASYNCIO.sleep(0.05)

    loop, gate = asyncio.new_event_loop(), call.node.target.gate
    loop.run_until_complete(begin())
    loop.close()
    del loop
    assert (1, 2) == (gate.inside, len(gate.line))

    assert "ok" == asyncio.run(call(0.0))
    assert (0, 0) == (gate.inside, len(gate.line))


def left_in(*calls):
    """Begin *calls* on an event loop, in which each waits for the others, and close that in the middle of them."""

    async def story():
        begun = [asyncio.ensure_future(call) for call in calls]
        for each in (*begun, asyncio.ensure_future(asyncio.wait(begun))):
            each._log_destroy_pending = False
        await ASYNCIO.sleep(0.02)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(story())
    loop.close()


def test_a_place_comes_back_from_a_closed_event_loop_on_which_its_call_waited_for_the_circuit():
    """The line before the circuit kept alive who had stood in it, and with that the only place."""
    breaker = ub.CircuitBreaker(1, rest=1.0, wait=60.0)
    node = ub.FractalNode("target", breaker=breaker, bulkhead=ub.Bulkhead(1), retry=False)

    def fail():
        raise ConnectionError

    with virtual_time():
        asyncio.run(node.execute(fail))
        left_in(node.execute(fail))
        assert (1, 1) == (node.target.gate.inside, len(node.breaker.line))

        assert "ok" == asyncio.run(node.execute(lambda: "ok")).value
    assert (0, 0) == (node.target.gate.inside, len(node.breaker.line))


def test_a_block_that_pauses_keeps_no_place_of_a_closed_event_loop():
    """Nor do the calls beside it: it led to them, by what had waited for all of them."""
    retry = ub.Retry(2, backoff=ub.Backoff(9.0, jitter=False))

    def attempts():
        return ub.attempts("target", bulkhead=ub.Bulkhead(1), retry=retry, breaker=False)

    async def fails():
        async for attempt in attempts():
            async with attempt:
                raise ConnectionError

    async def hangs():
        async for attempt in attempts():
            async with attempt:
                await forever()

    gate = attempts().node.target.gate
    left_in(fails(), hangs())
    assert (1, 1) == (gate.inside, len(gate.away))

    async def goes_well():
        async for attempt in attempts():
            async with attempt:
                await ASYNCIO.sleep(0)

    asyncio.run(goes_well())
    assert (0, 0) == (gate.inside, len(gate.away))


def test_a_place_comes_back_from_a_closed_event_loop_on_which_a_generator_was_left_between_two_items():
    """No alarm of ours is set while its consumer is at something else."""

    @ub.protect("target", bulkhead=ub.Bulkhead(1))
    async def numbers():
        yield 1

    async def consume():
        async for _ in numbers():
            await forever()

    left_in(consume())
    assert 1 == numbers.node.target.gate.inside

    async def listed():
        return [number async for number in numbers()]

    assert [1] == asyncio.run(listed())


def test_a_place_comes_back_from_an_event_loop_that_was_closed_before_its_copies_began():
    """No alarm of ours was set on it either."""
    node = ub.FractalNode("target", bulkhead=ub.Bulkhead(1), hedge=ub.Hedge(0.1), effects="none")
    loop = asyncio.new_event_loop()
    loop.create_task(node.execute(forever))._log_destroy_pending = False
    loop.call_soon(loop.stop)
    loop.run_forever()
    for each in asyncio.all_tasks(loop):
        each._log_destroy_pending = False
    loop.close()
    del each
    assert 1 == node.target.gate.inside

    assert "ok" == asyncio.run(node.execute(lambda: "ok")).value


def test_a_limit_in_the_shadow_keeps_no_place_of_a_closed_event_loop():
    """Nor the block that it had counted there, which leads to what the event loop was closed over."""

    def attempts():
        return ub.attempts("target", bulkhead=ub.Bulkhead(1), limit=ub.Shadow(ub.AdaptiveLimit()))

    async def block(work):
        async for attempt in attempts():
            async with attempt:
                await work()

    left_in(block(forever))
    assert 1 == attempts().node.target.gate.inside

    asyncio.run(block(lambda: ASYNCIO.sleep(0)))
    assert 0 == attempts().node.target.gate.inside


@pytest.mark.parametrize("wait", [0.0, 60.0])
def test_a_place_that_was_given_to_a_closed_event_loop_is_taken_back(wait):
    """The call that it was for stood in line, and its loop was closed before it could take it."""
    node = ub.FractalNode("target", bulkhead=ub.Bulkhead(1, wait=60.0), effects="none")
    gate, loop = node.target.gate, asyncio.new_event_loop()
    assert gate.enter_nowait()

    async def stand_in_line():
        asyncio.ensure_future(node.execute(forever))._log_destroy_pending = False
        for _ in range(5):
            await ASYNCIO.sleep(0)

    loop.run_until_complete(stand_in_line())
    gate.leave()
    loop.close()
    assert (1, 1) == (gate.inside, len(gate.coming))

    assert asyncio.run(gate.enter(ASYNCIO, wait))
    assert (1, set()) == (gate.inside, gate.coming)


def test_who_stands_in_line_is_given_the_place_of_a_closed_event_loop():
    """Whoever looks now and then finds it, although nobody leaves."""
    gate, loop = Gate(1), asyncio.new_event_loop()
    assert gate.enter_nowait()
    task = loop.create_task(gate.enter(ASYNCIO, 60.0))
    task._log_destroy_pending = False
    loop.run_until_complete(ASYNCIO.sleep(0))

    def look():
        if not loop.is_closed():
            gate.leave()  # to who stood in line before
            loop.close()

    with virtual_time():
        assert asyncio.run(gate.enter(ASYNCIO, 60.0, look))
    assert (1, set()) == (gate.inside, gate.coming)


def test_the_collector_ends_a_call_that_would_wait_for_its_attempt(monkeypatch):
    """Under a learned limit that has a task of its own, which nobody waits for on a closed event loop."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: told.append(repr(raised.exc_value)))
    node = ub.FractalNode("target", effects="none", timeout=ub.Timeout(5.0, learned=True))
    for number in range(5):
        abandon(lambda _: node.execute(forever), number)
    gc.collect()

    ASYNCIO.forget_closed()
    gc.collect()

    assert [] == [each for each in told if "GeneratorExit" in each or "event loop" in each]


def partner_whose_first_mending_hangs():
    """Return a node and the tokens that it has had: the first remedy that is applied never comes to its end."""
    tokens = ["dead"]

    async def refresh(failure):
        if tokens == ["dead"]:
            tokens.append("in the middle")
            await forever()
        tokens.append("fresh")

    async def ask():
        if tokens[-1] != "fresh":
            raise PermissionError
        return "flights"

    node = ub.FractalNode("partner", ask, effects="idempotent", deadline=1.0)
    node.remedy(PermissionError)(refresh)
    return node, tokens


def test_the_turn_of_a_remedy_is_given_back():
    """A remedy that a closed event loop was in the middle of is applied by the next call, at once."""
    node, tokens = partner_whose_first_mending_hangs()
    abandon(lambda _: node.execute(), 0)
    assert "in the middle" == tokens[-1]

    outcome = asyncio.run(node.execute())

    assert ("flights", ["dead", "in the middle", "fresh"]) == (outcome.value, tokens), outcome.explain()
