"""One sync for many puts, and no ack without one, whatever the disk answers; in real time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from unbreakable.errors import CommitUnknown
from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO
from unbreakable.storage.disk import Disk

pytestmark = pytest.mark.real


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


def test_puts_that_a_broken_disk_never_confirms_end_with_the_stream(tmp_path, monkeypatch):
    """They are told that nobody knows."""

    def broken(self, descriptor):
        raise OSError(5, "Input/output error")

    async def story():
        stream = StreamNode(overflow=tmp_path, durability="durable")
        await stream.put("before")
        monkeypatch.setattr(Disk, "sync", broken)
        waiting = asyncio.ensure_future(stream.put("during"))
        await ASYNCIO.sleep(0.05)
        await stream.aclose()
        with pytest.raises(CommitUnknown):
            await asyncio.wait_for(waiting, 5.0)

    asyncio.run(story())


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
