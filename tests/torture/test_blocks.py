"""The block form: what a loop over attempts does when the block, the loop or its user misbehaves."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

AGAIN = ub.Retry(3, backoff=ub.Backoff(0.0))


def told(status):
    """Return what a status tells of calls: how many ended, and failed, and are under way."""
    return status.total_executions, status.failure_count, status.in_flight or 0


def test_a_block_is_repeated_until_it_succeeds():
    """A failed block ends quietly and is run again; the last failure is raised, with its story."""
    seen = []
    for attempt in ub.attempts("heals", retry=AGAIN):
        with attempt:
            seen.append(attempt.number)
            if attempt.number < 3:
                raise ConnectionError("again")

    def in_vain():
        for attempt in ub.attempts("fails", retry=AGAIN):
            with attempt:
                raise ConnectionError("for ever")

    with pytest.raises(ConnectionError) as caught:
        in_vain()

    assert [1, 2, 3] == seen
    assert caught.value.__notes__[0].startswith("unbreakable: fails failed after 3 attempts")


def test_an_async_block_is_repeated_and_cut():
    """The same in async code, where a block that takes too long is cut as well."""

    async def story():
        seen = []
        async for attempt in ub.attempts("cut", timeout=ub.Timeout(1.0), effects="idempotent", retry=AGAIN):
            async with attempt:
                seen.append(attempt.number)
                await asyncio.sleep(100 if attempt.number == 1 else 0)  # noqa: TID251 - virtual time
        return seen

    with virtual_time() as clock:
        assert ([1, 2], 1.0) == (asyncio.run(story()), clock.now())


def test_an_attempt_that_is_not_used_is_refused():
    """A loop that forgets its `with` does not run for ever: it is told so."""
    rounds = []

    with pytest.raises(RuntimeError, match="with attempt"):
        rounds.extend(ub.attempts("unused"))

    assert 1 == len(rounds)


def test_an_async_attempt_that_is_not_used_is_refused():
    """The same in async code."""

    async def story():
        async for _ in ub.attempts("unused async"):
            pass

    with pytest.raises(RuntimeError, match="with attempt"):
        asyncio.run(story())


def test_a_block_of_another_colour_than_its_loop_is_refused():
    """One that waits in a loop that cannot, or the other way round, is told how to begin before it runs."""
    entered = []

    def plain():
        for attempt in ub.attempts("plain", bulkhead=ub.Bulkhead(1)):

            async def block(attempt=attempt):
                async with attempt:
                    entered.append(1)

            asyncio.run(block())

    async def waiting():
        async for attempt in ub.attempts("waiting", bulkhead=ub.Bulkhead(1)):
            with attempt:
                entered.append(1)

    for loop, words in ((plain, "with attempt:"), (lambda: asyncio.run(waiting()), "async with attempt:")):
        with pytest.raises(RuntimeError, match=f'must begin with "{words}", as its loop does'):
            loop()

    assert [] == entered


def test_a_loop_that_is_left_before_its_block_leaves_no_trace():
    """Whoever breaks out before the block is not in a call, and the next attempts find the place free."""

    def look(leave):
        for attempt in ub.attempts("left", bulkhead=ub.Bulkhead(1), retry=AGAIN):
            if leave:
                break
            with attempt:
                return attempt.context.node.get_status().in_flight
        return ub.current()

    assert look(leave=True) is None
    assert 1 == look(leave=False)


@pytest.mark.parametrize(
    ("options", "late"),
    [({}, ub.errors.DeadlineExceeded), ({"timeout": ub.Timeout(1.0)}, ub.errors.AttemptTimeout)],
)
def test_a_loop_that_was_left_before_its_block_cuts_nothing(options, late):
    """Whoever broke out and goes on is not cancelled when the time of the unused attempt is up; its place is free."""

    async def story():
        attempts = ub.attempts("left", bulkhead=ub.Bulkhead(1), **options)
        async for _attempt in attempts:
            break
        await asyncio.sleep(100)  # noqa: TID251 - virtual
        assert (0, 0) == (asyncio.current_task().cancelling(), attempts.node.get_status().in_flight)
        assert (0, 0, 0) == told(attempts.node.get_status())
        for _ in range(2):
            with pytest.raises(late):
                async with _attempt:
                    pass
        assert (1, 1, 0) == told(attempts.node.get_status())

    with virtual_time():
        asyncio.run(story())


def test_a_learned_limit_does_not_end_a_block_that_begins_late():
    """Its program took longer than usual before the block: a guess about the block is no reason to end the call."""

    async def block(before):
        attempts = ub.attempts("begins late", effects="none")
        async for attempt in attempts:
            await asyncio.sleep(before)  # noqa: TID251 - virtual
            ctx = attempt.context
            seen.append(ctx.due - ctx.started)
            async with attempt:
                await asyncio.sleep(0.1)  # noqa: TID251 - virtual

    async def story():
        for _ in range(50):
            await block(0.0)
        await block(9.0)

    seen = []
    with virtual_time():
        asyncio.run(story())
    assert (0.5, 30.0) == (pytest.approx(seen[-2]), pytest.approx(seen[-1]))


def test_a_deadline_that_passed_before_the_block_is_told_as_one():
    """The loop ends with what any call raises at its deadline, and the outcome knows."""

    attempts = ub.attempts("deadline passes", deadline=5.0)

    async def story():
        async for attempt in attempts:
            await asyncio.sleep(9)  # noqa: TID251 - virtual
            async with attempt:
                pass

    with virtual_time(), pytest.raises(ub.errors.DeadlineExceeded, match="before its block began") as raised:
        asyncio.run(story())
    assert (ub.Status.FAILED, raised.value) == (attempts.outcome.status, attempts.outcome.error)
    assert (1, 1, 0) == told(attempts.node.get_status())


def test_a_block_that_is_left_by_break_or_return_succeeded():
    """Leaving the block early is a success; the place is given back."""
    nodes = []
    for attempt in ub.attempts("left early", bulkhead=ub.Bulkhead(1)):
        with attempt:
            nodes.append(attempt.context.node)
            break

    status = nodes[0].get_status()

    assert (1, 0, None) == (status.success_count, status.in_flight, ub.current())


def test_what_is_not_an_exception_passes_through_a_block():
    """An interrupt leaves the loop at once; nothing is counted, nothing is kept."""
    nodes = []

    def interrupted():
        for attempt in ub.attempts("interrupted", bulkhead=ub.Bulkhead(1)):
            with attempt:
                nodes.append(attempt.context.node)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    status = nodes[0].get_status()

    assert (0, 0, None) == (status.total_executions, status.in_flight, ub.current())


def test_a_cancelled_async_block_frees_everything():
    """A cancellation in the block, or between two blocks, passes; the place is free again."""

    async def block(nodes):
        async for attempt in ub.attempts("cancelled", bulkhead=ub.Bulkhead(1), retry=ub.Retry(9)):
            async with attempt:
                nodes.append(attempt.context.node)
                await asyncio.sleep(0.05)  # noqa: TID251 - virtual time
                raise ConnectionError

    async def story():
        nodes, ends = [], []
        for moment in (0.01, 0.051, 0.2):
            task = asyncio.ensure_future(block(nodes))
            await asyncio.sleep(moment)  # noqa: TID251 - virtual time
            task.cancel()
            ends.append((await asyncio.gather(task, return_exceptions=True))[0])
        return [type(end) for end in ends], nodes[0].get_status().in_flight, len(set(map(id, nodes)))

    with virtual_time():
        assert ([asyncio.CancelledError] * 3, 0, 1) == asyncio.run(story())


def test_a_refused_block_is_not_entered():
    """With the circuit open the loop raises before the block."""
    entered = []

    def block():
        for attempt in ub.attempts("refused", retry=False, breaker=ub.CircuitBreaker(1)):
            with attempt:
                entered.append(1)
                raise ConnectionError

    with pytest.raises(ConnectionError):
        block()
    with pytest.raises(ub.errors.CircuitOpen):
        block()

    assert [1] == entered


def test_stop_iteration_in_a_block_is_handed_on():
    """A block that runs out of items raises what it raised, not what coroutines make of it."""

    def runs_out():
        for attempt in ub.attempts("runs out", retry=False):
            with attempt:
                next(iter(()))

    with pytest.raises(StopIteration):
        runs_out()


def test_blocks_nest():
    """A block inside a block is a call inside a call: deadline and story are its own, the end is the outer's."""
    seen = []
    for outer in ub.attempts("outer block", deadline=60.0):
        with outer:
            for inner in ub.attempts("inner block", retry=AGAIN):
                with inner:
                    seen.append((outer.number, inner.number))
                    assert inner.context.deadline <= outer.context.deadline
                    if inner.number == 1:
                        raise ConnectionError
            assert ub.current() is outer.context

    assert [(1, 1), (1, 2)] == seen
    assert ub.current() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hedge": ub.Hedge(1.0)}, "cannot run twice at once"),
        ({"fallback": lambda failure: 1}, "has no value"),
        ({"verify": bool}, "has no value"),
    ],
)
def test_what_a_block_cannot_have_is_refused_at_once(options, words):
    """Not when it would first be needed."""
    with pytest.raises(ub.errors.ConfigurationError, match=words):
        ub.attempts("n", **options)


