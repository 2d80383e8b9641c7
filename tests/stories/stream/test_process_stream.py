"""Whatever can be iterated over goes through a stream in one call."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, Rejected
from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def test_the_summary_says_what_became_of_the_items(play):
    """Of these, and not of others that are put meanwhile or were before."""

    async def story(stage):
        async def work(item):
            if item % 10 == 3:
                raise ValueError(item)
            stage.handled.append(item)

        stream = stage.stream(work, deliveries=1, retry=ub.Retry(1), max_buffer=4)
        await stage.put(stream, 103, 104)
        summary = await stage.call(stream, "process_stream", range(20))
        return summary.to_dict() | {"elapsed": 0}, len(stage.handled), stream.get_status().dead_letter

    summary, handled, dead = play(story)

    assert {"accepted": 20, "handled": 18, "dead_letter": 2, "quarantined": 0, "elapsed": 0} == summary
    assert (19, 3) == (handled, dead)


def test_items_come_no_faster_than_they_are_handled(play):
    """An endless source is no danger to the memory."""

    async def story(stage):
        asked, most = [], []

        def source():
            for number in range(30):
                asked.append(number)
                yield number

        async def work(item):
            most.append(len(asked) - item)
            await stage.take(0.1)

        stream = stage.stream(work, max_buffer=3)
        await stage.call(stream, "process_stream", source())
        return max(most)

    assert 5 >= play(story)


def test_async_sources_are_iterated_over_as_they_come():
    """In async code; sync code is told."""
    handled = []

    async def source():
        for number in range(3):
            await ASYNCIO.sleep(1.0)
            yield number

    async def story():
        async with StreamNode(handled.append) as stream:
            return await stream.process_stream(source())

    with virtual_time() as clock:
        assert 3 == asyncio.run(story()).handled
        assert ([0, 1, 2], 3.0) == (handled, clock.now())
        with pytest.raises(ConfigurationError, match="a plain iterable in sync code"):
            StreamNode(handled.append).process_stream_sync(source())


def test_a_source_that_fails_raises_its_own_error_with_a_note(play):
    """What had been put stays accepted, and is handled."""

    async def story(stage):
        def source():
            yield "a"
            yield "b"
            raise LookupError("gone")

        stream = stage.stream()
        with pytest.raises(LookupError, match="gone") as caught:
            await stage.call(stream, "process_stream", source())
        await stage.drain(stream)
        return caught.value.__notes__, stage.handled

    notes, handled = play(story)

    assert ["unbreakable: stream failed in process_stream; 2 items stay accepted"] == notes
    assert ["a", "b"] == handled


def test_what_cannot_be_iterated_over_is_refused():
    """With what was expected."""
    with virtual_time(), pytest.raises(ConfigurationError, match="items must be something to iterate over"):
        StreamNode(print).process_stream_sync(12)


def test_two_sources_at_once_are_counted_apart():
    """Their items are mixed in the line."""

    async def work(item):
        await ASYNCIO.sleep(0.01)
        if item in {5, 105, 110}:
            raise ValueError(item)

    async def story():
        async with StreamNode(work, deliveries=1, retry=ub.Retry(1), max_buffer=2) as stream:
            return await asyncio.gather(stream.process_stream(range(10)), stream.process_stream(range(100, 120)))

    with virtual_time():
        first, second = asyncio.run(story())

    assert (10, 9, 1) == (first.accepted, first.handled, first.dead_letter)
    assert (20, 18, 2) == (second.accepted, second.handled, second.dead_letter)


# ── closed meanwhile ────────────────────────────────────────────────────────────────────────────────────────────────


def slow(stage):
    async def work(item):
        await stage.take(1.0)
        stage.handled.append(item)

    return work


def test_a_stream_that_is_closed_meanwhile_says_nothing_that_is_not_so(play, tmp_path):
    """The items are not counted as handled: whoever asked is told that they are not."""

    async def story(stage):
        stream = stage.stream(slow(stage), overflow=tmp_path / "s", durability="process")
        with pytest.raises(Rejected, match="closed before all of its items were handled"):
            await closing_meanwhile(stage, stream)
        return stream.get_status().on_disk, len(stage.handled)

    on_disk, handled = play(story)

    assert (20, True) == (on_disk + handled, handled in {2, 3})


def test_a_stream_in_memory_that_is_closed_meanwhile_says_so_too(play):
    """What is left is there when it is opened again."""

    async def story(stage):
        stream = stage.stream(slow(stage))
        with pytest.raises(Rejected, match="closed before") as raised:
            await closing_meanwhile(stage, stream)
        stream.start()
        await stage.drain(stream)
        return raised.value.__notes__, sorted(set(stage.handled))

    notes, handled = play(story)

    assert ["unbreakable: stream failed in process_stream; 20 items stay accepted"] == notes
    assert list(range(20)) == handled


def test_a_stream_that_is_opened_again_meanwhile_is_waited_for(play, tmp_path):
    """The same items are handled under the same numbers, and the summary is of all."""

    async def story(stage):
        stream = stage.stream(slow(stage), overflow=tmp_path / "s", durability="process")
        summary = await closing_meanwhile(stage, stream, again=True)
        return summary.handled, sorted(set(stage.handled))

    assert (20, list(range(20))) == play(story)


async def closing_meanwhile(stage, stream, *, again=False):
    """Let a stream be closed 2.5 s after it was given 20 items to process."""

    async def close():
        await stage.runtime.sleep(2.5)
        await stage.close(stream, 0.0)
        if again:
            stream.start()

    return await stage.beside(close(), stage.call(stream, "process_stream", range(20)))
