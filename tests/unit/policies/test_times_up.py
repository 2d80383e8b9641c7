"""What is said of an attempt whose time is up: by whose limit, whether that was a guess, and what may still follow."""

from __future__ import annotations

import asyncio
import threading

import pytest

from unbreakable.errors import AttemptTimeout, BulkheadFull, ConfigurationError, DeadlineExceeded, Kind
from unbreakable.outcome import Success
from unbreakable.policies import Circuit, CircuitBreaker, Context, Plan, Timeout
from unbreakable.policies.timeout import cut, is_guessed, is_guessing, is_let_through, is_soft, time_is_up

GUESS, PINNED = Timeout(2.0, learned=True), Timeout(2.0)


def attempt(bench, *, limit=GUESS, due=2.0, deadline=60.0, **fields):
    """Return an attempt with so many seconds left, by its limit and in all."""
    now = bench.runtime.now()
    return bench.context(plan=Plan(timeout=limit), due=now + due, deadline=now + deadline, started=now, **fields)


def played(bench, check):
    """Return what *check* returns, in time that goes on."""

    async def story():
        return check(bench.runtime.now())

    return bench.play(story)


# ── by whom ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({}, AttemptTimeout, "cut after 3.250 s"),
        ({"deadline": 0.0}, DeadlineExceeded, "the deadline came 3.250 s into the attempt"),
        ({"deadline": 0.001}, AttemptTimeout, "cut after 3.250 s"),
    ],
)
@pytest.mark.parametrize("is_aside", [False, True])
def test_an_attempt_is_told_by_whose_limit_it_ended_and_when(bench, fields, error, words, is_aside):
    """One that waited for something of ours has certainly not reached its target."""
    told = played(bench, lambda now: time_is_up(attempt(bench, is_aside=is_aside, **fields), now - 3.25))

    assert (error, words) == (type(told), str(told))
    assert (False if is_aside else None) is getattr(told, "may_have_arrived", None)


@pytest.mark.parametrize(("limit", "deadline", "soft"), [(GUESS, 9.0, True), (PINNED, 9.0, False), (GUESS, 0.0, False)])
@pytest.mark.parametrize("mends", [False, True])
def test_what_we_cut_is_a_failure_that_knows_what_cut_it(bench, limit, deadline, soft, mends):
    """How long it was at its target, not counting what it waited for of ours; and whether a remedy is at hand."""
    asked = []
    bench.node.mends = lambda *given: asked.append(given) or mends

    def check(now):
        ctx = attempt(bench, limit=limit, deadline=deadline, aside=0.25, attempt=2)
        return ctx, cut(ctx, now - 3.0), now

    ctx, failure, now = played(bench, check)

    assert (2.75, now, 2, "stub") == (failure.elapsed, failure.at, failure.attempt, failure.node)
    assert (True, soft, mends, Kind.TIMEOUT) == (failure.cut, failure.soft, failure.mendable, failure.kind)
    assert ctx.given_up
    assert [(failure.error, ctx)] == [(given.error, about) for given, about in asked]


# ── a guess or not ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "ours", "expected"),
    [
        ({"due": 0.0}, False, True),
        ({"due": -1.0}, False, True),
        ({"due": 0.001}, False, False),
        ({"due": 0.001}, True, True),
        ({"due": -1.0, "deadline": 0.0}, True, False),
        ({"due": -1.0, "deadline": 0.001}, True, True),
        ({"due": -1.0, "limit": PINNED}, True, False),
        ({"due": -1.0, "limit": None}, True, True),
    ],
)
def test_a_cut_is_soft_when_a_guess_is_over_and_the_deadline_is_not(bench, fields, ours, expected):
    """Whoever ended it: we, or the attempt that kept to what it was told."""
    assert expected is played(bench, lambda now: is_soft(attempt(bench, **fields), now, ours=ours))


