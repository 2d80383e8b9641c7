"""Generators of both colours: an item that was handed on is never taken back, and no source is left open."""

from __future__ import annotations

import asyncio

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.peer import Breaker, Retry
from tests.torture.matrix.target import end_of


class Source:
    """A source of the items 0, 1, 2, which fails a few times, each time after so many items."""

    def __init__(self, failures=0, after=0):
        self.failures, self.after, self.opened, self.closed = failures, after, 0, 0

    def _step(self, number):
        if self.failures and number == self.after:
            self.failures -= 1
            raise OSError("the line went dead")

    async def items(self):
        """Yield the items."""
        self.opened += 1
        try:
            for number in range(3):
                await asyncio.sleep(0.01)
                self._step(number)
                yield number
        finally:
            await asyncio.sleep(0)  # to be closed by whoever forgets it is not enough
            self.closed += 1

    def plain_items(self):
        """Yield the items, in plain code."""
        self.opened += 1
        try:
            for number in range(3):
                self._step(number)
                yield number
        finally:
            self.closed += 1


async def read(stream):
    """Return the items of *stream*, and the error that it ends in."""
    items = []
    try:
        async for item in stream:
            items.append(item)  # noqa: PERF401 - what came before the error counts
    except Exception as error:
        return items, type(error)
    return items, None


def read_plain(stream):
    """Return the items of *stream*, and the error that it ends in."""
    items = []
    try:
        items.extend(stream)
    except Exception as error:
        return items, type(error)
    return items, None


@behaviour(
    "generators are let be",
    "        return guard(function, name or own, options)\n",
    "        return function\n",
)
async def generators_are_not_left_alone(peer):
    """A generator function is guarded, or refused when it is decorated, but not passed through in silence."""
    source = Source(failures=2)
    try:
        door = peer.protect(source.items, retry=Retry(3, 0.0))
    except TypeError:
        return

    assert ([0, 1, 2], None) == await read(door())


@behaviour(
    "generators have one attempt",
    '    given["hedge"] = _no_hedge(name, options)\n',
    '    given["hedge"], given["retry"] = _no_hedge(name, options), False\n',
)
async def streams_are_retried_before_the_first_item(peer):
    """A stream that fails before its first item is opened again."""
    source = Source(failures=2)
    door = peer.stream(source.items, Retry(3, 0.0))

    assert ([0, 1, 2], None) == await read(door())
    assert 3 == source.opened


@behaviour(
    "generators have one attempt",
    '    given["hedge"] = _no_hedge(name, options)\n',
    '    given["hedge"], given["retry"] = _no_hedge(name, options), False\n',
)
def plain_streams_are_retried_before_the_first_item(peer):
    """A plain generator that fails before its first item is opened again."""
    source = Source(failures=2)
    door = peer.stream(source.plain_items, Retry(3, 0.0))

    assert ([0, 1, 2], None) == read_plain(door())
    assert 3 == source.opened


@behaviour(
    "begun again, from the start",
    "            await stream.step_async(stream.items.asend, given)\n",
    "            try:\n"
    "                await stream.step_async(stream.items.asend, given)\n"
    "            except OSError:\n"
    "                async for item in stream.function():\n"
    "                    yield item\n",
)
async def streams_are_not_restarted(peer):
    """A stream that fails in the middle hands on its error, and no item twice."""
    source = Source(failures=1, after=2)
    door = peer.stream(source.items, Retry(3, 0.0))

    assert ([0, 1], OSError) == await read(door())


@behaviour(
    "begun again, from the start",
    "            stream.step(stream.items.send, given)\n",
    "            try:\n"
    "                stream.step(stream.items.send, given)\n"
    "            except OSError:\n"
    "                yield from stream.function()\n",
)
def plain_streams_are_not_restarted(peer):
    """A plain generator that fails in the middle hands on its error, and no item twice."""
    source = Source(failures=1, after=2)
    door = peer.stream(source.plain_items, Retry(3, 0.0))

    assert ([0, 1], OSError) == read_plain(door())


@behaviour(
    "sources are left to the collector",
    "            await self.items.aclose()\n",
    "            pass\n",
)
async def closed_streams_close_their_source(peer):
    """Whoever closes a stream after its first item has closed its source."""
    source = Source()
    stream = peer.stream(source.items, Retry(3, 0.0))()
    first = await anext(stream)
    await stream.aclose()

    assert (0, 1, 1) == (first, source.opened, source.closed)


@behaviour(
    "a cancellation is a failure",
    "            await self._end_async(items, error)\n            raise\n",
    "            await self._end_async(items, error)\n            raise OSError from error\n",
)
async def cancelled_streams_are_not_opened_again(peer):
    """A stream whose reader is cancelled while it waits for the first item ends, and closes its source."""
    opened, closed = [], []

    async def items():
        opened.append(1)
        try:
            await asyncio.sleep(30.0)
            yield 0
        finally:
            closed.append(1)

    reader = asyncio.ensure_future(read(peer.stream(items, Retry(3, 0.0, on=Exception))()))
    await asyncio.sleep(0.05)
    reader.cancel()
    await asyncio.wait({reader})

    assert (True, 1, 1) == (reader.cancelled(), len(opened), len(closed))


@behaviour(
    "the circuit hears of first items alone",
    "        self._tell(verdict(failure, scope))\n",
    "        self._tell(True)\n",
)
async def failing_streams_open(peer):
    """Streams that fail in the middle open the circuit."""
    source = Source(failures=9, after=2)
    door = peer.stream_breaker(source.items, Breaker(3, 10.0))
    for _ in range(3):
        assert ([0, 1], OSError) == await read(door())
    ended = await end_of(read(door()))

    assert (3, []) == (source.opened, ended[0])
