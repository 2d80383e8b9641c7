"""Whoever has no handler takes batches, and has dealt with one when they ask for the next."""

from __future__ import annotations

import pytest

from unbreakable.errors import ConfigurationError, Rejected
from unbreakable.nodes import Batching, StreamNode


async def some(stage, stream, count=None):
    """Return the first *count* batches, asking for one more than that if it is None and the stream is closed."""
    seen = []
    if stage.is_async:
        async for batch in stream.batches():
            seen.append(batch)
            if len(seen) == count:
                break
    else:
        for batch in stream.batches_sync():
            seen.append(batch)
            if len(seen) == count:
                break
    return seen


def test_batches_hold_what_is_there(play):
    """Up to the limit, with the ids in the same order."""

    async def story(stage):
        stream = stage.bare(batch=3)
        acks = await stage.put(stream, *range(7))
        batches = await some(stage, stream, 3)
        return batches, [id for batch in batches for id in batch.ids] == [ack.id for ack in acks]

    assert ([[0, 1, 2], [3, 4, 5], [6]], True) == play(story)


def test_a_batch_is_dealt_with_when_the_next_one_is_asked_for(play):
    """One that was left is delivered again."""

    async def story(stage):
        stream = stage.bare(batch=2)
        await stage.put(stream, *range(5))
        first = await some(stage, stream, 2)
        between = stream.get_status()
        second = await some(stage, stream, 2)
        return first, (between.handled, between.in_memory), second

    assert ([[0, 1], [2, 3]], (2, 3), [[2, 3], [4]]) == play(story)


def test_a_batch_can_be_acknowledged_at_once(play):
    """Before the next one is asked for, which may be never."""

    async def story(stage):
        stream = stage.bare(batch=2)
        await stage.put(stream, *range(3))
        (batch,) = await some(stage, stream, 1)
        batch.ack()
        batch.ack()
        handled = stream.get_status().handled
        return handled, await some(stage, stream, 1)

    assert (2, [[2]]) == play(story)


def test_an_older_iterator_is_told_that_it_was_replaced(play):
    """Two consumers would each get a part, in no order."""

    async def story(stage):
        stream = stage.bare(batch=1)
        await stage.put(stream, "a", "b")
        older = stream.batches() if stage.is_async else stream.batches_sync()
        first = await step(stage, older)
        newer = stream.batches() if stage.is_async else stream.batches_sync()
        second = await step(stage, newer)
        with pytest.raises(Rejected, match="go to a newer iterator"):
            await step(stage, older)
        first.ack()
        return first, second, await step(stage, newer), stream.get_status().handled

    assert (["a"], ["a"], ["b"], 1) == play(story)


async def step(stage, iterator):
    return await anext(iterator) if stage.is_async else next(iterator)


def test_iterating_ends_when_the_stream_is_closed(play):
    """After what is only in memory was dealt with."""

    async def story(stage):
        stream = stage.bare(batch=2)
        await stage.put(stream, *range(5))
        seen = []
        iterator = stream.batches() if stage.is_async else stream.batches_sync()
        seen.append(await step(stage, iterator))
        end = await stage.close(stream, 0.0)
        rest = [batch async for batch in iterator] if stage.is_async else list(iterator)
        return seen, end.in_memory, rest

    assert ([[0, 1]], 5, []) == play(story)


def test_nobody_waits_for_an_iterator_that_was_let_go(play):
    """Who has left the loop will not ask again, so the stream is closed at once; who still holds it may."""

    async def story(stage):
        stream = stage.bare(batch=2)
        await stage.put(stream, *range(5))
        seen = await some(stage, stream, 1)
        end = await stage.close(stream)
        return seen, end.in_memory, stage.now()

    assert ([[0, 1]], 5, 0.0) == play(story)


def test_a_batch_waits_for_more_as_long_as_it_may(play):
    """Linger is for readers, too."""

    async def story(stage):
        stream = stage.bare(batch=Batching(3, linger=2.0))
        await stage.put(stream, "a")
        return await some(stage, stream, 1), stage.now()

    assert ([["a"]], 2.0) == play(story)


def test_a_drain_ends_when_a_reader_has_asked_for_the_next(play):
    """What was handed out is not dealt with yet."""

    async def story(stage):
        stream = stage.bare(batch=5)
        await stage.put(stream, *range(3))
        (batch,) = await some(stage, stream, 1)
        before = await stage.drain(stream, 1.0)
        batch.ack()
        return before, await stage.drain(stream, 1.0)

    assert (False, True) == play(story)


def test_a_stream_with_a_handler_has_no_batches():
    """Its items go to the handler."""
    with pytest.raises(ConfigurationError, match=r"batches\(\) is for a stream without one"):
        StreamNode(print).batches()


def test_what_cannot_be_decoded_is_set_aside(play, tmp_path):
    """And the others are handed out."""

    async def story(stage):
        async def left(codec):
            stream = stage.bare(overflow=tmp_path / "s", durability="process", codec=codec)
            await stage.put(stream, "a")
            await stage.close(stream)

        await left((lambda item: b"?", lambda data: "x"))
        await left(None)
        stream = stage.bare(overflow=tmp_path / "s", durability="process")
        batches = await some(stage, stream, 1)
        return batches, [letter.item for letter in stream.dead_letters()]

    assert ([["a"]], [b"?"]) == play(story)


def test_a_batch_that_its_handler_acknowledged_is_not_handled_again(play):
    """Whatever the handler raises after that, and however often it would be tried."""

    async def story(stage):
        async def work(batch):
            stage.handled.append(list(batch))
            batch.ack()
            if batch[0] == 0:
                raise OSError("flaky")

        stream = stage.stream(work, batch=2, effects="idempotent")
        await stage.put(stream, *range(4))
        drained = await stage.drain(stream, 10.0)
        return drained, stage.handled, stream.get_status().handled

    assert (True, [[0, 1], [2, 3]], 4) == play(story)


def test_a_remedy_brings_no_acknowledged_batch_back(play):
    """There is nothing left to be mended."""

    async def story(stage):
        async def work(batch):
            stage.handled.append(list(batch))
            batch.ack()
            raise OSError("flaky")

        stream = stage.stream(work, batch=2, effects="idempotent")
        stream.remedy(OSError)(lambda failure: None)
        await stage.put(stream, 0, 1)
        return await stage.drain(stream, 10.0), stage.handled

    assert (True, [[0, 1]]) == play(story)
