"""Streams under threads, event loops, cancellation and fork, in real time."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import tracemalloc

import pytest
from tests.torture.test_processes import in_a_program

from unbreakable.errors import BufferFull, CommitUnknown
from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO
from unbreakable.storage.disk import Disk

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


def test_many_puts_share_a_few_syncs(tmp_path, monkeypatch):
    """One sync confirms all that gathered while the last one was under way."""
    calls, never = [], threading.Event()
    monkeypatch.setattr(Disk, "sync", lambda self, descriptor: calls.append(1) or never.wait(0.02))

    async def story():
        async with StreamNode(overflow=tmp_path, durability="durable") as stream:
            acks = await asyncio.gather(*(stream.put(number) for number in range(500)))
            return {ack.level for ack in acks}

    assert {"durable"} == asyncio.run(story())
    assert 25 > len(calls)


def test_a_sync_that_fails_loses_no_ack(tmp_path, monkeypatch):
    """The item is written to a new file, and its putter waits until that is confirmed."""
    failing = [OSError(5, "Input/output error")] * 3
    sync, asked = Disk.sync, []

    def flaky(self, descriptor):
        asked.append(descriptor)
        if failing:
            raise failing.pop()
        sync(self, descriptor)

    async def story():
        async with StreamNode(overflow=tmp_path, durability="durable") as stream:
            await stream.put("before")
            monkeypatch.setattr(Disk, "sync", flaky)
            putting = asyncio.ensure_future(stream.put("during"))
            await ASYNCIO.sleep(0.1)
            health = stream.get_status().health
            ack = await putting
            return health, ack.level, stream.get_status().health

    assert ("degraded", "durable", "ok") == asyncio.run(story())
    again = StreamNode(overflow=tmp_path, durability="durable")
    batch = next(again.batches_sync())
    again.aclose_sync()
    assert ["before", "during"] == batch


def test_a_disk_that_does_not_confirm_is_told_to_who_may_not_wait(tmp_path, monkeypatch):
    """Nobody knows whether the item is there: that is said, and it may be delivered."""

    def broken(self, descriptor):
        raise OSError(5, "Input/output error")

    async def story():
        async with StreamNode(overflow=tmp_path, durability="durable") as stream:
            await stream.put("before")
            with monkeypatch.context() as patch:
                patch.setattr(Disk, "sync", broken)
                patch.setattr("unbreakable.nodes.streaming.intake.ANSWER", 0.01)
                with pytest.raises(CommitUnknown, match=r"did not confirm .*, which may be delivered all the same"):
                    await stream.put("during", wait=0.05)
            await stream.put("after")
            return stream.get_status().accepted

    assert 3 == asyncio.run(story())


def test_an_item_whose_putter_gave_up_is_confirmed_and_handled(tmp_path, monkeypatch):
    """By whoever waits for items, once the disk works."""
    handled = []

    def broken(self, descriptor):
        raise OSError(5, "Input/output error")

    async def story():
        async with StreamNode(handled.append, overflow=tmp_path, durability="durable") as stream:
            with monkeypatch.context() as patch:
                patch.setattr(Disk, "sync", broken)
                patch.setattr("unbreakable.nodes.streaming.intake.ANSWER", 0.01)
                with pytest.raises(CommitUnknown):
                    await stream.put("a", wait=0)
            assert [] == handled
            return await stream.drain(20.0)

    monkeypatch.setattr("unbreakable.nodes.streaming.taking.LOOK_AGAIN", 0.05)
    assert asyncio.run(story())
    assert ["a"] == handled


def test_a_disk_that_refuses_is_not_asked_all_the_time(tmp_path, monkeypatch):
    """However many threads wait for it."""
    asked = []

    def broken(self, descriptor):
        asked.append(descriptor)
        raise OSError(5, "Input/output error")

    stream = StreamNode(overflow=tmp_path, durability="durable")
    stream.put_sync("before")
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "sync", broken)
        patch.setattr("unbreakable.nodes.streaming.intake.ANSWER", 0.6)
        errors = []

        def put():
            try:
                stream.put_sync("a", wait=0)
            except CommitUnknown as error:
                errors.append(error)

        threads = [threading.Thread(target=put) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stream.aclose_sync()

    assert 6 == len(errors)
    assert 40 > len(asked)


def test_puts_that_wait_for_the_disk_when_the_stream_is_closed_get_their_ack(tmp_path, monkeypatch):
    """The last thing that is done is a sync; nobody waits for ever."""
    never = threading.Event()
    monkeypatch.setattr(Disk, "sync", lambda self, descriptor: never.wait(0.05))

    async def story():
        stream = StreamNode(overflow=tmp_path, durability="durable")
        await stream.put("before")
        waiting = [asyncio.ensure_future(stream.put(number)) for number in range(20)]
        await ASYNCIO.sleep(0.01)
        await stream.aclose()
        return await asyncio.wait_for(asyncio.gather(*waiting), 5.0)

    assert {"durable"} == {ack.level for ack in asyncio.run(story())}


def test_memory_does_not_grow_with_what_is_on_disk(tmp_path):
    """Ten megabytes wait on disk, and a fraction of it is in memory, then and while it is handled."""
    handled, began, leave = [], threading.Event(), threading.Event()

    def work(items):
        began.set()
        leave.wait(30)
        handled.append(len(items))

    stream = StreamNode(work, batch=50, max_buffer=100, overflow=tmp_path, durability="process")
    stream.put_sync("x" * 1_000)
    began.wait(10)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            stream.put_sync("x" * 1_000)
        leave.set()
        assert stream.drain_sync(60.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        stream.aclose_sync()

    assert 10_001 == sum(handled)
    assert 2_000_000 > peak


def test_sync_code_shares_syncs_and_waits_for_them(tmp_path):
    """Each of many threads gets its ack after its item was confirmed."""
    stream = StreamNode(overflow=tmp_path, durability="durable")
    levels = []
    threads = [
        threading.Thread(target=lambda: levels.extend(stream.put_sync(n).level for n in range(30))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = stream.aclose_sync()

    assert ["durable"] * 240 == levels
    assert 240 == end.on_disk


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
            leave.wait(10)
            seen.append(item)

        memory = StreamNode(work)
        logged = StreamNode(overflow={str(tmp_path)!r}, durability="process")
        memory.put_sync("parent's")
        logged.put_sync("parent's")
        began.wait(10)

        def look():
            leave.set()
            before = memory.get_status().accepted
            memory.put_sync("child's")
            drained = memory.drain_sync(5)
            try:
                logged.put_sync("child's")
            except Exception as error:
                refused = type(error).__name__
            return [before, drained, seen, refused]

        child = forked(look)
        leave.set()
        memory.drain_sync(5)
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
