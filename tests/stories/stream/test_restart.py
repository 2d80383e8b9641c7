"""Another process goes on where the last one ended, however that was."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import Rejected
from unbreakable.nodes import StreamNode
from unbreakable.nodes.streaming.events import Quarantined
from unbreakable.storage.mark import Mark
from unbreakable.testing import virtual_time


def killed(stream):
    """Let a stream end as a process does that is killed: nothing is written any more, the folder is free."""
    life = stream._life
    if life.taking is not None:
        life.taking.stop()
    log = life.opened.log
    log._let_go()
    log._is_open = False
    log._owner.release()
    life.state = type(life.state).CLOSED
    life.opened.log = life.opened.buffer.log = None


def hanging(stage, free=0):
    """Return a handler that handles the first *free* items, then hangs."""

    async def work(item):
        items = item if isinstance(item, list) else [item]
        if len(stage.handled) >= free:
            await stage.take(10_000.0)
        stage.handled.extend(items)

    return work


async def left_by_a_killed_process(stage, folder, items, free=0, **settings):
    """Return the acks that a process gave which handled *free* of the items and was killed."""
    stream = stage.stream(hanging(stage, free), overflow=folder, **{"durability": "process", **settings})
    stream.start()
    acks = await stage.put(stream, *items)
    await stage.sleep(1.0)
    killed(stream)
    stage.opened.remove(stream)
    stage.handled.clear()
    return acks


def test_what_was_not_handled_is_delivered_again_under_its_id(play, tmp_path):
    """In order, without waiting for a put."""

    async def story(stage):
        acks = await left_by_a_killed_process(stage, tmp_path / "s", range(10), free=4)
        ids = []

        async def work(item):
            ids.append(ub.current().idempotency_key)
            stage.handled.append(item)

        stream = stage.stream(work, overflow=tmp_path / "s", durability="process")
        stream.start()
        found = stream.get_status().accepted
        await stage.put(stream, "new")
        await stage.drain(stream)
        return found, stage.handled, [ack.id for ack in acks[4:]] == ids[:-1], ids[-1] not in ids[:-1]

    assert (6, [4, 5, 6, 7, 8, 9, "new"], True, True) == play(story)


def test_a_half_acknowledged_batch_is_delivered_from_where_it_was_left(play, tmp_path):
    """What was handled before the process died is not delivered again."""

    async def story(stage):
        await left_by_a_killed_process(stage, tmp_path / "s", range(10), free=4, batch=4)
        stream = stage.stream(overflow=tmp_path / "s", durability="process", batch=4)
        await stage.drain(stream)
        return [item for batch in stage.handled for item in batch]

    assert [4, 5, 6, 7, 8, 9] == play(story)


def test_ids_of_two_processes_are_never_the_same(play, tmp_path):
    """Also for items that the first one kept in memory."""

    async def story(stage):
        first = await left_by_a_killed_process(stage, tmp_path / "s", range(3), durability="memory")
        stream = stage.stream(overflow=tmp_path / "s")
        second = await stage.put(stream, *range(3))
        await stage.drain(stream)
        return len({ack.id for ack in first + second})

    assert 6 == play(story)


def test_closing_writes_down_what_is_only_in_memory(play, tmp_path):
    """Before what had gone to disk already, so that the next process finds all of it in order."""

    async def story(stage):
        stream = stage.stream(hanging(stage), max_buffer=4, overflow=tmp_path / "s")
        acks = await stage.put(stream, *range(10))
        before = stream.get_status()
        closed = await stage.close(stream, 1.0)
        stage.handled.clear()
        ids = []

        async def work(item):
            ids.append(ub.current().idempotency_key)
            stage.handled.append(item)

        stream = stage.stream(work, max_buffer=3, overflow=tmp_path / "s")
        await stage.drain(stream)
        counts = (before.in_memory, before.on_disk), (closed.in_memory, closed.on_disk)
        return counts, stage.handled, ids == [ack.id for ack in acks]

    assert (((4, 6), (0, 10)), list(range(10)), True) == play(story)


def test_a_closed_stream_can_be_opened_again(play, tmp_path):
    """It counts on from where it was."""

    async def story(stage):
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        await stage.put(stream, "a")
        await stage.drain(stream)
        await stage.close(stream)
        with pytest.raises(Rejected, match=r"stream 'stream' is closed: start\(\) opens it again"):
            await stage.put(stream, "b")
        stream.start()
        await stage.put(stream, "c")
        await stage.drain(stream)
        status = stream.get_status()
        return stage.handled, status.accepted, status.handled

    assert (["a", "c"], 2, 2) == play(story)


def test_an_item_that_was_set_aside_just_before_the_end_is_there_once(play, tmp_path, monkeypatch):
    """The letter is written before the line moves on; a process may die in between."""

    async def story(stage):
        async def poison(item):
            raise ValueError(item)

        stream = stage.stream(poison, overflow=tmp_path / "s", durability="process", deliveries=1, retry=ub.Retry(1))
        with monkeypatch.context() as patch:
            patch.setattr(Mark, "write", lambda self, number: None)
            await stage.put(stream, "bad", "worse")
            await stage.drain(stream)
            killed(stream)
        stage.opened.remove(stream)
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        await stage.put(stream, "good")
        await stage.drain(stream)
        status = stream.get_status()
        letters = [letter.item for letter in stream.dead_letters()]
        return stage.handled, letters, status.accepted, status.dead_letter

    assert (["good"], ["bad", "worse"], 3, 2) == play(story)


def test_a_redelivered_item_keeps_its_id_over_processes(play, tmp_path):
    """It stands at another place in the line, and is the same item."""

    async def story(stage):
        async def poison(item):
            raise ValueError(item)

        stream = stage.stream(poison, overflow=tmp_path / "s", durability="process", deliveries=1, retry=ub.Retry(1))
        (ack,) = await stage.put(stream, "a")
        await stage.drain(stream)
        await stage.close(stream)
        await left_by_a_killed_process(stage, tmp_path / "s", ["b"])
        stream = stage.bare(overflow=tmp_path / "s", durability="process")
        await stage.call(stream, "redeliver")
        killed(stream)
        stage.opened.remove(stream)
        seen = {}

        async def work(item):
            seen[item] = ub.current().idempotency_key

        stream = stage.stream(work, overflow=tmp_path / "s", durability="process")
        await stage.drain(stream)
        return list(seen), seen["a"] == ack.id

    assert (["b", "a"], True) == play(story)


def test_damage_costs_the_items_it_hit_and_is_told(play, tmp_path):
    """The others are delivered; the sum still balances."""

    async def story(stage):
        await left_by_a_killed_process(stage, tmp_path / "s", [f"item {n} {'x' * 50}" for n in range(10)])
        damage(tmp_path / "s", b"item 4")
        (path,) = (tmp_path / "s").glob("*.segment")
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        events = []
        stream.on(Quarantined, events.append)
        await stage.drain(stream)
        status = stream.get_status()
        found = [(event.first, event.last, event.file) for event in events]
        return [int(item.split()[1]) for item in stage.handled], found == [(5, 5, path.name)], status.quarantined

    assert ([0, 1, 2, 3, 5, 6, 7, 8, 9], True, 1) == play(story)


def test_what_is_behind_damage_does_not_vouch_for_what_is_before_it(play, tmp_path):
    """A batch ends at a gap: what is in front must be handled first, or is delivered again."""

    async def story(stage):
        await left_by_a_killed_process(stage, tmp_path / "s", [f"item {n} {'x' * 50}" for n in range(10)])
        damage(tmp_path / "s", b"item 4")
        await left_by_a_killed_process(stage, tmp_path / "s", [], batch=10)
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        await stage.drain(stream)
        return [int(item.split()[1]) for item in stage.handled]

    assert [0, 1, 2, 3, 5, 6, 7, 8, 9] == play(story)


def test_damage_at_the_end_is_told_once(play, tmp_path):
    """It is passed for good, also when nothing comes after it."""

    async def story(stage):
        await left_by_a_killed_process(stage, tmp_path / "s", [f"item {n}" for n in range(3)])
        damage(tmp_path / "s", b"item 2")
        found = []
        for _ in range(2):
            stream = stage.stream(overflow=tmp_path / "s", durability="process")
            await stage.drain(stream)
            status = await stage.close(stream)
            found.append((status.accepted, status.handled, status.quarantined))
        return found

    assert [(3, 2, 1), (0, 0, 0)] == play(story)


def damage(folder, what):
    for path in folder.glob("*.segment"):
        content = bytearray(path.read_bytes())
        if what in content:
            content[content.find(what)] ^= 1
            path.write_bytes(content)


def test_what_can_no_longer_be_decoded_is_set_aside(play, tmp_path):
    """With its bytes, for somebody who knows the codec."""

    async def story(stage):
        codec = (lambda item: b"<" + item.encode() + b">", lambda data: data[1:-1].decode())
        await left_by_a_killed_process(stage, tmp_path / "s", ["old"], codec=codec)
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        await stage.put(stream, "new")
        await stage.drain(stream)
        (letter,) = stream.dead_letters()
        return stage.handled, letter.item, letter.error

    assert (["new"], b"<old>", "it cannot be decoded") == play(story)


def test_a_folder_of_another_process_is_refused(play, tmp_path):
    """Two processes must not handle the same items."""

    async def story(stage):
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        await stage.put(stream, "a")
        other = StreamNode(print, overflow=tmp_path / "s")
        with pytest.raises(Exception, match="is in use by process") as caught:
            await stage.put(other, "b")
        return type(caught.value).__name__

    assert "StateOwned" == play(story)


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    """Whatever they are called."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "old.segment").write_text("mine, too")
    with virtual_time():
        stream = StreamNode(print, overflow=tmp_path, durability="process")
        stream.put_sync("a")
        stream.drain_sync()
        stream.aclose_sync()

    assert "mine" == (tmp_path / "notes.txt").read_text()
    assert "mine, too" == (tmp_path / "old.segment").read_text()


