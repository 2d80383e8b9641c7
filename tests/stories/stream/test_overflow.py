"""What memory cannot hold goes to disk, in the same line."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest
from tests.stories.stream.conftest import balance

from unbreakable.errors import BufferFull, StateError, StateGone
from unbreakable.nodes import StreamNode
from unbreakable.storage.disk import Disk
from unbreakable.testing import virtual_time


def slow(stage, seconds=1.0):
    async def work(item):
        await stage.take(seconds)
        stage.handled.append(item)

    return work


def test_items_go_to_disk_when_memory_is_full_and_nobody_waits(play, tmp_path):
    """The ack says which of them survive the process."""

    async def story(stage):
        stream = stage.stream(slow(stage), max_buffer=2, overflow=tmp_path / "s")
        acks = await stage.put(stream, *range(6))
        status = stream.get_status()
        moment = stage.now()
        await stage.drain(stream)
        return [ack.level for ack in acks], (status.in_memory, status.on_disk), moment, stage.handled

    levels, where, moment, handled = play(story)

    assert ["memory", "memory", "process", "process", "process", "process"] == levels
    assert ((2, 4), 0.0) == (where, moment)
    assert [0, 1, 2, 3, 4, 5] == handled


def test_memory_takes_items_again_when_the_disk_is_read(play, tmp_path):
    """There and back, as often as it takes, without a change of order."""

    async def story(stage):
        stream = stage.stream(slow(stage, 0.1), max_buffer=3, overflow=tmp_path / "s")
        levels, sent = [], 0
        for burst in (2, 9, 1, 6, 3, 30, 2):
            for _ in range(burst):
                levels.append((await stage.put(stream, sent))[0].level)
                sent += 1
            await stage.sleep(burst % 4 * 0.35)
        await stage.drain(stream)
        return levels, stage.handled == list(range(sent)), len(stage.handled)

    levels, in_order, count = play(story)

    assert (True, 53) == (in_order, count)
    assert 3 <= sum(before != after for before, after in pairwise(levels))


@pytest.mark.parametrize("durability", ["process", "durable"])
def test_every_item_is_on_disk_before_its_ack(play, tmp_path, durability):
    """However much room there is in memory."""

    async def story(stage):
        stream = stage.stream(slow(stage), overflow=tmp_path / "s", durability=durability)
        acks = await stage.put(stream, *"abc")
        status = stream.get_status()
        await stage.drain(stream)
        return {ack.level for ack in acks}, status.in_memory, status.on_disk, stage.handled

    assert ({durability}, 0, 3, ["a", "b", "c"]) == play(story)


def test_items_come_back_from_disk_as_they_were(play, tmp_path):
    """Text, bytes and JSON values; tuples as lists, also when they never left the memory."""
    items = ["text ü", b"\x00\xff", {"a": [1, 2.5, None, True]}, ["x"], 12, None, ""]

    async def story(stage):
        stream = stage.stream(overflow=tmp_path / "s", durability="process", max_buffer=2)
        await stage.put(stream, *items, ("a", "tuple"))
        await stage.drain(stream)
        return stage.handled

    assert [*items, ["a", "tuple"]] == play(story)


@pytest.mark.parametrize("item", [object(), {1: "a"}, float("nan"), {"when": {1, 2}}, "\ud800"])
def test_what_cannot_be_written_is_refused_before_its_ack(tmp_path, item):
    """Also while there is room in memory: it might have to be written later."""
    with virtual_time():
        stream = StreamNode(print, overflow=tmp_path / "s")
        with pytest.raises(TypeError, match="item"):
            stream.put_sync(item)

        assert 0 == stream.aclose_sync().accepted


def test_a_codec_of_ones_own_can_write_anything(play, tmp_path):
    """Pickle, for who trusts what is in the folder."""

    async def story(stage):
        codec = (lambda item: repr(sorted(item)).encode(), lambda data: set(eval(data)))  # noqa: S307
        stream = stage.stream(overflow=tmp_path / "s", durability="process", max_buffer=1, codec=codec)
        await stage.put(stream, {1, 2}, {3})
        await stage.drain(stream)
        return stage.handled

    assert [{1, 2}, {3}] == play(story)


def test_an_item_of_more_than_16_mib_is_refused(tmp_path):
    """It would not be read back in reasonable time."""
    with virtual_time():
        stream = StreamNode(print, overflow=tmp_path / "s")
        with pytest.raises(TypeError, match="at most 16777216 can be kept"):
            stream.put_sync(b"x" * (16 * 2**20 + 1))
        stream.aclose_sync()


def test_the_folder_takes_no_more_than_it_may(play, tmp_path):
    """Then puts wait for items to be handled, as they do in memory."""

    async def story(stage):
        stream = stage.stream(
            slow(stage, 0.1), max_buffer=1, overflow=tmp_path / "s", durability="process", max_overflow_bytes=65_536
        )
        most = 0
        for number in range(300):
            await stage.put(stream, f"{number} {'x' * 1_000}")
            most = max(most, stream.get_status().disk_bytes)
        waited = stage.now()
        await stage.drain(stream)
        return most, waited > 10, [int(item.split()[0]) for item in stage.handled] == list(range(300))

    most, waited, in_order = play(story)

    assert 50_000 < most <= 65_536
    assert (True, True) == (waited, in_order)


def test_a_disk_that_refuses_makes_puts_wait_and_nothing_else(play, tmp_path, monkeypatch):
    """What is there is handled, the status says what is wrong, and it goes on when the disk does."""
    refusing = []
    write = Disk.write

    def refuse(self, descriptor, data, at):
        if refusing and len(data) != 28:  # not the mark, which is overwritten in its place
            raise OSError(28, "No space left on device")
        write(self, descriptor, data, at)

    monkeypatch.setattr(Disk, "write", refuse)

    async def story(stage):
        stream = stage.stream(slow(stage), max_buffer=1, overflow=tmp_path / "s", durability="process")
        await stage.put(stream, *"abc")
        refusing.append(True)
        with pytest.raises(BufferFull, match="there is no room left to write"):
            await stage.put(stream, "refused", wait=4.0)
        status = stream.get_status()
        handled = list(stage.handled)
        refusing.clear()
        await stage.put(stream, "d")
        await stage.drain(stream)
        return (status.health, "no room" in status.trouble), handled, stage.handled, stream.get_status().health

    health, meanwhile, handled, after = play(story)

    assert ("degraded", True) == health
    assert ["a", "b", "c"] == meanwhile
    assert (["a", "b", "c", "d"], "ok") == (handled, after)


def test_a_disk_that_cannot_be_read_for_a_while_loses_nothing(play, tmp_path, monkeypatch):
    """The status says so, and reading goes on where it was."""
    refusing = []
    read = Disk.read

    def refuse(self, descriptor, count, at):
        if refusing:
            raise OSError(5, "Input/output error")
        return read(self, descriptor, count, at)

    monkeypatch.setattr(Disk, "read", refuse)

    async def story(stage):
        stream = stage.stream(slow(stage, 0.1), max_buffer=2, overflow=tmp_path / "s", durability="process")
        await stage.put(stream, *range(10))
        refusing.append(True)
        await stage.sleep(5.0)
        meanwhile = stream.get_status()
        refusing.clear()
        await stage.drain(stream)
        return meanwhile.health, 2 <= meanwhile.handled < 10, stage.handled, stream.get_status().health

    assert ("degraded", True, list(range(10)), "ok") == play(story)


def test_the_line_is_in_order_whatever_happens_when(play, tmp_path):
    """Memory and disk take turns under load; every moment balances."""

    async def story(stage):
        unbalanced = []

        async def work(item):
            accepted, accounted = balance(stream)
            if accepted != accounted:
                unbalanced.append((accepted, accounted))
            await stage.take(0.01 * (item % 7))
            stage.handled.append(item)

        stream = stage.stream(work, max_buffer=5, overflow=tmp_path / "s")
        for number in range(400):
            await stage.put(stream, number)
            if number % 20 == 0:
                await stage.sleep(0.02 * (number % 9))
        await stage.drain(stream)
        return unbalanced, stage.handled == list(range(400))

    assert ([], True) == play(story)


def test_a_folder_that_cannot_be_made_is_told_by_the_status(play, tmp_path):
    """Until it can be: whoever looks need not put something to find out."""

    async def story(stage):
        (tmp_path / "file").write_text("in the way")
        stream = stage.stream(overflow=tmp_path / "file" / "s")
        with pytest.raises(StateError):
            await stage.put(stream, 1)
        before = stream.get_status()
        (tmp_path / "file").unlink()
        await stage.put(stream, 2)
        after = stream.get_status()
        return before.health, before.trouble, after.health

    health, trouble, later = play(story)

    assert ("degraded", "ok") == (health, later)
    assert "file" in trouble


def test_a_folder_that_was_deleted_takes_nothing_in(play, tmp_path):
    """An ack that says "process" is not given for what nobody could find; what is in memory is handled."""

    async def story(stage):
        stream = stage.stream(slow(stage), overflow=tmp_path / "s", durability="process")
        await stage.put(stream, 0, 1)
        shutil.rmtree(tmp_path / "s")
        with pytest.raises(StateGone, match="deleted or replaced"):
            await stage.put(stream, 2)
        await stage.drain(stream)
        await stage.close(stream)
        stream.start()
        acks = await stage.put(stream, 3)
        await stage.drain(stream)
        return stage.handled, [ack.level for ack in acks], (tmp_path / "s").is_dir()

    assert ([0, 1, 3], ["process"], True) == play(story)
