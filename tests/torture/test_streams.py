"""Streams under threads, event loops, cancellation and fork, in real time."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import tracemalloc

import pytest
from tests.torture.test_processes import in_a_program

from unbreakable.errors import BufferFull
from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation.evaluate import universes

pytestmark = pytest.mark.real

MODES = [
    {},
    {"overflow": True},
    {"overflow": True, "durability": "process"},
    {"overflow": True, "durability": "durable"},
]


def settings(mode, folder):
    return {**mode, **({"overflow": folder} if mode else {})}


def in_a_thread(stream, name):
    for number in range(100):
        stream.put_sync([name, number])


async def in_tasks(stream, name):
    async def task(own):
        for number in range(50):
            await stream.put([own, number])
            await ASYNCIO.sleep(0)

    await asyncio.gather(*(task(f"{name}.{each}") for each in range(4)))


def look(stream, over, unbalanced):
    while not over.is_set():
        status = stream.get_status()
        parts = status.handled + status.in_memory + status.on_disk + status.dead_letter + status.quarantined
        if status.accepted != parts or status.in_memory > 20:
            unbalanced.append(status)


@pytest.mark.parametrize("mode", MODES, ids=["memory", "overflow", "process", "durable"])
def test_threads_and_event_loops_put_at_the_same_time(tmp_path, mode):
    """Everything is handled once, each one's items in its own order, and the sum balances whenever somebody looks."""
    handled, unbalanced, over = [], [], threading.Event()
    stream = StreamNode(handled.append, max_buffer=20, **settings(mode, tmp_path))
    writers = [threading.Thread(target=in_a_thread, args=(stream, f"thread {each}")) for each in range(3)]
    writers += [
        threading.Thread(target=lambda each=each: asyncio.run(in_tasks(stream, f"loop {each}"))) for each in range(2)
    ]
    watcher = threading.Thread(target=look, args=(stream, over, unbalanced))
    for each in [watcher, *writers]:
        each.start()
    for each in writers:
        each.join()
    drained = stream.drain_sync(30.0)
    over.set()
    watcher.join()
    stream.aclose_sync()
    by_name = {}
    for name, number in handled:
        by_name.setdefault(name, []).append(number)

    assert ([], True, 700) == (unbalanced, drained, len(handled))
    assert 3 + 8 == len(by_name)
    assert all(numbers == list(range(len(numbers))) for numbers in by_name.values())


@pytest.mark.parametrize("mode", MODES, ids=["memory", "overflow", "process", "durable"])
@pytest.mark.parametrize("seed", range(3))
def test_cancelled_puts_are_accepted_or_not_and_never_half(tmp_path, mode, seed):
    """Cancelled at any moment; what was acknowledged is handled, and every item at most once."""
    dice, handled = random.Random(seed), []

    async def work(item):
        handled.append(item)
        await ASYNCIO.sleep(0)

    async def story():
        acked = []
        async with StreamNode(work, max_buffer=5, **settings(mode, tmp_path)) as stream:

            async def put(item):
                await stream.put(item)
                acked.append(item)

            tasks = [asyncio.ensure_future(put(item)) for item in range(120)]
            for task in dice.sample(tasks, 60):
                await ASYNCIO.sleep(dice.choice([0, 0, 0.0005]))
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await stream.drain()
            return acked, stream.get_status()

    acked, status = asyncio.run(story())

    assert len(handled) == len(set(handled)) == status.accepted == status.handled
    assert set(acked) <= set(handled)
    assert 0 == status.waiting


@pytest.mark.parametrize("seed", range(2))
def test_a_consumer_that_is_cancelled_again_and_again_loses_nothing(tmp_path, seed):
    """Its batch goes back to the front of the line."""
    dice, handled = random.Random(seed), []

    async def work(items):
        await ASYNCIO.sleep(0.0003)
        handled.extend(items)

    async def story():
        async with StreamNode(work, batch=4, max_buffer=10, overflow=tmp_path) as stream:
            for number in range(150):
                await stream.put(number)
                if dice.random() < 0.3:
                    await ASYNCIO.sleep(dice.choice([0, 0.0002]))
                    for task in asyncio.all_tasks():
                        if task.get_name() == "unbreakable loop stream":
                            task.cancel()
            assert await stream.drain(20.0)

    asyncio.run(story())

    assert list(range(150)) == list(dict.fromkeys(handled))
    assert 150 == len(handled)


