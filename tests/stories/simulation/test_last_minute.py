"""What hangs is asked once more when half of the deadline is over, though nothing of the kind was seen before."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
QUICK, HANG, DEADLINE = 0.02, 1000.0, 0.4


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time(seed=1):
        yield


def target(hangs, seconds=QUICK):
    """Return work that takes so many *seconds*, but for the request of that number, and the list of requests."""
    made = []

    async def work():
        made.append(len(made))
        await sleep(HANG if made[-1] == hangs else seconds)

    return work, made


def story(call, count):
    """Return the outcomes of so many calls, one after the other."""

    async def play():
        return [await call.outcome() for _ in range(count)]

    return asyncio.run(play())


@pytest.mark.parametrize("before", [41, 60, 600])
@pytest.mark.parametrize("effects", ["none", "idempotent"])
def test_the_first_call_that_hangs_is_saved(before, effects):
    """Young or experienced: a copy is sent when half of the deadline is over, which leaves it the other half."""
    work, made = target(before)
    outcomes = story(ub.protect("target", effects=effects, deadline=DEADLINE)(work), before + 1)

    assert all(outcome.ok for outcome in outcomes)
    assert before + 2 == len(made)
    assert outcomes[-1].elapsed == pytest.approx(DEADLINE / 2 + QUICK, abs=0.01)


@pytest.mark.parametrize(("seconds", "deadline"), [(0.02, 1.0), (0.003, 1.0), (1.5, 9.0), (2.0, 10.0), (4.0, 10.0)])
@pytest.mark.parametrize("before", [60, 600])
def test_a_time_limit_leaves_time_for_another_attempt(before, seconds, deadline):
    """Half a second of one, or three times what a young model has seen, would end when there is none left."""
    work, made = target(before, seconds)
    outcomes = story(ub.protect("target", effects="none", deadline=deadline)(work), before + 1)

    assert all(outcome.ok for outcome in outcomes)
    assert before + 2 == len(made)


@pytest.mark.parametrize("deadline", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("share", [0.165, 0.17, 0.175])
def test_what_hangs_is_asked_once_more_not_twice(deadline, share):
    """A limit of a little more than half of the deadline rings when the copy has just been sent."""
    work, made = target(60, share * deadline)
    outcomes = story(ub.protect("target", effects="none", deadline=deadline)(work), 61)

    assert all(outcome.ok for outcome in outcomes)
    assert 62 == len(made)


@pytest.mark.parametrize("retry", [False, ub.Retry(1), ub.Retry(3, on=ConnectionError)], ids=str)
def test_whoever_repeats_nothing_gets_a_copy(retry):
    """A time limit begins no attempt there, however short it is."""
    work, made = target(60)
    outcomes = story(ub.protect("target", effects="none", deadline=2.0, retry=retry)(work), 61)

    assert all(outcome.ok for outcome in outcomes)
    assert 62 == len(made)
    assert outcomes[-1].elapsed == pytest.approx(1.0 + QUICK, abs=0.01)


def test_what_may_not_run_twice_is_not_copied():
    """Where nothing is said of its effects a call that hangs is waited for."""
    work, made = target(60)
    outcomes = story(ub.protect("target", deadline=DEADLINE)(work), 61)

    assert not outcomes[-1].ok
    assert 61 == len(made)


@pytest.mark.parametrize("how", [{"hedge": False}, {"strategy": "optimistic"}, {"strategy": "conservative"}])
def test_who_wants_no_copies_gets_none(how):
    """Nor from a strategy whose word is to wait, where its user named it."""
    work, made = target(60)
    outcomes = story(ub.protect("target", effects="none", deadline=DEADLINE, **how)(work), 61)

    assert not outcomes[-1].ok
    assert 61 == len(made)


def test_nothing_is_sent_before_anything_is_known():
    """The cold settings have no copies: who takes most of his deadline as a rule is not late."""
    work, made = target(0)
    outcomes = story(ub.protect("target", effects="none", deadline=DEADLINE)(work), 1)

    assert not outcomes[0].ok
    assert 1 == len(made)


def test_a_copy_at_the_last_minute_goes_another_way():
    """What hangs on one of two endpoints is asked of the other one, though that is the slower one."""
    engine, asked, light = ub.QuantumSimulationEngine(), [], 0.002  # nobody sends copies for the sake of that

    async def near(ctx):
        asked.append("near")
        await sleep(HANG if ctx.input == "heavy" else light)

    async def far(ctx):
        asked.append("far")
        await sleep(2 * light)

    async def call(what):
        how = {"name": "both", "effects": "none", "deadline": DEADLINE, "alternatives": {"far": far}}
        await engine.execute_quantum(near, what, **how)

    async def play():
        for _ in range(600):
            await call("light")
        asked.clear()
        began = ASYNCIO.now()
        await call("heavy")
        return ASYNCIO.now() - began

    assert asyncio.run(play()) < DEADLINE
    assert {"near", "far"} == set(asked)
