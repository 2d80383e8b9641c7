"""A loop over attempts is left between two blocks: what its call had is free at once, whenever the collector comes."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

AGAIN = ub.Retry(3, backoff=ub.Backoff(0.0))


def told(node):
    """Return how many calls of *node* are counted."""
    return node.get_status().total_executions


@pytest.fixture
def no_collector():
    """Switch the collector off: it comes late, and in a quiet program with much in memory next to never."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("last", [1, 2])
def test_a_loop_that_is_left_between_two_blocks_gives_its_place_back_at_once(last):
    """Nobody has to wait for the collector to find the place."""

    def look(last):
        attempts = ub.attempts("left", bulkhead=ub.Bulkhead(1), retry=AGAIN, breaker=False)
        for attempt in attempts:
            if attempt.number == last:
                return attempts.node.get_status
            with attempt:
                raise ConnectionError
        return None

    for _ in range(3):
        status = look(last)()
        assert (0, 0) == (status.in_flight, status.total_executions)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("last", [1, 2])
def test_an_async_loop_that_is_left_between_two_blocks_gives_its_place_back_at_once(last):
    """The place is there again before the deadline of a call that nobody goes on with."""

    async def look(last):
        attempts = ub.attempts("left", bulkhead=ub.Bulkhead(1), retry=AGAIN, breaker=False)
        async for attempt in attempts:
            if attempt.number == last:
                return attempts.node.get_status
            async with attempt:
                raise ConnectionError
        return None

    async def story():
        for _ in range(3):
            status = (await look(last))()
            assert (0, 0) == (status.in_flight, status.total_executions)
            await asyncio.sleep(40)  # noqa: TID251 - virtual; the alarm of the attempt is no longer set
            assert 0 == asyncio.current_task().cancelling()

    with virtual_time():
        asyncio.run(story())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("ends", [None, ValueError])
def test_a_loop_that_is_left_after_a_block_gives_its_place_back_at_once(ends):
    """So it is where the block has failed, is to be repeated, and the next attempt is not even asked for."""

    def look():
        attempts = ub.attempts("left", bulkhead=ub.Bulkhead(1), retry=AGAIN, breaker=False)
        for attempt in attempts:
            nodes.append(attempts.node)
            with attempt:
                raise ConnectionError
            if ends is not None:
                raise ends
            break

    nodes = []
    for _ in range(3):
        with pytest.raises(ends) if ends else contextlib.nullcontext():
            look()
    assert (3, 0, 0, None) == (len(nodes), nodes[0].get_status().in_flight, told(nodes[0]), ub.current())


@pytest.mark.usefixtures("no_collector")
def test_a_loop_beside_another_that_ends_sooner_gives_its_place_back_at_once():
    """``zip`` takes an attempt first, and lets go of it when there is nothing to go with it."""

    def ask(proxies):
        for attempt, proxy in zip(ub.attempts("proxies", bulkhead=ub.Bulkhead(1), retry=AGAIN), proxies, strict=False):
            with attempt:
                nodes.append(attempt.context.node)
                raise ConnectionError(proxy)

    nodes = []
    for _ in range(3):
        ask(["first"])
    assert (3, 0) == (len(nodes), nodes[0].get_status().in_flight)


def test_an_attempt_of_a_loop_that_was_left_is_refused():
    """Its call is over, and the place another's: whoever begins a block with it is told so in words."""
    held, attempts = [], ub.attempts("left", bulkhead=ub.Bulkhead(1))
    for attempt in attempts:
        held.append(attempt)
        break
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the loop was left"), held[0]:
            pytest.fail("a block in no call")
    assert (0, 0, None) == (attempts.node.get_status().in_flight, told(attempts.node), ub.current())


def test_a_block_goes_on_whose_loop_is_let_go_of():
    """Whoever makes one attempt by hand, and holds no loop any more once its block has begun, is in a call."""
    attempts = ub.attempts("by hand", bulkhead=ub.Bulkhead(1))
    loop = iter(attempts)
    with next(loop):
        del loop
        assert 1 == attempts.node.get_status().in_flight
    assert (0, 1) == (attempts.node.get_status().in_flight, told(attempts.node))


def test_a_loop_that_is_left_before_it_has_begun_is_no_call():
    """So it is beside another one with nothing in it: what is around it has nothing to wait for."""

    @ub.protect("around", retry=AGAIN)
    def around():
        nodes.append(ub.current().node)
        for _nothing, attempt in zip([], ub.attempts("never", effects="once", bulkhead=ub.Bulkhead(1)), strict=False):
            nodes.append(attempt)
        raise ConnectionError

    nodes = []
    with virtual_time() as clock:
        outcome = around.outcome()
    assert (3, 3, 0.0) == (outcome.attempts, len(nodes), clock.now())


