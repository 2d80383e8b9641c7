"""A stream ends within its grace, and says what is left."""

from __future__ import annotations

import asyncio
import math

import pytest

from unbreakable.errors import ConfigurationError, Rejected
from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def slow(stage, seconds=1.0):
    async def work(item):
        await stage.take(seconds)
        stage.handled.append(item)

    return work


def test_what_is_only_in_memory_is_waited_for(play):
    """Within ten seconds, unless told otherwise."""

    async def story(stage):
        stream = stage.stream(slow(stage))
        await stage.put(stream, "a", "b", "c")
        end = await stage.close(stream)
        return stage.handled, stage.now(), end.in_memory, end.is_closed, end.is_consuming

    assert (["a", "b", "c"], 3.0, 0, True, False) == play(story)


def test_what_is_left_after_the_grace_is_counted_and_told(play, caplog):
    """It is still there, should the stream be opened again."""

    async def story(stage):
        stream = stage.stream(slow(stage, 2.0))
        await stage.put(stream, *range(6))
        end = await stage.close(stream, 5.0)
        handled = len(stage.handled)
        stream.start()
        await stage.drain(stream)
        return end.in_memory, handled, set(stage.handled), stream.get_status().accepted

    left, handled, all_handled, accepted = play(story)

    assert (6, 6) == (left + handled, accepted)
    assert left in {3, 4}
    assert set(range(6)) == all_handled
    assert f"stream 'stream': {left} items are left in memory only" in caplog.text


def test_what_is_on_disk_is_not_waited_for(play, tmp_path):
    """The next process will do it; the item that is being handled has the grace."""

    async def story(stage):
        stream = stage.stream(slow(stage), overflow=tmp_path / "s", durability="process")
        await stage.put(stream, *range(50))
        await stage.sleep(2.5)
        end = await stage.close(stream)
        return stage.now(), stage.handled, end.on_disk

    assert (3.0, [0, 1, 2], 47) == play(story)


def test_a_handler_that_does_not_end_is_cancelled_and_its_item_kept():
    """Where it can be cancelled: on an event loop."""
    ends = []

    async def hang(item):
        try:
            await ASYNCIO.sleep(10_000)
        except asyncio.CancelledError:
            ends.append(item)
            raise

    async def story():
        stream = StreamNode(hang)
        await stream.put("a")
        end = await stream.aclose(5.0)
        return end.in_memory

    with virtual_time() as clock:
        assert 1 == asyncio.run(story())
        assert (["a"], 5.0) == (ends, clock.now())


def test_a_thread_that_does_not_end_is_left_behind(play):
    """What it does afterwards counts for nothing: the item is delivered again."""

    async def story(stage):
        if stage.handles_async:
            return ["a", "a"]
        stream = stage.stream(slow(stage, 100.0))
        await stage.put(stream, "a")
        end = await stage.close(stream, 5.0)
        assert 1 == end.in_memory
        stream.start()
        await stage.drain(stream)
        return stage.handled

    assert ["a", "a"] == play(story)


def test_puts_that_wait_when_the_stream_is_closed_are_refused():
    """They were not accepted, and are told so at once."""

    async def story():
        stream = StreamNode(ASYNCIO.sleep, max_buffer=1)
        await stream.put(3.0)
        told = []

        async def put():
            with pytest.raises(Rejected, match="stream 'stream' was closed"):
                await stream.put(0.0)
            told.append(clock.now())

        waiting = [asyncio.ensure_future(put()) for _ in range(3)]
        await ASYNCIO.sleep(1.1)
        end = await stream.aclose()
        await asyncio.gather(*waiting)
        return told, end.accepted, end.handled

    with virtual_time() as clock:
        assert ([1.1] * 3, 1, 1) == asyncio.run(story())


def test_closing_twice_or_before_the_first_item_is_harmless(play):
    """And takes no time."""

    async def story(stage):
        stream = stage.stream()
        first = await stage.close(stream)
        second = await stage.close(stream)
        with pytest.raises(Rejected):
            await stage.put(stream, "a")
        return first.accepted, second.accepted, stage.now()

    assert (0, 0, 0.0) == play(story)


