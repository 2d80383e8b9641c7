"""Operations that make something else of their cancellation: nobody waits for them longer than he said."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, DeadlineExceeded
from unbreakable.testing import virtual_time


def play(story):
    with virtual_time() as clock:
        return asyncio.run(story()), clock.now()


async def sleep(seconds):
    await asyncio.sleep(seconds)  # noqa: TID251 - virtual


def turning(calls):
    """Return an operation that makes its own error of its cancellation, as many drivers do."""

    async def work():
        calls.append(1)
        try:
            await sleep(5)
        except asyncio.CancelledError:
            raise ConnectionError("torn down") from None

    return work


@pytest.mark.parametrize("form", ["plain", "outcome", "script"])
def test_a_cancellation_that_is_turned_into_an_error_ends_the_call(form):
    """Neither a repeat nor a remedy nor a fallback keeps a caller whose own time limit has passed."""
    calls, mended = [], []

    async def story():
        options = {"hedge": ub.Hedge(99.0), "effects": "none"} if form == "script" else {}
        door = ub.protect("target", fallback=lambda failure: "late", **options)(turning(calls))
        door.remedy(Exception)(mended.append)
        try:
            async with asyncio.timeout(1):
                await (door.outcome() if form == "outcome" else door())
                return "ended"
        except (ConnectionError, TimeoutError) as error:
            return type(error), door.node.breaker.run

    end, seconds = play(story)

    assert (1, [], 1.0) == (len(calls), mended, seconds)
    assert form == "outcome" or end in [(ConnectionError, 0), (TimeoutError, 0)]


def test_a_remedy_that_swallows_the_cancellation_is_the_last_thing_that_happens():
    """A call that was cancelled while it was being mended is not repeated."""
    calls = []

    async def story():
        @ub.protect("target", retry=ub.Retry(3))
        async def work():
            calls.append(1)
            raise KeyError

        @work.remedy(KeyError)
        async def mend(failure):
            await turning([])()

        async with asyncio.timeout(1):
            with pytest.raises(KeyError):
                await work()

    assert (1.0, 1) == (play(story)[1], len(calls))


def test_a_time_limit_of_the_operations_own_is_repeated():
    """A cancellation that the operation itself asked for, and took back, is nobody else's."""
    calls = []

    @ub.protect("target", retry=ub.Retry(3, backoff=ub.Backoff(0.0)))
    async def work():
        async with asyncio.timeout(1):
            await turning(calls)()

    outcome, _ = play(work.outcome)

    assert (ConnectionError, 3) == (type(outcome.error), len(calls))


async def fails(kind=OSError):
    """Be a member of a task group that fails, or one that makes an error of its cancellation."""
    try:
        await sleep(100 if kind is KeyError else 0.1)
    finally:
        raise kind


async def fan_out(*kinds):
    """Wait at the end of a task group's block for members that end so."""
    async with asyncio.TaskGroup() as group:
        for kind in kinds:
            group.create_task(fails(kind))


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_task_group_that_fails_is_repeated_and_answered_for(form):
    """Before Python 3.13 such a group leaves its task cancelled, by nobody; the caller did not cancel the call."""
    door = ub.protect(fallback=lambda failure: "plan b", breaker=ub.CircuitBreaker(3))(fan_out)

    async def story():
        end = (await door.outcome(OSError, KeyError)).unwrap() if form == "outcome" else await door(OSError, KeyError)
        return end, door.node.breaker.state, asyncio.current_task().cancelling()

    assert ("plan b", "open", 0) == play(story)[0]


def test_a_cancellation_of_which_a_client_s_own_task_makes_an_error_ends_the_call():
    """Nothing in the error tells of it; whoever waits no longer is not kept by a repeat."""
    tries = []

    @ub.protect(effects="none")
    async def read():
        async def reader():
            stopped = False
            try:
                await asyncio.sleep(3600)  # noqa: TID251 - virtual
            except asyncio.CancelledError:
                stopped = True
            if stopped:
                raise ConnectionError("closed")

        tries.append(1)
        await asyncio.create_task(reader())

    async def story():
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1):
                await read()

    _, seconds = play(story)
    assert (1, 1.0) == (len(tries), pytest.approx(seconds))