def test_a_plain_block_whose_deadline_has_passed_before_it_is_not_begun():
    """As in async code: the loop ends with what any call raises at its deadline, and the outcome knows."""
    attempts = ub.attempts("too late", deadline=5.0, bulkhead=ub.Bulkhead(1))

    def story():
        for attempt in attempts:
            clock.advance(9)
            with attempt:
                pytest.fail("a block in nobody's time")

    with virtual_time() as clock, pytest.raises(ub.errors.DeadlineExceeded, match="before its block began") as raised:
        story()
    assert (ub.Status.FAILED, raised.value) == (attempts.outcome.status, attempts.outcome.error)
    assert (1, 0) == (told(attempts.node), attempts.node.get_status().in_flight)


def test_a_plain_block_that_cleans_up_is_begun_after_the_deadline():
    """It has a second more, as every call that an exception has led to."""

    @ub.protect("around", deadline=5.0, retry=False)
    def around():
        try:
            clock.advance(5.5)
            raise ConnectionError
        finally:
            for attempt in ub.attempts("release"):
                with attempt:
                    released.append(clock.now())

    released = []
    with virtual_time() as clock:
        assert ub.Status.FAILED == around.outcome().status
    assert [5.5] == released


@pytest.mark.parametrize("used", [0, 1])
def test_a_loop_that_was_left_cannot_be_begun_again(used):
    """Its call is over: a block would be in none, and was run once more although it had succeeded."""
    attempts, blocks = ub.attempts("left", retry=AGAIN, bulkhead=ub.Bulkhead(1)), []
    for attempt in attempts:
        if attempt.number > used:
            break
        with attempt:
            raise ConnectionError

    def again():
        for attempt in attempts:
            with attempt:
                blocks.append(attempt.number)

    with pytest.raises(RuntimeError, match="iterated over once"):
        again()
    assert ([], 0) == (blocks, attempts.node.get_status().in_flight)


def test_an_async_loop_that_was_left_cannot_be_begun_again():
    """As in plain code."""
    attempts, blocks = ub.attempts("left", retry=AGAIN), []

    async def story():
        for _ in range(2):
            async for attempt in attempts:
                blocks.append(attempt.number)
                async with attempt:
                    raise ConnectionError
                break

    with pytest.raises(RuntimeError, match="iterated over once"):
        asyncio.run(story())
    assert [1] == blocks


def test_between_two_blocks_one_is_in_no_attempt():
    """As before the first block: a call that is made there has its own time, and is repeated as any other is."""
    seen = []
    for attempt in ub.attempts("blocks", retry=AGAIN):
        seen.append(ub.current())
        with attempt:
            if attempt.number == 1:
                raise ConnectionError
        seen.append(ub.current())
    assert [None] * 4 == seen


def test_an_async_call_between_two_blocks_is_in_no_attempt():
    """Nor does it count as done by the next attempt."""
    seen = []

    async def story():
        async for attempt in ub.attempts("blocks", retry=AGAIN):
            async with attempt:
                if attempt.number == 1:
                    raise ConnectionError
            seen.append(ub.current())

    asyncio.run(story())
    assert [None] * 2 == seen


def test_a_loop_that_is_left_inside_another_call_leaves_that_as_it_is():
    """Whoever holds a loop, and lets go of it in the block of another call, stays in that block."""
    loop = iter(ub.attempts("left", retry=AGAIN))
    with next(loop):
        raise ConnectionError
    for attempt in ub.attempts("other"):
        with attempt:
            del loop
            within = ub.current()
    assert within is attempt.context


def test_a_block_that_fails_when_its_loop_was_left_fails_its_caller():
    """An ExitStack holds the attempt longer than its loop: nobody runs the block again, so its failure is raised."""
    attempts = ub.attempts("by stack", retry=AGAIN, bulkhead=ub.Bulkhead(1))

    def work():
        with contextlib.ExitStack() as stack:
            for attempt in attempts:
                stack.enter_context(attempt)
                break
            raise ConnectionError("nobody repeats it")

    with pytest.raises(ConnectionError, match="nobody repeats it"):
        work()
    status = attempts.node.get_status()
    assert (ub.Status.FAILED, 1, 1, 0) == (
        *(attempts.outcome.status, status.total_executions, status.failure_count, status.in_flight),
    )
    assert "its loop was left" in str(attempts.outcome.explain())


def test_an_async_block_that_fails_when_its_loop_was_left_fails_its_caller():
    """The same for an AsyncExitStack: its pause is none, and its place is free."""
    attempts = ub.attempts("by stack", bulkhead=ub.Bulkhead(1))

    async def work():
        async with contextlib.AsyncExitStack() as stack:
            async for attempt in attempts:
                await stack.enter_async_context(attempt)
                break
            raise ConnectionError("nobody repeats it")

    with virtual_time() as clock:
        with pytest.raises(ConnectionError, match="nobody repeats it"):
            asyncio.run(work())
        assert (0.0, 0) == (clock.now(), attempts.node.get_status().in_flight)
