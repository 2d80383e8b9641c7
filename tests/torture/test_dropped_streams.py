"""A stream that nobody holds any more goes once all that was put is handled, and takes its thread or task with it."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, world

COLOURS = ["plain handler", "async handler"]


def carrying(name: str) -> list[threading.Thread]:
    """Return the threads of the streams of that *name*."""
    return [thread for thread in threading.enumerate() if thread.name == f"unbreakable loop {name}"]


def gone(name: str) -> bool:
    """Return whether the threads of the streams of that *name* end, once they are idle and the collector came."""
    for _ in range(100):
        gc.collect()
        for thread in carrying(name):
            thread.join(0.1)
        if not carrying(name):
            return True
    return False


@pytest.fixture(params=COLOURS)
def handler(request):
    """Return a function that makes a handler of either colour of what it is given."""

    def make(work):
        async def handle(item):
            return work(item)

        return work if request.param == "plain handler" else handle

    return make


def test_a_program_may_make_a_stream_for_each_job(handler):
    """Three hundred streams one after the other, none of them closed, all do their job; no thread is left."""
    handled = []
    for n in range(300):
        assert 1 == ub.StreamNode(handler(handled.append), name="each").process_stream_sync([n]).handled

    assert list(range(300)) == handled
    assert gone("each")


def test_what_was_put_is_handled_before_its_stream_goes(handler):
    """A stream that is dropped with a hundred items in line, the first of them in hand, handles them all."""
    handled, begun, go_on, over = [], threading.Event(), threading.Event(), threading.Event()

    def work(item):
        begun.set()
        go_on.wait(60)
        handled.append(item)
        if item == 99:
            over.set()

    stream = ub.StreamNode(handler(work), name="full")
    for n in range(100):
        stream.put_sync(n)
    begun.wait(60)
    there = weakref.ref(stream)
    del stream
    gc.collect()
    assert there() is not None
    go_on.set()
    assert over.wait(60)
    assert list(range(100)) == handled
    assert gone("full")


def test_an_item_is_handled_though_its_stream_is_dropped_before_anybody_is_awake(handler):
    """An idle stream that is given one item, and let go of in the same breath, handles it."""
    for _ in range(most(50, 20)):
        handled = threading.Event()
        stream = ub.StreamNode(handler(lambda _, handled=handled: handled.set()), name="brief")
        stream.start()
        stream.put_sync("last")
        del stream
        gc.collect()
        assert handled.wait(60)
    assert gone("brief")


def test_a_stream_that_somebody_holds_stays(handler):
    """An idle stream is not given up as long as its owner has it, whatever the collector does."""
    handled = []
    stream = ub.StreamNode(handler(handled.append), name="held")
    for n in range(3):
        stream.process_stream_sync([n])
        gc.collect()

    assert stream.get_status().is_consuming
    assert 1 == len(carrying("held"))
    assert [0, 1, 2] == handled
    stream.aclose_sync()


@pytest.mark.parametrize("durability", ["memory", "process", "durable"])
def test_a_stream_that_is_dropped_lets_go_of_its_folder(handler, tmp_path, durability):
    """Another stream can have the folder of one that is gone, and finds nothing left to do."""
    handled = []
    stream = ub.StreamNode(handler(handled.append), overflow=tmp_path, durability=durability, name="folder")
    stream.process_stream_sync([1, 2])
    del stream
    assert gone("folder")

    with ub.StreamNode(handler(handled.append), overflow=tmp_path, durability=durability, name="next") as following:
        assert following.drain_sync()
        assert 0 == following.get_status().accepted
    assert [1, 2] == handled


def test_a_task_ends_with_its_stream(caplog):
    """In async code no idle task is left behind that asyncio would complain about."""
    handled = []

    async def handle(item):
        handled.append(item)

    async def job():
        await ub.StreamNode(handle, name="task").process_stream(range(5))

    async def story():
        for _ in range(20):
            await job()
        for _ in range(10):  # those whose stream is gone are woken, and end
            gc.collect()
            await ASYNCIO.sleep(0)
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    gc.collect()  # what others have left
    caplog.clear()
    with caplog.at_level(logging.ERROR, "asyncio"):
        left = asyncio.run(story())
        gc.collect()

    assert [] == left
    assert 100 == len(handled)
    assert [] == caplog.messages


def test_an_item_in_async_code_is_handled_though_its_stream_is_dropped_at_once():
    """What was put before the stream was let go of is handled by the task, which nobody holds but the library."""
    handled = []

    async def handle(item):
        await ASYNCIO.sleep(0)
        handled.append(item)

    async def story():
        stream = ub.StreamNode(handle)
        await stream.put(1)
        await stream.put(2)
        del stream
        gc.collect()
        for _ in range(20):
            await ASYNCIO.sleep(0)
            gc.collect()
        return len(asyncio.all_tasks())

    assert 1 == asyncio.run(story())
    assert [1, 2] == handled


def test_loops_do_not_take_the_threads_of_time_limits():
    """Three hundred loops run in plain code, and a call with a time limit finds a thread beside them."""
    engine = ub.QuantumLoopEngine()
    loops = [engine.create_loop(lambda: None, name=f"loop {n}", interval=60.0) for n in range(300)]
    for loop in loops:
        loop.start()

    try:
        assert all(loop.is_running for loop in loops)
        assert "done" == ub.protect(timeout=ub.Timeout(5.0))(lambda: "done")()
    finally:
        engine.aclose_sync(grace=10.0)


def test_there_is_a_bound_to_threads_that_carry(monkeypatch):
    """A loop beyond it is refused, in words that say who holds the threads, and can be started later."""
    monkeypatch.setattr(world, "MOST_CARRYING", world.REAL.carrying + 1)
    first, second = ub.StreamNode(print, name="first"), ub.StreamNode(print, name="second")
    first.start()
    with pytest.raises(ub.errors.BulkheadFull, match="threads carry loops and streams; those of async code need none"):
        second.start()
    threads = carrying("first")
    first.aclose_sync()
    for thread in threads:
        thread.join(60)

    second.start()
    assert second.get_status().is_consuming
    second.aclose_sync()


@pytest.mark.filterwarnings("ignore")  # about what an event loop that is closed so leaves behind
def test_what_carried_a_stream_on_a_loop_that_was_closed_leaves_it_to_the_next_one(tmp_path, caplog):
    """An event loop for each job, closed with tasks in it: another stream's start must not close this one's folder."""
    caplog.set_level(logging.CRITICAL, "asyncio")
    done = []

    async def handle(item):
        done.append(item)

    audit = ub.StreamNode(handle, name="audit", overflow=tmp_path / "audit", durability="process")
    mail = ub.StreamNode(handle, name="mail")
    for number in range(20):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(audit.put(number, wait=1.0))
        loop.run_until_complete(mail.put(number))
        loop.close()
    for stream in (audit, mail):
        stream.drain_sync()
        stream.aclose_sync()

    gc.collect()

    assert sorted([*range(20), *range(20)]) == sorted(done)
