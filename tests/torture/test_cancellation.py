"""The caller's cancellation passes, counts for nothing and frees everything; our own cut is a failure of the target."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, DeadlineExceeded
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
PAUSE = ub.Backoff(1.0, factor=1.0, jitter=False)


def play(story):
    """Return what the story returns, in virtual time."""
    with virtual_time():
        return asyncio.run(story())


def traces(door):
    """Return everything that a call can leave behind: place, permit, alarms, tasks, branches, context."""
    status = door.node.get_status()
    circuit = door.node.breaker
    watch = ASYNCIO.watches.get(asyncio.get_running_loop())
    return {
        "in flight": status.in_flight or 0,
        "probes": circuit.probes,
        "line": len(circuit.line),
        "queue": len(door.node.target.gate.line) if door.node.target.gate else 0,
        "alarms": len(watch.alarms) if watch else 0,
        "tasks": len(asyncio.all_tasks()) - 1,
        "branches": len(ASYNCIO.branches),
        "context": ub.current(),
        "cancelling": asyncio.current_task().cancelling(),
    }


NOTHING = {
    "in flight": 0,
    "probes": 0,
    "line": 0,
    "queue": 0,
    "alarms": 0,
    "tasks": 0,
    "branches": 0,
    "context": None,
    "cancelling": 0,
}


async def cancelled_after(seconds, call):
    """Cancel *call* after so many seconds; return what it ended in."""
    task = asyncio.ensure_future(call)
    await sleep(seconds)
    task.cancel()
    (end,) = await asyncio.gather(task, return_exceptions=True)
    await sleep(0.001)
    return type(end)


@pytest.mark.parametrize("tenths", range(1, 100, 5))
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_cancel_at_any_moment_frees_everything(tenths, form):
    """First try 0–3, its copy 2–3, remedy 3–4, second try from 4, its copy from 6: cut in each phase."""

    async def story():
        calls = []

        async def work():
            calls.append(1)
            await sleep([3, 1][len(calls) - 1] if len(calls) < 3 else 50)
            raise PermissionError("401")

        door = ub.protect(
            "target",
            effects="idempotent",
            hedge=ub.Hedge(2.0),
            timeout=ub.Timeout(20.0),
            bulkhead=ub.Bulkhead(2),
            retry=ub.Retry(3, backoff=PAUSE),
        )(work)

        @door.remedy(PermissionError)
        async def mend(failure):
            await sleep(1.0)

        end = await cancelled_after(tenths / 10, door() if form == "plain" else door.outcome())
        return end, traces(door), door.node.get_status().total_executions, door.node.breaker.run <= 1

    assert (asyncio.CancelledError, NOTHING, 0, True) == play(story)


def test_a_cancel_while_waiting_for_a_place_frees_it():
    """Whoever is cancelled in the queue of a bulkhead holds no place in it, and the next one moves up."""

    async def story():
        async def work():
            await sleep(5)
            return 1

        door = ub.protect("target", bulkhead=ub.Bulkhead(1, wait=60.0))(work)
        first = asyncio.ensure_future(door())
        await sleep(0)
        second = cancelled_after(1.0, door())
        third = asyncio.ensure_future(door())
        return await second, await first, await third, traces(door)

    assert (asyncio.CancelledError, 1, 1, NOTHING) == play(story)


def test_a_cancel_while_waiting_for_the_circuit_leaves_the_line():
    """Whoever is cancelled in the line before an open circuit is forgotten, and the circuit closes all the same."""

    async def story():
        good = []

        async def work():
            if not good:
                raise OSError
            return 1

        door = ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=10.0, wait=60.0))(work)
        with pytest.raises(OSError):
            await door()
        good.append(1)
        cancelled = cancelled_after(1.0, door())
        waiting = asyncio.ensure_future(door())
        return await cancelled, await waiting, door.node.breaker.state.value, traces(door)

    assert (asyncio.CancelledError, 1, "closed", NOTHING) == play(story)


def test_a_cancelled_probe_gives_its_permit_back():
    """A caller that leaves during the probe does not leave the circuit half-open for ever."""

    async def story():
        answers = [OSError, 50, 0]

        async def work():
            answer = answers.pop(0)
            if answer is OSError:
                raise answer
            await sleep(answer)
            return "up"

        door = ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=10.0))(work)
        with pytest.raises(OSError):
            await door()
        await sleep(10)
        end = await cancelled_after(1.0, door())
        return end, await door(), door.node.breaker.state.value, traces(door)

    assert (asyncio.CancelledError, "up", "closed", NOTHING) == play(story)


def test_our_timeout_counts_and_the_callers_cancellation_does_not():
    """The breaker sees every attempt that we cut, and none that the caller left."""

    async def story():
        async def stuck():
            await sleep(1000)

        door = ub.protect("target", retry=False, timeout=ub.Timeout(2.0), breaker=ub.CircuitBreaker(3))(stuck)
        runs = []
        for _ in range(2):
            await cancelled_after(1.0, door())
            with pytest.raises(TimeoutError) as theirs:
                async with asyncio.timeout(1.0):
                    await door()
            runs.append(door.node.breaker.run)
        for _ in range(3):
            with pytest.raises(AttemptTimeout):
                await door()
            runs.append(door.node.breaker.run)
        return runs, type(theirs.value), door.node.breaker.state.value, traces(door)

    runs, theirs, state, left = play(story)

    assert ([0, 0, 1, 2, 0], TimeoutError, "open") == (runs, theirs, state)
    assert NOTHING == left


def test_the_callers_cancel_wins_over_our_timeout_during_clean_up():
    """A caller that cancelled before our limit came is told so, although our limit came while the work cleaned up."""

    async def story():
        async def work():
            try:
                await sleep(100)
            finally:
                await sleep(5)

        door = ub.protect("target", retry=False, timeout=ub.Timeout(2.0))(work)
        end = await cancelled_after(1.0, door())
        return end, door.node.breaker.run, traces(door)

    assert (asyncio.CancelledError, 0, NOTHING) == play(story)


def test_our_timeout_and_the_callers_at_the_same_moment_leave_no_cancellation_behind():
    """Whichever is reported, the task is not left half cancelled."""

    async def story():
        async def work():
            await sleep(100)

        door = ub.protect("target", retry=False, timeout=ub.Timeout(2.0))(work)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await door()
        await sleep(1)
        return traces(door)

    assert NOTHING == play(story)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_work_that_swallows_our_cancellation_keeps_its_value(form):
    """Who was cut and answered all the same has answered; later waits of the task are not disturbed."""

    async def story():
        async def work():
            try:
                await sleep(100)
            except asyncio.CancelledError:
                return "late"

        door = ub.protect("target", retry=False, timeout=ub.Timeout(2.0))(work)
        value = await door() if form == "plain" else (await door.outcome()).value
        await sleep(1)
        return value, door.node.get_status().success_count, traces(door)

    assert ("late", 1, NOTHING) == play(story)


def test_work_that_turns_our_cancellation_into_its_own_error_keeps_that_error():
    """What the operation makes of our cut is its own failure, raised as it is."""

    async def story():
        async def work():
            try:
                await sleep(100)
            except asyncio.CancelledError:
                raise LookupError("interrupted") from None

        door = ub.protect("target", retry=False, timeout=ub.Timeout(2.0))(work)
        with pytest.raises(LookupError):
            await door()
        return door.node.breaker.run, traces(door)

    assert (1, NOTHING) == play(story)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_work_that_turns_our_cancellation_into_its_own_error_is_cut_all_the_same(form):
    """Nobody knows what an operation of unknown effects did when we cut it, whatever it says: it is not repeated."""

    async def story():
        begun = []

        @ub.protect("target", timeout=ub.Timeout(2.0), retry=ub.Retry(3, backoff=PAUSE))
        async def door():
            begun.append(1)
            try:
                await sleep(100)
            except asyncio.CancelledError:
                raise LookupError("interrupted") from None

        await asyncio.gather(door() if form == "plain" else door.outcome(), return_exceptions=True)
        return len(begun)

    assert 1 == play(story)


def test_an_operation_that_cancels_itself_is_cancelled():
    """A CancelledError from within, of a future that somebody else cancelled, passes and counts for nothing."""

    async def story():
        async def work():
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        door = ub.protect("target", timeout=ub.Timeout(2.0))(work)
        with pytest.raises(asyncio.CancelledError):
            await door()
        return door.node.breaker.run, traces(door)

    assert (0, NOTHING) == play(story)


@pytest.mark.parametrize("options", [{}, {"hedge": ub.Hedge(1.0), "effects": "none"}, {"timeout": ub.Timeout(9.0)}])
def test_closing_the_coroutine_frees_the_place(options):
    """A call that is begun and thrown away gives back its place, its alarm and its tasks."""

    async def story():
        async def work():
            await sleep(100)

        door = ub.protect("target", bulkhead=ub.Bulkhead(1), **options)(work)
        for form in (door, door.outcome):
            coroutine = form()
            coroutine.send(None)
            coroutine.close()
            await sleep(0.001)
        return door.node.breaker.run, traces(door)

    assert (0, NOTHING) == play(story)


def test_a_task_group_stops_protected_calls_with_the_others():
    """When one task of a group fails, a protected call beside it is cancelled, and the group ends at once."""

    async def story():
        async def work():
            await sleep(100)

        async def fails():
            await sleep(1)
            raise LookupError

        door = ub.protect("target", bulkhead=ub.Bulkhead(1))(work)

        async def both():
            async with asyncio.TaskGroup() as group:
                group.create_task(door())
                group.create_task(fails())

        began = asyncio.get_running_loop().time()
        with pytest.raises(ExceptionGroup) as caught:
            await asyncio.ensure_future(both())
        seconds = asyncio.get_running_loop().time() - began
        return [type(error) for error in caught.value.exceptions], round(seconds, 6), traces(door)

    assert ([LookupError], 1.0, NOTHING) == play(story)


def test_a_timeout_within_the_callers_deadline_is_told_from_the_deadline():
    """What came first is what is reported: the attempt's own limit, or the deadline of a call around it."""

    async def story():
        async def stuck():
            await sleep(1000)

        inner = ub.protect("inner", retry=False, timeout=ub.Timeout(5.0))(stuck)
        ends = []
        for deadline in (60.0, 2.0):
            outer = ub.protect("outer", retry=False, deadline=deadline, breaker=False)(inner)
            outcome = await outer.outcome()
            ends.append((type(outcome.error), round(outcome.elapsed, 6)))
        return ends, inner.node.breaker.run, traces(inner)

    assert ([(AttemptTimeout, 5.0), (DeadlineExceeded, 2.0)], 1, NOTHING) == play(story)
