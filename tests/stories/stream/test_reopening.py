"""A stream that is closed and opened again, perhaps at once, is another one for whoever worked with it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.lines import in_time

from unbreakable.errors import BufferFull, Rejected
from unbreakable.nodes import StreamNode
from unbreakable.nodes.streaming import life
from unbreakable.nodes.streaming.aside import DeadLetters
from unbreakable.policies import Retry
from unbreakable.runtime import BLOCKING, run_blocking

LEVELS = ["in memory", "memory", "process", "durable"]


def settings(tmp_path, level):
    if level == "in memory":
        return {"max_buffer": 2}
    return {"max_buffer": 2, "overflow": tmp_path / "s", "durability": level, "max_overflow_bytes": 65_536}


@pytest.mark.parametrize("level", LEVELS)
def test_puts_that_wait_are_refused_though_it_is_opened_again_at_once(play, tmp_path, level):
    """They would wait for room in what is closed, for ever, or be taken in or not as it happens."""

    async def story(stage):
        stream, told, begun = stage.bare(**settings(tmp_path, level)), [], []
        with contextlib.suppress(BufferFull):
            while True:
                await stage.put(stream, "x" * 2_000, wait=0.0)

        async def put():
            with pytest.raises(Rejected, match="'stream' was closed"):
                await stage.put(stream, "y" * 2_500)
            told.append(stage.now())

        for _ in range(5):
            if stage.is_async:
                begun.append(asyncio.ensure_future(put()))
            else:
                BLOCKING.world.spawn(lambda: run_blocking(put()), "beside")
        began = stage.now()
        await stage.sleep(1.1)
        await stage.close(stream, 0.0)
        stream.start()
        await stage.sleep(30.0)
        return [round(moment - began, 3) for moment in told], stream.get_status().waiting

    assert ([1.1] * 5, 0) == play(story)


def test_dead_letters_in_memory_are_there_when_it_is_opened_again(play):
    """They are counted once, and can be redelivered."""

    async def story(stage):
        wrong = [ValueError()]

        async def work(item):
            if wrong:
                raise wrong[0]
            stage.handled.append(item)

        stream = stage.stream(work, deliveries=1, retry=Retry(1))
        await stage.put(stream, "a", "b")
        await stage.drain(stream)
        await stage.close(stream)
        stream.start()
        before = stream.get_status()
        wrong.clear()
        count = await stage.call(stream, "redeliver")
        await stage.put(stream, "c")
        await stage.drain(stream)
        after = stream.get_status()
        return (before.accepted, before.dead_letter), count, stage.handled, (after.accepted, after.dead_letter)

    assert ((2, 2), 2, ["a", "b", "c"], (3, 0)) == play(story)


@pytest.mark.parametrize("level", ["in memory", "process"])
def test_letters_are_not_redelivered_into_what_was_opened_meanwhile(tmp_path, monkeypatch, level):
    """Each would be delivered, and stay among the dead letters as one that cannot be read."""
    wrong, handled = [ValueError()], []

    def handle(item):
        if wrong:
            raise wrong[0]
        handled.append(item)

    stream = StreamNode(handle, deliveries=1, retry=Retry(1), **settings(tmp_path, level))
    for item in "ab":
        stream.put_sync(item)
    stream.drain_sync()
    wrong.clear()
    real = DeadLetters.remove

    def remove(letters, name):
        real(letters, name)
        monkeypatch.setattr(DeadLetters, "remove", real)
        stream.aclose_sync()
        stream.start()

    monkeypatch.setattr(DeadLetters, "remove", remove)
    with pytest.raises(Rejected):
        stream.redeliver_sync()
    stream.drain_sync()

    assert (["a"], ["b"]) == (handled, [letter.item for letter in stream.dead_letters()])
    assert (1, True) == (stream.redeliver_sync(), stream.drain_sync())
    assert (2, 2) == (stream.aclose_sync().handled, len(handled))


@pytest.mark.real
def test_it_is_consumed_though_it_was_opened_again_as_its_consumer_began(tmp_path):
    """The consumer would take from what is closed."""
    handled = []
    stream = StreamNode(handled.append, overflow=tmp_path)
    real = stream._life._consume

    def consume(*args):
        stream._life._consume = real
        stream.aclose_sync()
        stream._life.reopen()
        real(*args)

    stream._life._consume = consume
    with pytest.raises(Rejected):
        stream.put_sync(1)
    stream.put_sync(2)

    assert stream.drain_sync(20.0)
    assert [2] == handled
    stream.aclose_sync()


@pytest.mark.real
def test_batches_end_though_it_is_closed_as_they_begin(monkeypatch):
    """Nobody would tell their reader."""
    stream, real = StreamNode(), life.Taking

    def taking(*args):
        monkeypatch.setattr(life, "Taking", real)
        stream.aclose_sync()
        return real(*args)

    monkeypatch.setattr(life, "Taking", taking)

    assert [] == in_time(lambda: list(stream.batches_sync()))
