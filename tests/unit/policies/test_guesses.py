"""A learned limit is a guess: what becomes of an attempt for which it is over, and what is told to one that asks."""

from __future__ import annotations

import asyncio
import math

import pytest

from unbreakable.policies import Circuit, CircuitBreaker, Plan, Retry, Timeout
from unbreakable.policies.timeout import learned_limit

LIMIT = Timeout(2.0, learned=True)
ON_A_LOOP = pytest.mark.parametrize("bench", ["asyncio"], indirect=True)
IN_PLAIN_CODE = pytest.mark.parametrize("bench", ["blocking"], indirect=True)
SLOW_AGAIN, OPEN, PROBING, BROKE = object(), object(), object(), object()


def attempt(bench, *facts, limit=LIMIT, retry=Retry(3), effects="none", due=0.0, deadline=60.0, **fields):  # noqa: B008 - frozen
    """Return an attempt whose limit is over *due* seconds from now; what it pays is in ``bench.paid``."""
    now, target = bench.runtime.now(), bench.target
    bench.paid = []
    if PROBING in facts:
        target.circuit = Circuit(CircuitBreaker(1, rest=1.0))
        target.circuit.settle(0, False, now - 5.0)
        fields = {"stamp": target.circuit.admit(now)[0], **fields}
    if OPEN in facts:
        target.circuit.force_open()
    target.slow_again = 0.6 if SLOW_AGAIN in facts else 0.5
    affords = BROKE not in facts
    bench.node.pay = lambda ctx: affords and not bench.paid.append(1) and not vars(ctx).update(prepaid=1.0)
    bench.node.prepay = bench.node.pay
    fields = {name: now + value if name == "counts_from" else value for name, value in fields.items()}
    plan = Plan(timeout=limit, retry=retry, effects=effects)
    return bench.context(plan=plan, due=now + due, deadline=now + deadline, live=fields.pop("live", True), **fields)


@ON_A_LOOP
@pytest.mark.parametrize(
    ("facts", "fields", "until", "paid"),
    [
        ((), {}, 0.0, 1),
        ((), {"excused": True}, 0.0, 0),
        ((), {"prepaid": 1.0}, 0.0, 0),
        ((BROKE,), {}, 60.0, 0),
        ((BROKE,), {"limit": Timeout(2.0)}, 0.0, 0),
        ((BROKE,), {"limit": None}, 60.0, 0),
        ((BROKE,), {"deadline": 0.0}, 0.0, 0),
        ((), {"raced": True}, 60.0, 0),
        ((), {"pursuit": object()}, 60.0, 0),
        ((), {"is_aside": True}, 2.0, 0),
        ((), {"is_aside": True, "deadline": 1.0}, 1.0, 0),
        ((), {"aside": 5.0, "counts_from": -0.5}, 1.5, 0),
        ((), {"aside": 5.0, "counts_from": -0.5, "attempt": 2}, 3.5, 0),
        ((), {"aside": 5.0, "counts_from": -0.5, "deadline": 1.0}, 1.0, 0),
        ((), {"aside": 5.0, "counts_from": -2.0}, 0.0, 1),
        ((), {"counts_from": -0.5}, 0.0, 1),
        ((BROKE,), {"rival": 1}, 0.0, 0),
        ((BROKE, PROBING), {}, 0.0, 0),
        ((PROBING,), {"stamp": 7}, 2.0, 0),
        ((), {"attempt": 2}, 0.0, 1),
        ((), {"attempt": 3}, 60.0, 0),
        ((), {"retry": None}, 60.0, 0),
        ((), {"retry": Retry(3, on=ValueError)}, 60.0, 0),
        ((), {"effects": "unknown"}, 60.0, 0),
        ((), {"effects": "once"}, 60.0, 0),
        ((), {"effects": "idempotent"}, 0.0, 1),
        ((SLOW_AGAIN,), {}, 60.0, 0),
        ((), {"deadline": 1.7}, 1.7, 0),
        ((), {"deadline": 1.9}, 0.0, 1),
        ((OPEN,), {}, 2.0, 0),
        ((OPEN,), {"deadline": 2.1}, 2.0, 0),
        ((OPEN,), {"deadline": 1.9}, 1.9, 0),
    ],
)
def test_an_attempt_that_is_due_is_spared_unless_another_is_sure_to_follow(bench, facts, fields, until, paid):
    """In seconds from now; zero is a cut, which is paid for with the attempt that follows."""

    async def story():
        ctx = attempt(bench, *facts, **fields)
        spared = ctx.respite()
        return (round(spared - bench.runtime.now(), 6) if spared else 0.0), len(bench.paid), ctx.given_up

    learned = fields.get("limit", LIMIT) is LIMIT and fields.get("deadline", 60.0) > 0.0
    assert (until, paid, until == 0.0 and learned) == bench.play(story)


