"""Memory has a limit, and whoever comes when it is reached waits their turn."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import BufferFull
from unbreakable.nodes import StreamNode
from unbreakable.runtime import ASYNCIO, run_blocking
from unbreakable.testing import virtual_time


def slow(stage, seconds=1.0):
    """Return a handler that takes its time, and notes what it handled."""

    async def work(item):
        await stage.take(seconds)
        stage.handled.append(item)

    return work


def test_put_waits_until_an_item_was_handled(play):
    """The place of an item is free when it is handled, and not when it is taken."""

    async def story(stage):
        stream = stage.stream(slow(stage, 0.7), max_buffer=2)
        times = []
        for item in range(5):
            await stage.put(stream, item)
            times.append(stage.now())
        await stage.drain(stream)
        return times, stage.handled

    assert ([0.0, 0.0, 0.7, 1.4, 2.1], [0, 1, 2, 3, 4]) == play(story)


def test_there_are_never_more_in_memory_than_allowed(play):
    """Whoever looks, at whatever moment."""

    async def story(stage):
        seen = []

        async def work(item):
            seen.append(stream.get_status().in_memory)
            await stage.take(0.1)

        stream = stage.stream(work, max_buffer=3)
        await stage.put(stream, *range(20))
        await stage.drain(stream)
        return max(seen), stream.get_status().handled

    assert (3, 20) == play(story)


def test_a_put_that_may_not_wait_is_refused_before_its_ack(play):
    """What was refused is not there; the error says what is in the way."""

    async def story(stage):
        stream = stage.stream(slow(stage), max_buffer=1)
        await stage.put(stream, "a")
        with pytest.raises(BufferFull, match=r"no room within 0\.000 s: 1 items wait to be handled"):
            await stage.put(stream, "b", wait=0)
        with pytest.raises(BufferFull, match=r"within 0\.250 s"):
            await stage.put(stream, "c", wait=0.25)
        await stage.drain(stream)
        return stage.handled, stream.get_status().accepted

    assert (["a"], 1) == play(story)


def test_a_put_waits_no_longer_than_the_call_around_it(play):
    """The deadline of whoever puts is kept."""

    async def story(stage):
        stream = stage.stream(slow(stage, 9.0), max_buffer=1)
        await stage.put(stream, "a")

        async def offer():
            await stage.put(stream, "b")

        node = ub.FractalNode("caller", deadline=2.0, retry=False)
        if stage.is_async:
            outcome = await node.execute(offer)
        else:
            outcome = node.execute_sync(lambda: run_blocking(offer()))
        return type(outcome.error).__name__, stage.now(), stream.get_status().accepted

    error, *rest = play(story)

    assert [2.0, 1] == rest
    assert error in {"BufferFull", "DeadlineExceeded"}


def test_a_handler_that_puts_into_its_own_full_stream_is_told(play):
    """It would wait for itself."""

    async def story(stage):
        told = []

        async def work(item):
            try:
                await stage_put(item + 1)
            except BufferFull as error:
                told.append(str(error))

        async def stage_put(item):
            if stage.handles_async:
                await stream.put(item)
            else:
                stream.put_sync(item)

        stream = stage.stream(work, max_buffer=1)
        await stage.put(stream, 1)
        await stage.drain(stream)
        return told

    assert ["no room within 0.000 s: 1 items wait to be handled"] == play(story)


@pytest.mark.parametrize("verb", ["drain", "aclose", "process_stream"])
def test_a_handler_cannot_wait_for_its_own_end(play, verb):
    """Nor can it close the stream around itself."""

    async def story(stage):
        told = []

        async def work(item):
            arguments = ([1],) if verb == "process_stream" else ()
            try:
                if stage.handles_async:
                    await getattr(stream, verb)(*arguments)
                else:
                    getattr(stream, f"{verb}_sync")(*arguments)
            except RuntimeError as error:
                told.append(str(error))

        stream = stage.stream(work)
        await stage.put(stream, 1)
        await stage.drain(stream)
        return told

    assert ["stream: its own handler, or the event loop that it runs on, would wait for itself"] == play(story)


def test_sync_verbs_do_not_block_the_event_loop_that_handles():
    """They would wait for what they hold up."""

    async def story():
        async with StreamNode(ASYNCIO.sleep, max_buffer=1) as stream:
            await stream.put(1)
            with pytest.raises(BufferFull):
                stream.put_sync(2)
            with pytest.raises(RuntimeError, match="would wait for itself"):
                stream.drain_sync()
            with pytest.raises(RuntimeError, match="would wait for itself"):
                stream.aclose_sync()

    with virtual_time():
        asyncio.run(story())


# ── who waits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_waits_longest_comes_first():
    """Also when places become free one at a time, and newcomers arrive meanwhile."""

    async def story():
        handled = []

        async def work(item):
            await ASYNCIO.sleep(1.0)
            handled.append(item)

        async with StreamNode(work, max_buffer=1) as stream:
            waiting = [asyncio.ensure_future(stream.put(item)) for item in range(6)]
            await ASYNCIO.sleep(2.5)
            await stream.put("late")
            await asyncio.gather(*waiting)
            await stream.drain()
        return handled

    with virtual_time():
        assert [0, 1, 2, 3, 4, 5, "late"] == asyncio.run(story())


def test_room_goes_to_who_stands_in_line_and_not_to_who_comes_by():
    """Also in the moment before the first in line has noticed."""

    async def story():
        async with StreamNode(max_buffer=1, batch=1) as stream:
            await stream.put("a")
            waiting = asyncio.ensure_future(stream.put("b"))
            await ASYNCIO.sleep(1.0)
            batches = stream.batches()
            (await anext(batches)).ack()
            with pytest.raises(BufferFull):
                await stream.put("c", wait=0)
            passing = asyncio.ensure_future(stream.put("d", wait=0.1))
            await waiting
            with pytest.raises(BufferFull):
                await passing
            return await anext(batches)

    with virtual_time():
        assert ["b"] == asyncio.run(story())


def test_a_put_that_is_cancelled_while_it_waits_was_not_accepted():
    """And whoever stands behind it gets the place."""

    async def story():
        handled = []

        async def work(item):
            await ASYNCIO.sleep(1.0)
            handled.append(item)

        async with StreamNode(work, max_buffer=1) as stream:
            await stream.put("a")
            gone, stays = asyncio.ensure_future(stream.put("gone")), asyncio.ensure_future(stream.put("stays"))
            await ASYNCIO.sleep(0.5)
            waiting = stream.get_status().waiting
            gone.cancel()
            await stays
            await stream.drain()
            return waiting, stream.get_status().waiting, handled, stream.get_status().accepted

    with virtual_time():
        assert (2, 0, ["a", "stays"], 2) == asyncio.run(story())


def test_the_line_itself_has_a_limit(monkeypatch):
    """A herd of puts that wait is refused rather than kept."""
    monkeypatch.setattr("unbreakable.nodes.streaming.line.MOST_IN_LINE", 3)

    async def story():
        async with StreamNode(ASYNCIO.sleep, max_buffer=1) as stream:
            results = await asyncio.gather(*(stream.put(1) for _ in range(6)), return_exceptions=True)
            return [type(result).__name__ for result in results]

    with virtual_time():
        assert ["Ack", "Ack", "Ack", "Ack", "BufferFull", "BufferFull"] == asyncio.run(story())
