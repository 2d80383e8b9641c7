"""What a generator's call holds is held while it hands on items, and given back however that ends, once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import BulkheadFull
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Left(BaseException):
    """The consumer went away."""


async def exhaust(hand, items):
    assert [1, 2] == await hand.all(items)


async def leave(hand, items):
    await hand.close(items)


async def drop(hand, items):
    """Let go of it where ``for`` breaks: the collector of an event loop closes it a moment later."""


async def throw(hand, items):
    with pytest.raises(KeyError):
        await hand.throw(items, KeyError("mine"))


async def throw_beyond(hand, items):
    with pytest.raises(Left):
        await hand.throw(items, Left())


async def fail(hand, items):
    with pytest.raises(ConnectionError):
        await hand.send(items, "fail")


async def refuse(hand, items):
    with pytest.raises(ub.errors.VerificationFailed):
        await hand.send(items, "poor")


ENDS = [exhaust, leave, drop, throw, throw_beyond, fail, refuse]


def guarded(hand, log, **options):
    async def items():
        log.append("open")
        try:
            given = yield 0
            if given == "fail":
                raise ConnectionError("broken")
            yield -1 if given == "poor" else 1
            yield 2
        finally:
            log.append("closed")

    return hand.guard(items, verify=lambda item: item >= 0, **options)


@pytest.mark.parametrize("end", ENDS)
def test_a_place_is_held_until_the_generator_ends(hand, end):
    """While it is open nobody else gets in; however it ends, the next one does."""

    async def story():
        log = []
        stream = guarded(hand, log, bulkhead=ub.Bulkhead(1))
        items = stream()
        await hand.next(items)
        with pytest.raises(BulkheadFull):
            await hand.next(stream())
        await end(hand, items)
        del items
        if hand.is_async:
            await sleep(0.0)
            await sleep(0.0)
        gc.collect()
        assert ["open", "closed"] == log
        assert 0 == stream.node.target.gate.inside
        return await hand.all(stream())

    assert [0, 1, 2] == hand.play(story)


@pytest.mark.parametrize("end", ENDS)
def test_each_call_is_counted_once(hand, end):
    """Whoever wants no more was served well, and what the consumer throws in says nothing of the target."""

    async def story():
        stream = guarded(hand, [])
        items = stream()
        await hand.next(items)
        await end(hand, items)
        del items
        if hand.is_async:
            await sleep(0.0)
            await sleep(0.0)
        status = stream.node.get_status()
        return status.success_count, status.failure_count

    assert ((0, 1) if end in (fail, refuse) else (1, 0)) == hand.play(story)


def test_a_cancellation_in_the_middle_gives_the_place_back_and_blames_nobody():
    """The generator is told, its place is free, neither circuit nor statistics count it."""

    async def story():
        log = []

        @ub.protect("stream", bulkhead=ub.Bulkhead(1), breaker=ub.CircuitBreaker(1))
        async def items():
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                log.append(type(ub.current()).__name__)

        async def consume():
            async for _ in items():
                pass

        task = asyncio.create_task(consume())
        await sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        status = items.node.get_status()
        assert (0, "closed") == (status.total_executions, status.breaker)
        assert 0 == items.node.target.gate.inside
        return log

    with virtual_time():
        assert ["Context"] == asyncio.run(story())


def test_a_wait_for_the_first_item_that_is_cancelled_leaves_nothing():
    """As any call that is cancelled."""

    async def story():
        closed = []

        @ub.protect("stream", bulkhead=ub.Bulkhead(1))
        async def items():
            try:
                await asyncio.Event().wait()
                yield 1
            finally:
                closed.append(1)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await anext(items())
        return closed, items.node.target.gate.inside, ub.current()

    with virtual_time():
        assert ([1], 0, None) == asyncio.run(story())


def test_a_generator_that_outlives_its_event_loop_gives_its_place_back():
    """Nobody can close it properly any more; the collector does what can be done."""
    kept = []

    @ub.protect("stream", bulkhead=ub.Bulkhead(1))
    async def items():
        yield 1
        yield 2

    async def begin():
        kept.append(items())
        return await anext(kept[0])

    loop = asyncio.new_event_loop()
    assert 1 == loop.run_until_complete(begin())
    loop.close()  # without shutdown_asyncgens, as a program does that ends in a hurry
    assert 1 == items.node.target.gate.inside
    kept.clear()
    gc.collect()

    assert 0 == items.node.target.gate.inside


def test_an_event_loop_that_ends_closes_what_was_left_open_once():
    """``asyncio.run`` closes every generator that it knows: it knows ours, and ours closes the user's."""
    log, kept, troubles = [], [], []

    @ub.protect("stream", bulkhead=ub.Bulkhead(1))
    async def items():
        try:
            yield 1
        finally:
            log.append("closing")
            await sleep(0.01)
            log.append("closed")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: troubles.append(context))
        kept.append(items())
        await anext(kept[0])

    asyncio.run(main())

    assert (["closing", "closed"], []) == (log, troubles)
    assert 0 == items.node.target.gate.inside