@ON_A_LOOP
def test_an_attempt_that_was_cut_once_is_not_paid_for_again(bench):
    """What is paid is kept for the next one."""

    async def story():
        ctx = attempt(bench)
        return [ctx.respite(), ctx.respite()], len(bench.paid), ctx.prepaid

    assert ([0.0, 0.0], 1, 1.0) == bench.play(story)


@ON_A_LOOP
@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({}, 60.0),
        ({"given_up": True}, 1.0),
        ({"limit": Timeout(2.0)}, 1.0),
        ({"is_aside": True}, 60.0),
        ({"limit": None}, 60.0),
        ({"due": math.inf}, 60.0),
    ],
)
def test_on_an_event_loop_no_guess_is_told(bench, fields, left):
    """What a pinned limit leaves is told, and what was cut is."""

    async def story():
        return round(attempt(bench, **{"due": 1.0, **fields}).remaining(), 6), bench.paid

    assert (left, []) == bench.play(story)


@IN_PLAIN_CODE
@pytest.mark.parametrize(
    ("facts", "fields", "left", "paid"),
    [
        ((), {}, 1.0, 1),
        ((), {"due": -1.0}, -1.0, 1),
        ((), {"due": 60.0}, 60.0, 0),
        ((), {"prepaid": True}, 1.0, 0),
        ((BROKE,), {}, 60.0, 0),
        ((BROKE,), {"prepaid": True}, 1.0, 0),
        ((BROKE,), {"limit": Timeout(2.0)}, 1.0, 0),
        ((BROKE,), {"live": False}, 1.0, 0),
        ((BROKE,), {"due": 0.0, "asked": True}, 0.0, 0),
        ((BROKE,), {"asked": True}, 60.0, 0),
        ((BROKE,), {"due": 0.0}, 60.0, 0),
        ((), {"is_aside": True}, 60.0, 0),
        ((), {"is_aside": True, "given_up": True}, 1.0, 0),
        ((BROKE,), {"rival": 1}, 1.0, 0),
        ((BROKE, PROBING), {}, 1.0, 0),
        ((PROBING,), {"stamp": 7}, 60.0, 0),
        ((OPEN,), {}, 60.0, 0),
        ((), {"attempt": 3}, 60.0, 0),
        ((SLOW_AGAIN,), {}, 60.0, 0),
        ((), {"effects": "unknown"}, 60.0, 0),
    ],
)
def test_plain_code_is_told_a_guess_only_if_another_attempt_is_paid_for(bench, facts, fields, left, paid):
    """In advance, since it may end by itself when that time is over; else it has the time to the deadline."""

    async def story():
        ctx = attempt(bench, *facts, **{"due": 1.0, **fields})
        return round(ctx.remaining(), 6), len(bench.paid)

    assert (left, paid) == bench.play(story)