def test_neither_putting_nor_handling_takes_the_event_loop_for_itself(tmp_path):
    """Though nothing in either ever waits."""
    handled, turns = [], []

    def work(item):
        handled.append(sum(range(10_000)))

    async def others():
        while True:
            turns.append(len(handled))
            await ASYNCIO.sleep(0)

    async def story():
        async with StreamNode(work, overflow=tmp_path, durability="process") as stream:
            await ASYNCIO.sleep(0)
            ticking = asyncio.ensure_future(others())
            for number in range(1_000):
                await stream.put(number)
            after_putting = len(handled), len(turns)
            turns.clear()
            await stream.drain()
            ticking.cancel()
            return after_putting, len(set(turns))

    (handled_meanwhile, turns_meanwhile), turns_after = asyncio.run(story())

    assert handled_meanwhile > 0
    assert turns_meanwhile >= 9
    assert turns_after > 2


def test_memory_does_not_grow_with_what_is_on_disk(tmp_path):
    """Fifty megabytes wait on disk, and less than a tenth of it is in memory, then and while it is handled."""
    handled, began, leave = [], threading.Event(), threading.Event()

    def work(items):
        began.set()
        leave.wait(30)
        handled.append(len(items))

    stream = StreamNode(work, batch=50, max_buffer=100, overflow=tmp_path, durability="process")
    stream.put_sync("x" * 5_000)
    began.wait(60)
    universes()  # loaded once in a process: that is not what is weighed here
    tracemalloc.start()
    try:
        for _ in range(10_000):
            stream.put_sync("x" * 5_000)
        leave.set()
        assert stream.drain_sync(60.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        stream.aclose_sync()

    assert 10_001 == sum(handled)
    assert 5_000_000 > peak  # of which the tuner, that weighs the stream's strategies meanwhile, takes three


def test_no_room_for_threads_and_tasks_alike(tmp_path):
    """The first in line is served first, whatever its colour, and whoever gives up leaves no trace."""
    stream = StreamNode(max_buffer=1)
    stream.put_sync("a")
    errors = []

    def give_up():
        try:
            stream.put_sync("never", wait=0.05)
        except BufferFull as error:
            errors.append(error)

    async def give_up_too():
        with pytest.raises(BufferFull):
            await stream.put("never", wait=0.05)
        errors.append(None)

    threads = [threading.Thread(target=give_up) for _ in range(3)]
    threads += [threading.Thread(target=asyncio.run, args=(give_up_too(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 6 == len(errors)
    assert (1, 0) == (stream.get_status().accepted, stream.get_status().waiting)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_leaves_the_parents_items_and_folder_alone(tmp_path):
    """It begins with an empty stream; the folder is its parent's, which goes on."""
    parent, child = in_a_program(f"""
        from unbreakable.nodes import StreamNode
        seen, began, leave = [], threading.Event(), threading.Event()

        def work(item):
            began.set()
            leave.wait(60)
            seen.append(item)

        memory = StreamNode(work)
        logged = StreamNode(overflow={str(tmp_path)!r}, durability="process")
        memory.put_sync("parent's")
        logged.put_sync("parent's")
        began.wait(60)

        def look():
            leave.set()
            before = memory.get_status().accepted
            memory.put_sync("child's")
            drained = memory.drain_sync(60)
            try:
                logged.put_sync("child's")
            except Exception as error:
                refused = type(error).__name__
            return [before, drained, seen, refused]

        child = forked(look)
        leave.set()
        memory.drain_sync(60)
        logged.put_sync("again")
        print(json.dumps([[seen, logged.aclose_sync().on_disk, memory.aclose_sync().handled], child]))
    """)

    assert [["parent's"], 2, 1] == parent
    assert [0, True, ["child's"], "StateOwned"] == child


def test_a_program_ends_with_items_and_a_handler_at_work():
    """Nothing of a stream keeps the interpreter alive."""
    assert "done" == in_a_program("""
        from unbreakable.nodes import StreamNode
        stream = StreamNode(lambda item: time.sleep(1000))
        for number in range(3):
            stream.put_sync(number)
        print(json.dumps("done"))
    """)
