"""A call that outlives the one it was begun in is bound by its own deadline, and by those that still wait for it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, DeadlineExceeded
from unbreakable.policies import Context, Plan
from unbreakable.policies.carried import seconds_left
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize("options", [{}, {"effects": "none"}, {"timeout": ub.Timeout(5.0)}, {"retry": False}])
@pytest.mark.parametrize("how", ["call", "outcome"])
def test_a_job_that_begins_its_own_next_run_goes_on_for_ever(how, options):
    """The deadline of each run is its own, though it was begun in the one before; the first is over after 30 s."""
    tasks, runs = [], []

    @ub.protect("job", hedge=False, **options)
    async def job():
        await sleep(1.0)
        runs.append(ub.current().left())
        if len(runs) < 40:
            tasks.append(asyncio.create_task(job() if how == "call" else job.outcome()))
        await sleep(0.01)  # it writes a line to a log

    async def story():
        await job()
        while tasks:
            ended = await tasks.pop(0)
            assert ended is None or ended.ok

    with virtual_time():
        asyncio.run(story())

    assert ([pytest.approx(29.0, abs=0.1)] * 40, 40) == (runs, len(runs))


@pytest.mark.parametrize("quick", [True, False])
def test_what_a_generator_calls_beside_its_first_item_is_cut_by_its_own_deadline(quick):
    """The generator's was to come first, and comes no more once it is at rest."""

    async def story():
        @ub.protect("ping")
        async def ping():
            await sleep(1e6)

        @ub.protect("session")
        async def session():
            await sleep(0.1)
            yield asyncio.create_task(end_of(ping, quick=quick)), await sleep(0.5)

        opened = session()
        beat, _ = await anext(opened)
        ended = await beat, ASYNCIO.now()
        await opened.aclose()
        return ended

    with virtual_time():
        began = ASYNCIO.now()
        error, ended = asyncio.run(story())

    assert isinstance(error, DeadlineExceeded)
    assert 30.1 == pytest.approx(ended - began)


async def end_of(door, *, quick=True):
    """Return what a call of *door* fails with, None if it succeeds: *quick*, or by the script."""
    if not quick:
        return (await door.outcome()).error
    try:
        await door()
    except Exception as error:
        return error


def ends_of(around, tasks):
    """Return what a call of *around* fails with, and the task that it begins, and the seconds until both are over."""

    async def story():
        began = ASYNCIO.now()
        return type(await end_of(around)), type(await tasks[0]), ASYNCIO.now() - began

    with virtual_time():
        return asyncio.run(story())


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(
    ("options", "seconds", "error"),
    [
        ({}, 20.0, None),
        ({}, 30.0, DeadlineExceeded),
        ({"deadline": 4.0}, 4.0, DeadlineExceeded),
        ({"timeout": ub.Timeout(5.0)}, 4.9, None),
        ({"timeout": ub.Timeout(5.0)}, 5.0, AttemptTimeout),
        ({"timeout": ub.Timeout(5.0), "deadline": 4.0}, 4.0, DeadlineExceeded),
        ({"timeout": ub.Timeout(1.5)}, 1.5, AttemptTimeout),
        ({"timeout": False, "deadline": float("inf")}, 50.0, None),
    ],
)
def test_a_call_that_a_handler_leaves_at_work_has_its_own_time(quick, options, seconds, error):
    """The handler's deadline, which came first, ends to count when the handler is over; the call's own limits count."""
    tasks = []

    @ub.protect("inner", retry=False, hedge=False, **options)
    async def inner():
        await sleep(1000 if error else seconds)

    @ub.protect("handler", deadline=2.0)
    async def handler():
        tasks.append(asyncio.create_task(end_of(inner, quick=quick)))
        await sleep(0.1)

    async def story():
        began = ASYNCIO.now()
        await handler()
        return await tasks[0], ASYNCIO.now() - began

    with virtual_time():
        ended, took = asyncio.run(story())

    assert (error or type(None), pytest.approx(seconds)) == (type(ended), took)


def test_what_it_goes_on_to_call_has_its_own_time_as_well():
    """A call inherits no deadline of one that is over by way of one that goes on."""
    tasks, left = [], []

    @ub.protect("innermost")
    async def innermost():
        left.append(ub.current().left())

    @ub.protect("inner")
    async def inner():
        await sleep(3.0)
        await innermost()
        await innermost.outcome()

    @ub.protect("handler", deadline=2.0)
    async def handler():
        tasks.append(asyncio.create_task(inner()))
        await sleep(0.1)

    async def story():
        await innermost()
        await handler()
        await tasks[0]

    with virtual_time():
        asyncio.run(story())

    assert [pytest.approx(30.0), pytest.approx(27.0), pytest.approx(27.0)] == left


def test_its_repeats_have_that_time_too():
    """What is decided after the handler is over is decided by the call's own deadline."""
    tasks, tries = [], []

    @ub.protect("inner", effects="none", hedge=False, retry=ub.Retry(3, backoff=ub.Backoff(5.0, jitter=False)))
    async def inner():
        tries.append(ub.current().remaining())
        await sleep(1.0)
        if len(tries) < 3:
            raise ConnectionError("down")

    @ub.protect("handler", deadline=2.0)
    async def handler():
        tasks.append(asyncio.create_task(end_of(inner)))
        await sleep(0.1)

    async def story():
        await handler()
        return await tasks[0]

    with virtual_time():
        ended = asyncio.run(story())

    assert (None, 3, pytest.approx(2.0)) == (ended, len(tries), tries[0])
    assert tries[1] > 15.0