@IN_PLAIN_CODE
@pytest.mark.parametrize(("facts", "lefts"), [((), [1.0, -1.0, -1.0]), ((BROKE,), [60.0, 58.0, 58.0])])
def test_what_was_told_once_stays_true(bench, facts, lefts):
    """Who may end by a guess is not told later that he has more time, nor is he who may not that he has less."""

    async def story():
        ctx = attempt(bench, *facts, due=1.0)
        told = [ctx.remaining()]
        await bench.runtime.sleep(2.0)
        return [round(left, 6) for left in (*told, ctx.remaining(), ctx.remaining())], ctx.asked, ctx.due < ctx.deadline

    assert (lefts, not facts, not facts) == bench.play(story)


@pytest.mark.parametrize(
    ("facts", "fields", "may_pay", "in_plain_code", "on_a_loop"),
    [
        ((), {}, True, 2.0, 2.0),
        ((), {}, False, math.inf, 2.0),
        ((), {"prepaid": True}, False, 2.0, 2.0),
        ((), {"attempt": 2}, True, 4.0, 4.0),
        ((), {"attempt": 3}, True, math.inf, 8.0),
        ((), {"attempt": 3, "prepaid": True}, False, math.inf, 8.0),
        ((SLOW_AGAIN,), {}, True, math.inf, math.inf),
        ((PROBING,), {}, True, 8.0, 8.0),
        ((PROBING, SLOW_AGAIN), {}, True, 8.0, 8.0),
    ],
)
def test_a_guess_counts_where_it_can_be_put_off_or_another_attempt_can_be_paid(
    bench, facts, fields, may_pay, in_plain_code, on_a_loop
):
    """In seconds: twice as long with each attempt, four times for a probe, endless where a call would fail by it."""

    async def story():
        ctx = attempt(bench, *facts, **fields)
        bench.node.may_pay = lambda payer: may_pay and payer is ctx
        return LIMIT.patience(ctx)

    assert (on_a_loop if bench.runtime.preemptive else in_plain_code) == bench.play(story)


def test_a_probe_has_more_time_each_time_that_it_was_in_vain(bench):
    """Four times as much, until no float could hold more."""

    async def story():
        ctx, seconds = attempt(bench, PROBING), []
        for ctx.target.circuit.in_vain in (0, 1, 2, 30, 31, 32, 1_000):
            seconds.append(LIMIT.grown(ctx))
        return seconds

    assert [2.0 * 2.0**doublings for doublings in (2, 4, 6, 62, 64, 64, 64)] == bench.play(story)


@pytest.mark.parametrize(("seconds", "deadline", "learned"), [(2.0, 2.1, True), (2.0, 2.0, False), (2.0, 1.0, False)])
def test_a_limit_is_learned_if_it_comes_before_the_deadline(seconds, deadline, learned):
    """It costs no thread, and is known as a guess."""
    found = learned_limit(seconds, deadline)

    assert (Timeout(2.0, cut_threads=False, learned=True) if learned else None) == found
    assert learned is (found is not None and (found.learned and not found.cut_threads))


@IN_PLAIN_CODE
@pytest.mark.parametrize(("affords", "prepaid", "unsettled"), [(1, 0.0, True), (1, 1.0, False), (0, 0.0, False)])
def test_who_pays_in_advance_has_something_to_settle(bench, affords, prepaid, unsettled):
    """What was not needed is given back in the end; who could not pay, or had paid, owes nothing new."""

    async def story():
        ctx = attempt(bench, *[BROKE] * (not affords), due=1.0, prepaid=prepaid, unsettled=False)
        ctx.remaining()
        return ctx.unsettled

    assert unsettled is bench.play(story)


@ON_A_LOOP
def test_a_limit_learned_meanwhile_counts_for_an_attempt_that_is_under_way(bench):
    """It is the limit of its target that is tightened."""

    async def story():
        slack = Timeout(30.0, learned=True)
        ctx = attempt(bench, limit=slack)
        running = asyncio.ensure_future(slack.run(bench.inner((9.0, "done")), ctx))
        await bench.runtime.sleep(1.0)
        bench.runtime.tighten(bench.target, 3.0)
        return (await running).soft, bench.clock.now()

    assert (True, 3.0) == bench.play(story)