def test_a_header_that_is_destroyed_costs_no_items(play, tmp_path):
    """All of them are counted, and handled."""

    async def story(stage):
        await left_by_a_killed_process(stage, tmp_path / "s", [*range(20)])
        (path,) = (tmp_path / "s").glob("*.segment")
        path.write_bytes(bytes(128) + path.read_bytes()[128:])
        stream = stage.stream(overflow=tmp_path / "s", durability="process")
        await stage.drain(stream)
        status = stream.get_status()
        return stage.handled, status.accepted, status.quarantined

    assert ([*range(20)], 20, 0) == play(story)


def test_a_file_that_cannot_be_read_at_all_is_told_until_it_is_taken_away(play, tmp_path):
    """Nobody knows how many items are in it: the counts cannot tell."""

    async def story(stage):
        await left_by_a_killed_process(stage, tmp_path / "s", [*range(20)])
        (path,) = (tmp_path / "s").glob("*.segment")
        path.write_bytes(bytes(128) + path.read_bytes()[128:])
        path.rename(path.with_name(path.name[:31] + ".segment"))
        found = []
        for _ in range(2):
            stream = stage.stream(overflow=tmp_path / "s", durability="process")
            await stage.drain(stream)
            found.append((stream.get_status().health, ".segment.broken" in str(stream.get_status().trouble)))
            await stage.close(stream)
        (aside,) = (tmp_path / "s").glob("*.broken")
        aside.unlink()
        stream.start()
        return found, stream.get_status().health

    assert ([("degraded", True)] * 2, "ok") == play(story)