@pytest.mark.parametrize(
    ("fields", "error", "expected"),
    [
        ({}, OSError(), False),
        ({"asked": True}, OSError(), True),
        ({"asked": True, "due": 1.0}, OSError(), False),
        ({"cut": 1}, OSError(), True),
        ({"cut": 1, "due": 1.0}, OSError(), True),
        ({"given_up": True}, OSError(), True),
        ({"given_up": True, "due": 1.0}, OSError(), True),
        ({}, asyncio.CancelledError(), True),
        ({"due": 1.0}, asyncio.CancelledError(), True),
        ({"given_up": True, "deadline": 0.0}, OSError(), False),
        ({"given_up": True, "limit": PINNED}, OSError(), False),
    ],
)
def test_who_ended_by_a_guess_may_be_merely_slow(bench, fields, error, expected):
    """It was cut, or given up, or ended by itself when the time was over that it had asked for."""
    assert expected is played(bench, lambda now: is_guessed(attempt(bench, **{"due": 0.0, **fields}), error))


@pytest.mark.parametrize(("limit", "expected"), [(GUESS, True), (None, True), (PINNED, False)])
def test_a_limit_that_nobody_has_pinned_is_a_guess(bench, limit, expected):
    """Also while none is learned yet."""
    assert expected is played(bench, lambda now: is_guessing(attempt(bench, limit=limit)))


# ── what may follow ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wait", "waited", "deadline", "rested", "expected"),
    [
        (0.0, 0.0, 60.0, 0.0, False),
        (9.0, 0.0, 60.0, 0.0, False),
        (10.0, 0.0, 60.0, 0.0, False),
        (10.1, 0.0, 60.0, 0.0, True),
        (20.0, 9.0, 60.0, 0.0, True),
        (20.0, 10.5, 60.0, 0.0, False),
        (20.0, 0.0, 9.0, 0.0, False),
        (20.0, 0.0, 10.5, 0.0, True),
        (5.0, 0.0, 60.0, 6.0, True),
    ],
)
def test_an_open_circuit_is_waited_for_as_long_as_that_is_allowed(bench, wait, waited, deadline, rested, expected):
    """Its rest has to be over before the call may wait no longer, or has no more time."""

    def check(now):
        breaker = CircuitBreaker(1, rest=10.0, wait=wait)
        circuit = bench.target.circuit = Circuit(breaker)
        circuit.settle(0, False, now - rested)
        plan = Plan(timeout=GUESS, breaker=breaker)
        return is_let_through(bench.context(plan=plan, deadline=now + deadline, waited=waited), now)

    assert expected is played(bench, check)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_circuit_that_is_switched_by_hand_or_half_open_is_not_waited_for(bench, by_hand):
    """Nobody knows when it lets calls through again; without a breaker nobody waits for one forced open, either."""

    def check(now):
        breaker = CircuitBreaker(1, rest=10.0, wait=50.0)
        circuit = bench.target.circuit = Circuit(breaker)
        told = [is_let_through(attempt(bench), now)]
        if by_hand:
            circuit.force_open()
        else:
            circuit.settle(0, False, now - 20.0)
            circuit.admit(now)
        plans = (Plan(timeout=GUESS, breaker=breaker), Plan(timeout=GUESS, breaker=None))
        return told + [is_let_through(bench.context(plan=plan, deadline=now + 60.0), now) for plan in plans]

    assert [True, False, False] == played(bench, check)


# ── around a step ───────────────────────────────────────────────────────────────────────────────────────────────────


class Left(BaseException):
    """Somebody pulled the plug."""


@pytest.mark.parametrize(("left", "expected"), [(0.0, None), (-1.0, None), (0.5, "done")])
def test_what_has_any_time_is_begun(bench, left, expected):
    """And what has none is refused, in words that say so."""

    async def story():
        return await PINNED.run(bench.inner("done"), attempt(bench, limit=PINNED, deadline=left))

    result = bench.play(story)

    assert expected == getattr(result, "value", None)
    assert expected or (True, "the time was up before the attempt began") == (result.refused, str(result.error))


def test_without_a_thread_the_attempt_is_refused(bench):
    """Every one of them is held by a call that does not come back."""

    async def inner(ctx):
        raise BulkheadFull("no thread is free")

    async def story():
        return await PINNED.run(inner, attempt(bench, limit=PINNED))

    result = bench.play(story)

    assert (True, "no thread is free") == (result.refused, str(result.error))


def test_what_was_given_up_has_lasted_at_least_so_long(bench):
    """That is learned from: its caller left, or a rival won; what it waited for of ours does not count."""

    async def inner(ctx):
        await bench.runtime.sleep(1.0)
        ctx.aside = 0.25
        raise Left

    async def story():
        with pytest.raises(Left):
            await PINNED.run(inner, attempt(bench, limit=PINNED))
        return [round(age, 6) for age in bench.target.ages]

    assert [0.75] == bench.play(story)