def test_a_generator_may_be_opened_in_one_task_and_go_on_in_another():
    """What is cut, cancelled and named is always what belongs to whoever asks for the item."""

    async def story():
        @ub.protect("stream", timeout=ub.Timeout(5.0))
        async def items():
            for item in range(3):
                yield item, ub.current().node.name
                await sleep(1.0)

        stream = items()
        return [await asyncio.create_task(anext(stream)) for _ in range(3)]

    with virtual_time():
        assert [(item, "stream") for item in range(3)] == asyncio.run(story())


def test_a_plain_generator_may_be_opened_in_one_thread_and_closed_in_another():
    """Its place is given back from there."""

    @ub.protect("stream", bulkhead=ub.Bulkhead(1))
    def items():
        yield 1
        yield 2

    stream = items()
    next(stream)
    thread = threading.Thread(target=stream.close)
    thread.start()
    thread.join()

    assert (0, None) == (items.node.target.gate.inside, ub.current())
    assert [1, 2] == list(items())


def test_an_error_while_closing_is_raised_and_counted(hand):
    """What was handed on was well, and yet not all went well."""

    async def story():
        async def items():
            try:
                yield 1
            finally:
                raise OSError("the file is gone")

        stream = hand.guard(items, bulkhead=ub.Bulkhead(1))
        items = stream()
        await hand.next(items)
        with pytest.raises(OSError, match="gone") as caught:
            await hand.close(items)
        return len(caught.value.__notes__), stream.node.get_status().failure_count, stream.node.target.gate.inside

    assert (1, 1, 0) == hand.play(story)


def test_a_generator_that_will_not_close_is_told_so(hand):
    """Python says it of any, and its place is free all the same."""

    async def story():
        async def items():
            with contextlib.suppress(GeneratorExit):
                yield 1
            yield 2

        stream = hand.guard(items, bulkhead=ub.Bulkhead(1))
        items = stream()
        await hand.next(items)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            await hand.close(items)
        return stream.node.target.gate.inside

    assert 0 == hand.play(story)


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_drops_a_generator_of_its_parent_frees_no_place():
    """The child has places of its own, none of them taken."""

    @ub.protect("stream", bulkhead=ub.Bulkhead(1))
    def items():
        yield 1
        yield 2

    stream = items()
    next(stream)
    child = os.fork()
    if child == 0:
        stream.close()
        with contextlib.suppress(BaseException):
            other = items()
            next(other)
            os._exit(items.node.target.gate.inside)
        os._exit(9)

    assert 1 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert 1 == items.node.target.gate.inside


def test_items_are_not_kept_once_they_are_handed_on(hand):
    """A stream of big pieces takes the room of one."""

    class Piece:
        living = 0

        def __init__(self):
            Piece.living += 1

        def __del__(self):
            Piece.living -= 1

    async def story():
        async def items():
            for _ in range(3):
                yield Piece()

        stream, living = hand.guard(items)(), []
        for _ in range(3):
            await hand.next(stream)
            living.append(Piece.living)
        return living

    assert [0, 0, 0] == hand.play(story)


def test_a_call_that_reads_many_generators_does_not_grow(hand):
    """What was read to its end, or left, is let go of by the call around it."""

    async def story():
        stream = guarded(hand, [])
        sizes = []

        async def reader():
            deeds = ub.current().deeds
            for _ in range(20):
                await hand.all(stream())
                items = stream()
                await hand.next(items)
                await hand.close(items)
                sizes.append((len(deeds.at_work), len(deeds.left)))

        await hand.call(hand.protect(reader))
        return set(sizes)

    assert {(0, 0)} == hand.play(story)