@pytest.mark.parametrize("quick", [True, False])
def test_a_call_that_goes_on_beside_the_one_around_it_ends_with_that(quick):
    """As long as the call around goes on, and were it for something else, its deadline counts."""
    tasks = []

    @ub.protect("inner", hedge=False, retry=False)
    async def inner():
        await sleep(1000)

    @ub.protect("around", deadline=2.0)
    async def around():
        tasks.append(asyncio.create_task(end_of(inner, quick=quick)))
        await sleep(1000)

    assert (DeadlineExceeded, DeadlineExceeded, pytest.approx(2.0)) == ends_of(around, tasks)


@pytest.mark.parametrize("quick", [True, False])
def test_of_several_calls_around_it_those_that_go_on_count(quick):
    """When the nearest one is over, the deadline of the next one counts, which still waits."""
    tasks = []

    @ub.protect("inner", hedge=False, retry=False)
    async def inner():
        await sleep(1000)

    @ub.protect("between", deadline=2.0)
    async def between():
        tasks.append(asyncio.create_task(end_of(inner, quick=quick)))
        await sleep(0.1)

    @ub.protect("around", deadline=10.0, retry=False)
    async def around():
        await between()
        await asyncio.wait(tasks)

    assert (DeadlineExceeded, DeadlineExceeded, pytest.approx(10.0)) == ends_of(around, tasks)


@pytest.mark.parametrize("timeout", [ub.Timeout(5.0), False])
def test_a_thread_that_outlives_its_call_has_its_own_time(timeout):
    """In sync code nobody is left behind for the deadline of a call that is over, nor told of it."""
    ends = []

    @ub.protect("inner", timeout=timeout, retry=False)
    def inner():
        BLOCKING.world.sleep(3.0)
        return ub.current().remaining()

    @ub.protect("handler", deadline=2.0)
    def handler():
        variables = contextvars.copy_context()
        threading.Thread(target=lambda: ends.append(variables.run(inner.outcome))).start()
        BLOCKING.world.sleep(0.1)

    with virtual_time():
        handler()
        BLOCKING.world.sleep(10.0)

    assert pytest.approx(2.0 if timeout else 27.0) == ends[0].unwrap()


def call(above=None, **facts):
    """Return a call inside *above*, and what is said of it."""
    made = Context()
    made.above, made.plan = above, Plan()
    vars(made).update(facts)
    return made


def test_the_deadline_that_counts_is_the_first_one_of_those_who_go_on():
    """Whose deadline it is tells also whether the target is to blame for what it cuts."""
    outermost = call(until=9.0)
    outer = call(outermost, until=5.0)
    outer.borrow(outermost)
    inner, late = call(outer, until=30.0), call(outer, until=4.0)
    for each in (inner, late):
        each.borrow(outer)

    assert (5.0, True) == (outer.deadline, outer.deadline_is_ours)
    assert (5.0, False, 4.0, True) == (inner.deadline, inner.deadline_is_ours, late.deadline, late.deadline_is_ours)

    outer.live = False

    assert (9.0, False, 4.0) == (inner.deadline, inner.deadline_is_ours, late.deadline)

    outermost.live = False

    assert (30.0, True, 5.0) == (inner.deadline, inner.deadline_is_ours, outer.deadline)


def test_a_deadline_that_has_come_stays_that_of_the_whole_call():
    """What the call around has cut is not begun anew because that one ends just then; what is over holds nobody."""
    outer = call(until=5.0)
    whole, over = call(outer, until=30.0), call(outer, until=30.0)
    for each in (whole, over):
        each.borrow(outer)
    attempt = whole.scope()
    attempt.keep_deadline()
    outer.live = False
    over.end()

    assert (5.0, False) * 2 == (attempt.deadline, attempt.deadline_is_ours, whole.deadline, whole.deadline_is_ours)
    assert (None, None, 30.0) == (over.above, over.lender, over.deadline)


def test_a_target_is_told_of_the_time_that_there_is():
    """The header of a request says how long its answer is waited for, by the limits that count now."""
    outer = call(until=5.0)
    plan, runtime = Plan(timeout=ub.Timeout(11.0)), SimpleNamespace(now=lambda: 1.0)
    inner = call(outer, until=30.0, due=5.0, own_due=12.0, plan=plan, runtime=runtime)
    inner.borrow(outer)

    assert 4.0 == seconds_left(inner)

    outer.live = False

    assert 11.0 == seconds_left(inner)


def test_an_attempt_is_due_when_it_would_be_by_itself_once_the_lender_is_over():
    """It is never due earlier than before, and what has no limit in force gets none."""
    outer = call(until=5.0)
    attempts = [call(outer, until=30.0, due=due, own_due=own) for due, own in [(5.0, 12.0), (5.0, 99.0), (3.0, 3.0)]]
    attempts.append(call(outer, until=30.0, own_due=12.0))
    for each in attempts:
        each.borrow(outer)
    outer.live = False

    assert [30.0] * 4 == [each.deadline for each in attempts]
    assert [12.0, 30.0, 3.0, float("inf")] == [each.due for each in attempts]


def test_a_chain_of_borrowers_asks_the_one_whose_deadline_it_is():
    """However deep calls are nested, one look tells the deadline."""
    first = outer = call(until=5.0)
    for depth in range(2000):
        inner = call(outer, until=6.0 + depth)
        inner.borrow(outer)
        outer = inner

    assert (5.0, first) == (outer.deadline, outer.lender)