@pytest.mark.parametrize("takes_it", [True, False])
def test_a_late_call_on_the_quick_path_goes_on_beside_its_script(bench, takes_it):
    """Where that is possible it is due when the script says; else it is cut, and another attempt paid for."""
    asked, paid = [], []

    def pursue(ctx):
        asked.append(ctx)
        ctx.due += 7.0 * takes_it
        return takes_it

    async def story():
        bench.node.pursue, bench.node.pay = pursue, lambda ctx: paid.append(ctx) or True
        plan = Plan(timeout=GUESS, effects="none")
        now = bench.runtime.now()
        ctx = bench.context(plan=plan, due=now, deadline=now + 60.0, entry=(int, (), {}))
        return ctx, ctx.respite() - now * takes_it

    ctx, until = bench.play(story)

    assert ([ctx], [] if takes_it else [ctx]) == (asked, paid)
    assert (7.0 if takes_it else 0.0) == pytest.approx(until)


@pytest.mark.parametrize("bench", ["blocking"], indirect=True)
def test_a_call_that_is_over_is_told_its_own_limit(bench):
    """Its attempt goes on in a thread that was left behind: nobody pays for another one."""

    async def story():
        whole = Context()
        whole.live = False
        return attempt(bench, due=1.0, whole=whole).remaining()

    assert 1.0 == pytest.approx(bench.play(story))


@pytest.mark.parametrize("bench", ["blocking"], indirect=True)
@pytest.mark.parametrize(("due", "moved"), [(1.0, False), (0.0, True), (-1.0, True)])
def test_who_may_not_end_by_a_guess_that_is_over_is_due_at_the_deadline(bench, due, moved):
    """Before, it is asked again."""

    async def story():
        bench.node.prepay = lambda ctx: False
        ctx = attempt(bench, due=due)
        ctx.remaining()
        return ctx.due == ctx.deadline, ctx.asked

    assert (moved, False) == bench.play(story)


def test_a_step_that_answers_within_its_limit_is_what_it_answers(bench):
    """And nothing is known of how long others took."""

    async def story():
        ctx = attempt(bench, limit=PINNED)
        return await PINNED.run(bench.inner((1.0, "done")), ctx), bench.target.ages, ctx.due

    result, ages, due = bench.play(story)

    assert (Success, "done", [], float("inf")) == (type(result), result.value, ages, due)


@pytest.mark.parametrize("runs_on", [False, True])
def test_who_was_cut_is_due_from_then_on(bench, runs_on):
    """It may go on in a thread, where it finds its time up at that very moment; who ended before has no limit now."""

    async def story():
        ctx = attempt(bench, limit=PINNED)
        await PINNED.run(bench.inner((9.0 if runs_on else 1.5, "done")), ctx)
        return ctx.due - ctx.started

    assert (2.0 if runs_on else float("inf")) == bench.play(story)


@pytest.mark.parametrize("bench", ["blocking"], indirect=True)
@pytest.mark.parametrize(
    ("limit", "aside"), [(Timeout(), False), (PINNED, True), (Timeout(2.0, cut_threads=False), False), (GUESS, False)]
)
def test_plain_code_is_in_a_thread_of_its_own_only_where_it_may_be_left_behind(bench, limit, aside):
    """A pinned limit costs that; a deadline, a cooperative limit and a guess do not."""

    async def inner(ctx):
        return Success(threading.get_ident())

    async def story():
        bench.node.may_pay = lambda ctx: True
        return (await limit.run(inner, attempt(bench, limit=limit))).value != threading.get_ident()

    assert aside is bench.play(story)


def test_a_limit_is_told_as_it_was_given():
    """Whether it was learned, and whether it costs threads, is nobody's business."""
    assert "Timeout(seconds=2.0)" == repr(Timeout(2.0, cut_threads=False, learned=True))
    assert Timeout() == Timeout(float("inf"))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), "2"])
def test_a_limit_is_a_time(seconds):
    """More than nothing; without an end is allowed."""
    with pytest.raises(ConfigurationError, match=r"Timeout\.seconds"):
        Timeout(seconds)