def test_a_cancellation_that_a_task_group_makes_an_error_of_ends_the_call():
    """A member that fails when the group is cancelled hides the caller's cancellation; there is no repeat, as ever."""
    door, told = ub.protect(fallback=lambda failure: "plan b")(fan_out), []
    door.node.on(ub.events.Event, lambda event: told.append(type(event)))

    async def story():
        task = asyncio.ensure_future(door(KeyError, KeyError))
        await sleep(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(story)
    assert not {ub.events.Retrying, ub.events.Degraded} & {*told}


def test_our_own_cut_that_is_turned_into_an_error_is_no_cancellation_by_the_caller():
    """An attempt that makes its own error of our time limit is repeated, as far as its effects allow."""
    calls = []
    door = ub.protect("target", effects="none", timeout=ub.Timeout(1.0), retry=ub.Retry(3))(turning(calls))

    outcome, _ = play(door.outcome)

    assert (ConnectionError, 3) == (type(outcome.error), len(calls))


def stubborn(times, seconds):
    """Return an operation that swallows so many cancellations and works on."""

    async def work():
        for _ in range(times):
            try:
                await sleep(seconds)
            except asyncio.CancelledError:
                continue
        await sleep(seconds)
        return "done"

    return work


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_the_deadline_holds_for_who_swallowed_its_time_limit(form):
    """An attempt that goes on after it was cut is cut once more at the deadline of the call."""

    async def story():
        door = ub.protect("target", timeout=ub.Timeout(0.5), deadline=2.0)(stubborn(1, 60))
        try:
            return (await door.outcome()).error if form == "outcome" else await door()
        except Exception as error:
            return error, asyncio.current_task().cancelling()

    end, seconds = play(story)

    assert (DeadlineExceeded, 2.0) == (type(end if form == "outcome" else end[0]), seconds)
    assert form == "outcome" or end[1] == 0


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_who_swallows_that_too_is_heard_when_it_is_done(form):
    """Beyond the deadline nobody can end it but itself; then its value counts, and the time that it took is told."""

    async def story():
        door = ub.protect("target", timeout=ub.Timeout(0.5), deadline=2.0)(stubborn(2, 60))
        value = (await door.outcome()) if form == "outcome" else await door()
        return value, asyncio.current_task().cancelling()

    (value, cancelling), seconds = play(story)

    assert (62.0, 0) == (seconds, cancelling)
    assert "done" == value if form == "plain" else (value.ok, value.elapsed) == (True, 62.0)


def test_who_swallowed_its_cut_and_fails_is_cut():
    """What an attempt raises after our cut is its own, and its effects are as unknown as those of any that was cut."""
    calls = []

    async def work():
        calls.append(1)
        await stubborn(1, 1.0)()
        raise KeyError

    outcome, _ = play(ub.protect("target", timeout=ub.Timeout(0.5), deadline=9.0)(work).outcome)

    assert (KeyError, 1) == (type(outcome.error), len(calls))
    assert not isinstance(outcome.error, AttemptTimeout)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_who_is_cut_has_no_time_left(form):
    """An operation that looks what ended it finds its own time up, though the call goes on."""
    left = []

    @ub.protect("target", timeout=ub.Timeout(1), retry=False)
    async def work():
        try:
            await sleep(5)
        except asyncio.CancelledError:
            left.append(ub.current().remaining())
            raise

    async def story():
        await asyncio.gather(work() if form == "plain" else work.outcome(), return_exceptions=True)

    play(story)

    assert [0.0] == left


def test_a_call_whose_loop_is_gone_fails_as_what_it_is():
    """The collector closes it outside of any event loop; an error that comes up then is the operation's own."""
    seen: list[BaseException | None] = []

    @ub.protect("left behind", effects="once", retry=False)
    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the socket is closed already")

    loop = asyncio.new_event_loop()
    task = loop.create_task(call())
    loop.run_until_complete(sleep(0))
    coroutine = task.get_coro()
    task._log_destroy_pending = False
    loop.close()
    try:
        coroutine.close()
    except BaseException as error:
        seen.append(error)

    assert ["OSError"] == [type(error).__name__ for error in seen]
