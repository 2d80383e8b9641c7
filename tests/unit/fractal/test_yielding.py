"""A block with a yield in it is told from one beside which items are handed on."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

other, sleep = contextlib.nullcontext, ASYNCIO.sleep


async def soon(value=None):
    await sleep(0.0)
    return value


async def numbers():
    yield 1
    yield 2


async def at_once():
    async for attempt in ub.attempts("block"):
        async with attempt:
            yield 1


async def in_a_loop():
    async for attempt in ub.attempts("block"):
        async with attempt as begun:
            while True:
                if await soon(begun.number > 1):
                    break
                yield 1


async def in_a_try():
    async for attempt in ub.attempts("block"):
        async with attempt:
            try:
                await soon()
                yield 1
            finally:
                await soon()


async def in_a_handler():
    async for attempt in ub.attempts("block"):
        async with attempt:
            try:
                raise LookupError
            except LookupError:
                yield 1


async def in_a_finally():
    async for attempt in ub.attempts("block"):
        async with attempt:
            try:
                await soon()
            finally:
                yield 1


async def in_an_else():
    async for attempt in ub.attempts("block"):
        async with attempt:
            try:
                raise LookupError
            except* LookupError:
                pass
            else:
                pass
            yield 1


async def among_other_blocks():
    with other():
        async for attempt in ub.attempts("block"):
            async with other(), attempt, other():
                with other():
                    _ = yield 1


async def after_the_block():
    async for attempt in ub.attempts("block"):
        async with attempt:
            item = await soon(1)
        yield item
    yield 2


async def before_it_and_after_it_in_other_blocks():
    async with other():
        yield 1
        try:
            async for attempt in ub.attempts("block"):
                async with other(), attempt:
                    await soon()
            async with other():
                yield 2
        finally:
            await soon()


async def before_the_block():
    async with other():
        yield 1
    async with other():
        yield 2
    async for attempt in ub.attempts("block"):
        async with attempt:
            await soon()


async def after_the_block_in_one_around_it():
    async for attempt in ub.attempts("block"):
        async with other():
            async with attempt:
                await soon()
            yield 1
            yield 2


async def after_an_empty_block():
    async for attempt in ub.attempts("block"):
        async with attempt:
            pass
    with other():
        yield 1
    async with other():
        yield 2


async def after_a_block_that_is_left():
    async for attempt in ub.attempts("block"):
        async with attempt:
            if await soon(True):
                break
    async with other():
        yield 1
        yield 2


async def of_others_that_are_read_in_it():
    async for attempt in ub.attempts("block"):
        async with attempt:

            def inner():
                yield from (1, 2)

            found = [item async for item in numbers()]
            async for item in numbers():
                assert item in found
            items = inner()
    for item in items:
        yield item


async def in_a_plain_block():
    for attempt in ub.attempts("block"):
        with attempt:
            yield 1
            yield 2


REFUSED = [at_once, in_a_loop, in_a_try, in_a_handler, in_a_finally, in_an_else, among_other_blocks]
FINE = [
    after_the_block,
    before_it_and_after_it_in_other_blocks,
    before_the_block,
    after_the_block_in_one_around_it,
    after_an_empty_block,
    after_a_block_that_is_left,
    of_others_that_are_read_in_it,
    in_a_plain_block,
]


async def read(items):
    return [item async for item in items()]


@pytest.fixture(params=["as it is", "traced"])
def traced(request):
    """Have a debugger, or a measurement of coverage, look at each line, or nobody."""
    before = sys.gettrace()
    if request.param == "traced":
        sys.settrace(lambda *_: lambda *_: None)
    yield
    sys.settrace(before)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("items", REFUSED)
def test_a_yield_in_a_block_is_refused_when_the_block_begins(items):
    """The error says what to do; nothing is handed on, and nobody is left in the block."""

    async def story():
        with pytest.raises(RuntimeError, match=r"^block: a yield in the block .* yield after the block, or take no"):
            await read(items)
        return ub.current()

    assert asyncio.run(story()) is None


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("items", FINE)
def test_a_yield_beside_a_block_is_let_be(items):
    """What is handed on outside of it, by others, or from a plain block, which cuts nobody, is none of its business."""
    assert [1, 2] == asyncio.run(read(items))


def test_a_session_of_a_block_is_refused_before_its_consumer_could_be_cut():
    """With ``asynccontextmanager`` the deadline of the block cut whoever was in the session by then."""

    @contextlib.asynccontextmanager
    async def session():
        async for attempt in ub.attempts("session", bulkhead=ub.Bulkhead(1)):
            async with attempt:
                nodes.append(attempt.context.node)
                yield "connection"

    async def story():
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"@ub\.protect on the generator"):
                async with session():
                    raise AssertionError("nobody gets in")
        return asyncio.current_task().cancelling(), ub.current()

    nodes = []
    with virtual_time():
        assert (0, None) == asyncio.run(story())
    assert [] == nodes


@pytest.mark.parametrize("guards", [ub.protect, None], ids=["protected", "plain"])
def test_a_generator_that_fetches_in_a_block_and_yields_after_it_repeats_what_it_fetches(guards):
    """So the error says, and its consumer may take all the time in the world."""
    tries = []

    async def pages():
        for number in range(2):
            async for attempt in ub.attempts("page", retry=ub.Retry(2, backoff=ub.Backoff(0.0))):
                async with attempt:
                    tries.append(number)
                    if len(tries) == 2:
                        raise ConnectionError("once more")
            yield number

    async def story():
        came = []
        async for page in (guards("pages")(pages) if guards else pages)():
            came.append((page, ub.current()))
            await sleep(100.0)
        return came

    with virtual_time():
        assert [(0, None), (1, None)] == asyncio.run(story())
    assert [0, 1, 1] == tries


def test_a_context_manager_around_each_attempt_of_a_loop_may_yield_in_its_block():
    """Whoever is in it has the loop: he is cut where he is, and what he raises is repeated."""
    numbers_of_attempts = []

    @contextlib.asynccontextmanager
    async def logged(attempt):
        async with attempt:
            numbers_of_attempts.append(attempt.number)
            yield

    async def story(seconds):
        async for attempt in ub.attempts("block", deadline=5.0):
            async with logged(attempt):
                if attempt.number < 3:
                    raise ConnectionError
                await sleep(seconds)

    with virtual_time():
        asyncio.run(story(1.0))
        with pytest.raises(ub.errors.DeadlineExceeded):
            asyncio.run(story(10.0))

    assert [1, 2, 3] * 2 == numbers_of_attempts
