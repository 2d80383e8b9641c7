"""A plain function under a pinned time limit or hedge, called in async code: it leaves the event loop alone."""

import asyncio
import contextvars
import gc
import sys
import threading
import time
import weakref

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep

CUT = {"timeout": ub.Timeout(0.2), "retry": False}


def hang(*_args):
    time.sleep(3600)  # noqa: TID251 - virtual


async def by_node():
    return (await ub.FractalNode("n", hang, **CUT).execute()).error


async def by_node_in_nodes():
    inner = ub.FractalNode("inner", ub.FractalNode("innermost", hang))
    return (await ub.FractalNode("n", inner, **CUT).execute()).error


async def by_cache():
    return (await ub.CacheNode(loader=hang, **CUT).get.outcome("k")).error


async def by_step():
    result = await ub.OrchestratorNode().orchestrate([ub.Step("a", hang, timeout=0.2)])
    return result.error


async def by_stream():
    async with ub.StreamNode(hang, deliveries=1, **CUT) as stream:
        await stream.put("item")
        await sleep(0.9)
        return ub.errors.AttemptTimeout() if stream.get_status().dead_letter else None


@pytest.mark.parametrize("way", [by_node, by_node_in_nodes, by_cache, by_step, by_stream])
def test_a_pinned_timeout_cuts_it(way):
    """A function that hangs is left behind after its limit, whichever part of the library calls it."""
    with virtual_time() as clock:
        error = asyncio.run(way())

        assert (ub.errors.AttemptTimeout, True) == (type(error), 1 > clock.now())


def test_a_pinned_hedge_races_it():
    """The second copy begins while the first one hangs, and wins."""
    calls = []

    def slow_at_first():
        calls.append(1)
        number = len(calls)
        time.sleep(3600 if number == 1 else 0.01)  # noqa: TID251 - virtual
        return number

    with virtual_time() as clock:
        outcome = asyncio.run(
            ub.FractalNode("n", slow_at_first, hedge=ub.Hedge(0.1), effects="none", timeout=None).execute()
        )

        assert (2, True) == (outcome.value, 1 > clock.now())


def test_the_event_loop_goes_on():
    """Whoever else is on the event loop has his turn while the function blocks."""

    async def main():
        turns = []

        async def other():
            while True:
                turns.append(1)
                await sleep(0.01)

        task = asyncio.create_task(other())
        await by_node()
        task.cancel()
        return len(turns)

    with virtual_time():
        assert 15 <= asyncio.run(main())


def test_a_caller_who_is_cancelled_does_not_wait():
    """A cancellation comes through at once, though the thread is still at work."""

    async def main():
        task = asyncio.create_task(ub.FractalNode("n", hang, timeout=ub.Timeout(60)).execute())
        await sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with virtual_time() as clock:
        asyncio.run(main())

        assert 1 > clock.now()


@pytest.mark.parametrize(
    ("options", "on_the_loop"),
    [({}, True), ({"hedge": False, "deadline": 5}, True), ({"timeout": ub.Timeout(5)}, False)],
    ids=["cold", "deadline", "pinned"],
)
def test_only_what_was_pinned_costs_a_thread(options, on_the_loop):
    """Without a pinned limit a plain function runs where it was called."""

    async def main():
        return (await ub.FractalNode("n", threading.get_ident, **options).execute()).value == threading.get_ident()

    assert on_the_loop == asyncio.run(main())


def test_an_async_function_needs_no_thread():
    """What can be cancelled runs on the event loop, also as a partial or an object."""

    class Work:
        async def __call__(self):
            return threading.get_ident()

    async def main():
        outcome = await ub.FractalNode("n", Work(), timeout=ub.Timeout(5)).execute()
        return outcome.value == threading.get_ident()

    assert asyncio.run(main())


def test_a_block_needs_no_thread(monkeypatch):
    """A block in async code runs where it is written, whatever its time limit."""
    monkeypatch.setattr("unbreakable.runtime.world.MOST_THREADS_EACH", 0)

    async def main():
        attempts = ub.attempts("block", timeout=ub.Timeout(5), retry=False)
        async for attempt in attempts:
            async with attempt:
                pass
        return attempts.outcome.ok

    assert asyncio.run(main())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a traceback's frames hold their callers there")
def test_what_it_raises_is_freed_with_its_last_holder():
    """An exception out of a thread is in no circle that waits for the garbage collector."""

    class Data:
        """Somebody's megabytes."""

    def fail():
        kept.append(weakref.ref(data := Data()))
        raise ValueError(data)

    async def main():
        assert "failed" == (await ub.FractalNode("n", fail, **CUT).execute()).status

    kept = []
    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
        assert kept[0]() is None
    finally:
        gc.enable()


def test_what_it_returns_is_awaited():
    """A lambda around an async function is plain to look at; what it returns is awaited on the event loop."""

    async def later(seconds):
        await sleep(seconds)
        return threading.get_ident()

    async def main():
        outcome = await ub.FractalNode("n", lambda seconds=1: later(seconds), timeout=ub.Timeout(5)).execute()
        return outcome.value == threading.get_ident()

    with virtual_time():
        assert asyncio.run(main())


def test_it_sees_the_context_of_its_caller():
    """Context variables and ``ub.current()`` are those of the call."""
    tenant = contextvars.ContextVar("tenant")

    async def main():
        tenant.set("acme")
        return await ub.FractalNode(
            "n", lambda: (tenant.get(), ub.current().node.name), timeout=ub.Timeout(5)
        ).execute()

    assert ("acme", "n") == asyncio.run(main()).value


def test_when_threads_run_out_calls_are_refused(monkeypatch):
    """Every thread that a target may have hangs: the next call is refused, and says why."""
    monkeypatch.setattr("unbreakable.runtime.world.MOST_THREADS_EACH", 2)
    release = threading.Event()
    node = ub.FractalNode("n", lambda: release.wait(30), timeout=ub.Timeout(0.01), retry=False, breaker=False)

    async def main():
        return [(await node.execute()).error for _ in range(3)]

    errors = asyncio.run(main())
    release.set()

    assert [ub.errors.AttemptTimeout, ub.errors.AttemptTimeout, ub.errors.BulkheadFull] == [type(e) for e in errors]
