"""An attempt that is late on an event loop: for how long it is waited for alone, and what is told of it."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace

import pytest

from unbreakable.errors import AttemptTimeout, Kind
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Circuit, CircuitBreaker, Plan, Retry, Timeout
from unbreakable.policies.patience import Patience, late, next_look, patience
from unbreakable.policies.timeout import may_be_followed
from unbreakable.runtime import TimeUp

GUESS = Timeout(2.0, learned=True)
pytestmark = pytest.mark.parametrize("bench", ["asyncio"], indirect=True)


def attempt(bench, *, limit=GUESS, retry=Retry(3), effects="none", deadline=60.0, slow_again=0.5, **fields):  # noqa: B008 - frozen
    """Return an attempt at a target whose attempts after a cut are slow again so often."""
    now = bench.runtime.now()
    bench.target.slow_again, bench.paid = slow_again, []
    if fields.pop("probing", False):
        bench.target.circuit = Circuit(CircuitBreaker(1, rest=1.0))
        bench.target.circuit.settle(0, False, now - 5.0)
        bench.target.circuit.admit(now)
    if fields.pop("shut", False):
        bench.target.circuit.force_open()
    fields = {name: now + value if name == "counts_from" else value for name, value in fields.items()}
    affords = fields.pop("affords", True)
    bench.node.prepay = lambda ctx: affords and not bench.paid.append(ctx)
    plan = Plan(timeout=limit, retry=retry, effects=effects)
    return bench.context(plan=plan, deadline=now + deadline, started=now, **fields)


def played(bench, check):
    """Return what *check* returns, in time that goes on."""

    async def story():
        return check(bench.runtime.now())

    return bench.play(story)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 2.0),
        ({"attempt": 2}, 4.0),
        ({"attempt": 3}, 8.0),
        ({"patience": 1.5}, 3.0),
        ({"slow_again": 0.51}, 8.0),
        ({"slow_again": 0.51, "attempt": 2, "patience": 1.5}, 24.0),
    ],
)
def test_an_attempt_is_waited_for_alone_as_long_as_its_limit_says(bench, fields, seconds):
    """Twice as long with each attempt, and longer where who was overtaken won most of the time."""
    assert seconds == played(bench, lambda now: patience(attempt(bench, **fields), GUESS))


@pytest.mark.parametrize(
    ("fields", "look", "paid"),
    [
        ({}, -math.inf, 1),
        ({"excused": True}, -math.inf, 0),
        ({"prepaid": 1.0}, -math.inf, 0),
        ({"affords": False}, 2.0, 0),
        ({"limit": Timeout(2.0)}, math.inf, 0),
        ({"deadline": 0.0}, math.inf, 0),
        ({"attempt": 3}, math.inf, 0),
        ({"is_aside": True}, 2.0, 0),
        ({"is_aside": True, "excused": True}, 2.0, 0),
        ({"aside": 1.0, "counts_from": -0.5}, 1.5, 0),
        ({"aside": 1.0, "counts_from": -0.5, "attempt": 2}, 3.5, 0),
        ({"aside": 1.0, "counts_from": -2.0}, -math.inf, 1),
        ({"counts_from": -0.5}, -math.inf, 1),
        ({"shut": True}, 2.0, 0),
        ({"shut": True, "excused": True}, 2.0, 0),
    ],
)
def test_it_is_waited_for_on_until_another_one_is_paid_for(bench, fields, look, paid):
    """In seconds from now; in the past when another attempt begins, for ever where none may."""

    def check(now):
        ctx = attempt(bench, **fields)
        until = next_look(ctx)
        return (until if math.isinf(until) else round(until - now, 6)), bench.paid == [ctx] * paid

    assert (look, True) == played(bench, check)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"attempt": 2}, True),
        ({"attempt": 3}, False),
        ({"retry": None}, False),
        ({"retry": Retry(3, on=OSError)}, True),
        ({"retry": Retry(3, on=KeyError)}, False),
        ({"retry": Retry(3, on=AttemptTimeout)}, True),
        ({"deadline": 1.7}, False),
        ({"deadline": 1.9}, True),
    ],
)
def test_another_attempt_has_to_be_allowed_and_to_have_the_time(bench, fields, expected):
    """An AttemptTimeout is a TimeoutError, and so an OSError."""
    assert expected is played(bench, lambda now: may_be_followed(attempt(bench, **fields), GUESS))


def test_what_is_told_of_one_that_goes_on(bench):
    """That it does, and how long it has been at its target, which is less than what its caller has waited."""
    failure = played(bench, lambda now: late(attempt(bench, attempt=2, aside=0.25), now - 3.5))

    assert "no answer after 3.500 s; it goes on beside another attempt" == str(failure.error)
    assert (AttemptTimeout, Kind.TIMEOUT, True, True) == (type(failure.error), failure.kind, failure.cut, failure.soft)
    assert ("stub", 2, 3.25) == (failure.node, failure.attempt, failure.elapsed)


@pytest.mark.parametrize(
    ("fields", "raced"),
    [
        ({}, True),
        ({"effects": "idempotent"}, True),
        ({"effects": "unknown"}, False),
        ({"effects": "once"}, False),
        ({"probing": True}, False),
        ({"waiting": lambda: None}, False),
        ({"stays": True}, False),
    ],
)
@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_only_what_may_run_twice_and_is_in_a_task_of_its_own_is_overtaken(bench, fields, raced, seconds):
    """A probe, a block and a generator are not; one that answers in time is what it answers."""

    async def story():
        ctx = attempt(bench, **fields)
        result = await Patience(GUESS).run(bench.inner((seconds, "done")), ctx)
        overtaken = raced and seconds > 2.0
        if overtaken:
            ctx.laggard.let_go(1)
        return ctx.raced, type(result) is (Failure if overtaken else Success), bench.clock.now(), overtaken

    assert (raced, True, 2.0 if raced and seconds > 2.0 else seconds, raced and seconds > 2.0) == bench.play(story)


def test_one_that_is_late_and_not_paid_for_is_waited_for(bench):
    """To its end, however long that takes."""

    async def story():
        ctx = attempt(bench, affords=False)
        return (await Patience(GUESS).run(bench.inner((9.0, "done")), ctx)).value, ctx.laggard, bench.clock.now()

    assert ("done", None, 9.0) == bench.play(story)


def test_one_that_answers_at_the_very_moment_that_it_is_late_has_answered(bench):
    """Its time was up when nobody had taken its answer yet: there is no other attempt to begin."""

    async def within(seconds, step, *details):
        await step()
        raise TimeUp

    async def story():
        ctx = attempt(bench)
        ctx.runtime = SimpleNamespace(
            preemptive=True, now=bench.runtime.now, beside=bench.runtime.beside, within=within
        )
        return await Patience(GUESS).run(bench.inner((2.0, "done")), ctx), ctx.laggard

    result, laggard = bench.play(story)

    assert ("done", None) == (result.value, laggard)


def test_what_is_learned_meanwhile_counts_for_one_that_is_under_way(bench):
    """It is the limit of its target that is tightened."""

    async def story():
        ctx = attempt(bench, limit=(slack := Timeout(30.0, learned=True)))
        running = asyncio.ensure_future(Patience(slack).run(bench.inner((9.0, "done")), ctx))
        await bench.runtime.sleep(1.0)
        bench.runtime.tighten(bench.target, 3.0)
        result = await running
        ctx.laggard.let_go(1)
        return type(result), bench.clock.now()

    assert (Failure, 3.0) == bench.play(story)