def test_a_context_manager_begins_and_ends_it(tmp_path):
    """Items of an earlier process are handled from the start."""
    handled = []

    async def before():
        async with StreamNode(overflow=tmp_path, durability="process") as stream:
            await stream.put("left")

    async def after():
        async with StreamNode(handled.append, overflow=tmp_path, durability="process") as stream:
            await stream.drain()

    with virtual_time():
        asyncio.run(before())
        asyncio.run(after())

    assert ["left"] == handled


def test_a_consumer_that_was_cancelled_from_outside_is_begun_anew():
    """Its item is delivered again, by the next put or drain."""
    handled = []

    async def work(item):
        await ASYNCIO.sleep(1.0)
        handled.append(item)

    async def story():
        stream = StreamNode(work)
        await stream.put("a")
        await ASYNCIO.sleep(0.5)
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "unbreakable loop stream")
        task.cancel()
        await ASYNCIO.sleep(0.5)
        between = stream.get_status()
        await stream.drain()
        await stream.aclose()
        return between.is_consuming, between.in_memory

    with virtual_time():
        assert (False, 1) == asyncio.run(story())
    assert ["a"] == handled


def test_a_stream_outlives_the_event_loop_that_began_to_consume():
    """The next one goes on."""
    handled = []

    async def work(item):
        await ASYNCIO.sleep(1.0)
        handled.append(item)

    stream = StreamNode(work)

    async def first():
        await stream.put("a")
        await stream.put("b")
        await ASYNCIO.sleep(1.5)

    async def second():
        await stream.put("c")
        await stream.drain()
        await stream.aclose()

    with virtual_time():
        asyncio.run(first())
        asyncio.run(second())

    assert ["a", "b", "c"] == handled


def test_draining_gives_up_when_it_is_told_to(play):
    """And says so."""

    async def story(stage):
        stream = stage.stream(slow(stage, 10.0))
        await stage.put(stream, "a")
        drained = await stage.drain(stream, 3.0)
        return drained, stage.now()

    assert (False, 3.0) == play(story)


def test_cancelling_the_closing_lets_go_of_the_folder(tmp_path):
    """Whoever comes next can have it."""

    async def story():
        stream = StreamNode(ASYNCIO.sleep, overflow=tmp_path, durability="process")
        await stream.put(100.0)
        closing = asyncio.ensure_future(stream.aclose(50.0))
        await ASYNCIO.sleep(1.0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        async with StreamNode(overflow=tmp_path) as other:
            await ASYNCIO.sleep(0.1)
            left = [task for task in asyncio.all_tasks() if task.get_name() == "unbreakable loop stream"]
            return other.get_status().on_disk, left

    with virtual_time():
        assert (1, []) == asyncio.run(story())


def test_who_drains_while_the_stream_is_closed_is_told_how_it_ended():
    """True when everything was handled in time, False when not."""

    async def story(grace):
        stream = StreamNode(ASYNCIO.sleep)
        for _ in range(4):
            await stream.put(1.0)
        draining = asyncio.ensure_future(stream.drain())
        await ASYNCIO.sleep(0.5)
        await stream.aclose(grace)
        return await draining

    with virtual_time():
        assert asyncio.run(story(10.0))
    with virtual_time():
        assert not asyncio.run(story(1.0))


def test_a_thread_that_is_left_behind_sets_nothing_aside(play, tmp_path):
    """The folder may be another process's by then."""

    async def story(stage):
        if stage.handles_async:
            return []

        async def work(item):
            await stage.take(100.0)
            raise ValueError(item)

        stream = stage.stream(work, overflow=tmp_path / "s", deliveries=1, retry=False)
        await stage.put(stream, "a")
        await stage.close(stream, 1.0)
        await stage.sleep(200.0)
        return list((tmp_path / "s" / "dead").iterdir())

    assert [] == play(story)


def test_a_drain_within_no_number_is_refused(play):
    """It would not end."""

    async def story(stage):
        for wrong in (math.nan, -1, "1"):
            with pytest.raises(ConfigurationError, match="within must be 0 or more seconds"):
                await stage.drain(stage.stream(), wrong)

    play(story)
