"""Who asks for it by name is told of each call what its attempts were, by whichever way it went."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import ValidationFailed
from unbreakable.events import CallEnded
from unbreakable.fractal.recounting import MOST, recounted
from unbreakable.policies import Context
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def told_of(endings, calls=1, **options):
    """Return what is told of *calls* whose attempts take so many seconds and fail, or not, one after the other."""
    left, told = iter(endings), []

    @ub.protect("n", **{"retry": ub.Retry(3, backoff=ub.Backoff(1.0, jitter=False)), "timeout": False, **options})
    async def work() -> None:
        seconds, error = next(left)
        await ASYNCIO.sleep(seconds)
        if error is not None:
            raise error

    async def main():
        for _ in range(calls):
            await asyncio.gather(work(), return_exceptions=True)

    work.node.on(CallEnded, told.append)
    with virtual_time():
        asyncio.run(main())
    return told


def brief(call):
    """Return how a call ended, and of each attempt its numbers, when it began, how long it took, and how it ended."""
    return call.status, [
        (each.attempt, each.copy, round(each.began, 3), round(each.seconds, 3), each.kind or each.ended)
        for each in call.attempts
    ]


GONE = ConnectionError("gone")
TWICE = {"effects": "idempotent"}


@pytest.mark.parametrize(
    ("endings", "options", "expected"),
    [
        ([(0.5, None)], {}, ("ok", [(1, 0, 0.0, 0.5, "ok")])),
        ([(0.5, GONE), (0.2, None)], {}, ("healed", [(1, 0, 0.0, 0.5, "unreachable"), (2, 0, 1.5, 0.2, "ok")])),
        ([(0.5, GONE)], {"retry": False}, ("failed", [(1, 0, 0.0, 0.5, "unreachable")])),
        ([(0.5, GONE)], {"retry": False, "fallback": lambda _: None}, ("degraded", [(1, 0, 0.0, 0.5, "unreachable")])),
        (
            [(9.0, None), (0.2, None)],
            {"timeout": ub.Timeout(2.0), **TWICE},
            ("healed", [(1, 0, 0.0, 2.0, "cut"), (2, 0, 3.0, 0.2, "ok")]),
        ),
        (
            [(0.5, GONE), (9.0, None), (0.2, None)],
            {"timeout": ub.Timeout(2.0), **TWICE},
            ("healed", [(1, 0, 0.0, 0.5, "unreachable"), (2, 0, 1.5, 2.0, "cut"), (3, 0, 5.5, 0.2, "ok")]),
        ),
        (
            [(9.0, None), (0.2, None)],
            {"hedge": ub.Hedge(1.0), **TWICE},
            ("ok", [(1, 0, 0.0, 1.2, "cut"), (1, 1, 1.0, 0.2, "ok")]),
        ),
        (
            [(2.0, None), (0.2, GONE)],
            {"hedge": ub.Hedge(1.0), **TWICE},
            ("ok", [(1, 0, 0.0, 2.0, "ok"), (1, 1, 1.0, 0.2, "unreachable")]),
        ),
        (
            [(9.0, None), (0.2, None)],
            {"timeout": ub.Timeout(1.0, learned=True), **TWICE},
            ("healed", [(1, 0, 0.0, 1.2, "cut"), (2, 0, 1.0, 0.2, "ok")]),
        ),
    ],
)
def test_each_attempt_and_copy_is_told(endings, options, expected):
    """When it began, counted from its call, how long it was seen, and how it ended."""
    assert [expected] == [brief(call) for call in told_of(endings, **options)]


def test_plain_code_is_told_of_too():
    """By the same words."""
    told, left = [], iter([GONE, None])

    @ub.protect("n", retry=ub.Retry(backoff=ub.Backoff(1.0, jitter=False)))
    def work() -> None:
        ASYNCIO_SLEEP(0.5)
        if (error := next(left)) is not None:
            raise error

    work.node.on(CallEnded, told.append)
    with virtual_time() as clock:
        ASYNCIO_SLEEP = clock.advance  # noqa: N806
        work()

    assert ("healed", [(1, 0, 0.0, 0.5, "unreachable"), (2, 0, 1.5, 0.5, "ok")]) == brief(told[0])
    assert (False, "unknown") == (told[0].preemptive, told[0].plan.effects)


def test_a_call_whose_circuit_is_open_has_no_attempts():
    """It came all the same."""
    calls = told_of([(0.5, GONE)], calls=2, retry=False, breaker=ub.CircuitBreaker(failures=1))

    assert ("failed", []) == brief(calls[1])


@pytest.mark.parametrize("retried", [False, True])
def test_a_call_that_its_caller_leaves_is_told(retried):
    """On its first attempt, by arithmetic, and later, by the script."""
    told, left = [], iter([GONE] if retried else [])

    @ub.protect("n", effects="none", retry=ub.Retry(backoff=ub.Backoff(1.0, jitter=False)))
    async def work() -> None:
        if (error := next(left, None)) is not None:
            raise error
        await ASYNCIO.sleep(9.0)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 3.0)

    work.node.on(CallEnded, told.append)
    with virtual_time():
        asyncio.run(main())
    last = (2, 0, 1.0, 2.0, "cut") if retried else (1, 0, 0.0, 3.0, "cut")

    assert ("left", last) == (brief(told[0])[0], brief(told[0])[1][-1])
    assert 1 == len(told)


def test_what_a_failure_allows_is_told():
    """What may be repeated after it is known without its error."""
    sent, unsent, doubt = ValueError("no"), ub.errors.NotSent("not sent"), ValueError("no")
    doubt.in_doubt = True
    calls = told_of([(0.1, each) for each in (sent, unsent, doubt)], calls=3, retry=False)

    assert [(False, False), (True, False), (False, True)] == [
        (call.attempts[0].unsent, call.attempts[0].in_doubt) for call in calls
    ]


def test_what_a_failure_says_of_repeats_is_told():
    """How long its target wants to be left in peace, whether it is repeated for, whether that was in vain inside."""
    wish, inner = ConnectionError("busy"), ub.FractalNode("inner", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    wish.retry_after = 3.0
    told = told_of([(0.1, wish), (0.1, ValueError("no"))], calls=2, retry=ub.Retry(1, on=ConnectionError))

    def fail():
        raise GONE

    outer = ub.FractalNode("outer", lambda: inner.execute_sync(fail).unwrap(), retry=False)
    outer.on(CallEnded, told.append)
    outer.execute_sync()

    assert [(3.0, True, False), (None, False, False), (None, True, True)] == [
        (made.retry_after, made.covered, made.exhausted) for call in told for made in call.attempts
    ]


def test_an_attempt_that_was_not_made_is_not_told():
    """For want of a thread, say."""
    ctx = Context()
    ctx.node, ctx.runtime, ctx.recount = ub.FractalNode("n"), ASYNCIO, None

    async def refused(ctx):
        return ctx.refuse(ub.errors.BulkheadFull("no thread"))

    asyncio.run(recounted(refused, ctx))

    assert [] == ctx.recount


def test_a_call_that_is_refused_for_its_arguments_is_not_told():
    """It has nothing to do with the target."""
    told = []

    @ub.protect("n", validate=lambda number: number > 0)
    def work(number: int) -> int:
        return number

    work.node.on(CallEnded, told.append)
    with pytest.raises(ValidationFailed):
        work(0)
    work(1)

    assert ["ok"] == [call.status for call in told]


def test_blocks_and_generators_are_not_told():
    """What their attempts take is their user's time, too."""
    told = []

    @ub.protect("n")
    def numbers():
        yield 1

    numbers.node.on(CallEnded, told.append)
    assert [1] == list(numbers())
    assert [] == told


def test_nobody_else_hears_of_it():
    """Who listens to all events is told no more than before."""
    told, node = [], ub.FractalNode("n", lambda: 1)
    node.on(ub.events.Event, told.append)
    node.execute_sync()

    assert ["Succeeded"] == [type(event).__name__ for event in told]


def test_of_very_many_attempts_the_first_ones_are_told():
    """A call that repeats without end takes no room without end, nor does one that is refused in the end."""
    retry = ub.Retry(MOST + 3, backoff=ub.Backoff(0.0))
    (call,) = told_of([(0.1, GONE)] * (MOST + 3), retry=retry, budget=False, breaker=False, deadline=1e6)
    (refused,) = told_of([(0.1, GONE)] * (MOST + 1), retry=retry, budget=False, breaker=ub.CircuitBreaker(MOST + 1))

    assert MOST == len(call.attempts) == len(refused.attempts)