def test_attempts_are_iterated_over_once():
    """A second loop over them would be another call, which has to be made as one."""
    attempts = ub.attempts("once")
    for attempt in attempts:
        with attempt:
            pass

    with pytest.raises(RuntimeError, match=r"call ub\.attempts\(\) again"):
        iter(attempts)


def test_a_block_in_sync_code_has_no_time_limit():
    """Nobody could cut it; a deadline says how long the whole may take."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"a block in sync code cannot be cut.*use a deadline"):
        iter(ub.attempts("uncut", timeout=ub.Timeout(1.0)))


def test_a_block_that_is_wrong_and_late_is_told_that_it_is_wrong():
    """The mistake of the program comes first: it will be there the next time, too."""

    async def story():
        async for attempt in ub.attempts("late", deadline=1.0):
            await ASYNCIO.sleep(2.0)
            with attempt:
                raise AssertionError("begun all the same")

    with virtual_time(), pytest.raises(RuntimeError, match='must begin with "async with attempt:"'):
        asyncio.run(story())


def fails(attempt):
    """Use *attempt*; its block fails, and is to be repeated."""
    with attempt:
        raise ConnectionError("down")


def again_inside(attempt):
    """Use *attempt* in its own block."""
    with attempt, attempt:
        pytest.fail("a block in itself")


def again_after(attempt):
    """Use *attempt*, and once more."""
    for _ in range(2):
        with attempt:
            pass


@pytest.mark.parametrize("uses", [(again_inside,), (again_after,), (fails, again_inside), (fails, again_after)])
def test_an_attempt_is_for_one_block(uses):
    """Who uses one twice is told so in words, and nothing of the call is left behind."""
    held, left = [], list(uses)

    def misuse():
        for attempt in ub.attempts("twice", retry=AGAIN, bulkhead=ub.Bulkhead(1, wait=0.0)):
            held.append(attempt._attempts.node)
            left.pop(0)(attempt)

    with pytest.raises(RuntimeError, match="an attempt is for one block"):
        misuse()
    assert (0, None) == (held[0].get_status().in_flight or 0, ub.current())


def test_an_attempt_of_before_is_none_of_the_loop_as_it_is_now():
    """So it is in async code, where the block of the attempt at hand has not begun yet."""
    held = []

    async def misuse():
        async for attempt in ub.attempts("older", retry=AGAIN, bulkhead=ub.Bulkhead(1, wait=0.0)):
            held.append(attempt)
            async with held[0]:
                raise ConnectionError("down")

    with pytest.raises(RuntimeError, match="an attempt is for one block"):
        asyncio.run(misuse())
    assert 0 == (held[0]._attempts.node.get_status().in_flight or 0)
