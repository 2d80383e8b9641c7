"""What was done inside a call is known around it, whichever way the calls inside have ended, or have not yet."""

from __future__ import annotations

import asyncio

import pytest
from tests.torture.test_doubt import MyError

import unbreakable as ub
from unbreakable.errors import NotSent
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def paying(colour, paid, *, ends=None, **options):
    """Return a protected payment that takes a second, and ends so after it went through."""

    async def pay():
        await colour.sleep(1.0)
        paid.append(1)
        if ends is not None:
            raise ends

    return colour.protect(pay, **{"effects": "once", **options})


async def run(colour, node, *steps):
    return await colour.call(node.orchestrate if colour.is_async else node.orchestrate_sync, list(steps))


# ── the ledger of a step ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("effects", ["idempotent", "unknown", "once"])
@pytest.mark.parametrize("refused", [ConnectionRefusedError, NotSent])
def test_a_step_that_did_something_before_it_was_refused_is_undone(colour, effects, refused):
    """Its last error says that nothing was sent, of one call; another one inside has booked."""

    async def story():
        booked, cancelled = [], []
        book = paying(colour, booked, effects=effects)

        async def journey():
            await colour.call(book)
            raise refused("mail is down")

        async def cancel():
            cancelled.append(1)

        step = ub.Step("book", colour.plain(journey), compensate=colour.plain(cancel))
        result = await run(colour, ub.OrchestratorNode(retry=False), step)
        return len(booked), len(cancelled), result.status.value

    assert (1, 1, "compensated") == colour.play(story)


@pytest.mark.parametrize(
    ("effects", "ledger"), [("idempotent", "uncertain"), ("unknown", "failed"), ("none", "not_begun")]
)
def test_a_pivot_that_did_something_before_it_was_refused_is_not_sure(colour, effects, ledger):
    """What only looked has done nothing; of what declares nothing the pivot's own error has the word."""

    async def story():
        pay = paying(colour, [], effects=effects)

        async def book():
            await colour.call(pay)
            raise ConnectionRefusedError

        result = await run(colour, ub.OrchestratorNode(), ub.Step("pay", colour.plain(book), kind="pivot"))
        return result.ledger["pay"].value

    assert ledger == colour.play(story)


@pytest.mark.parametrize("passes", [True, False])
@pytest.mark.parametrize("error", [ConnectionResetError("lost"), TimeoutError("slow")])
def test_a_look_that_fails_leaves_no_doubt(colour, error, passes):
    """A pivot that could not even look at the rates has paid nothing, however that error is passed on."""

    async def story():
        async def look():
            raise error

        rates = colour.protect(look, effects="none", retry=False)

        async def pay():
            try:
                await colour.call(rates)
            except OSError as lost:
                if passes:
                    raise
                raise MyError("no rates") from lost

        result = await run(colour, ub.OrchestratorNode(), ub.Step("pay", colour.plain(pay), kind="pivot"))
        return result.status.value, result.ledger["pay"].value

    assert ("compensated", "failed") == colour.play(story)


class BadGateway(Exception):
    """An answer of one that got none itself."""

    status_code = 502


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("inner", [None, "once", "idempotent", "unknown"])
@pytest.mark.parametrize("outer", ["once", "unknown", "idempotent"])
def test_a_gateway_does_not_know_what_became_of_a_payment(colour, inner, outer, wraps):
    """Whatever is declared, and whatever a program makes of the answer."""

    async def story():
        async def post():
            raise BadGateway

        ask = colour.plain(post) if inner is None else colour.protect(post, effects=inner, retry=False)

        async def pay():
            try:
                await colour.call(ask)
            except BadGateway as answer:
                if not wraps:
                    raise
                raise MyError("payment failed") from answer

        node = ub.OrchestratorNode(effects=outer)
        result = await run(colour, node, ub.Step("pay", colour.plain(pay), kind="pivot"))
        return result.status.value, result.ledger["pay"].value

    assert ("needs_attention", "uncertain") == colour.play(story)


# ── what is still at work ───────────────────────────────────────────────────────────────────────────────────────────


def checkout(work, paid):
    """Play a checkout that fails while a payment is under way, and wait for the payment's end."""

    async def story():
        @ub.protect("pay", effects="once")
        async def pay():
            await sleep(3.0)
            paid.append(1)

        @ub.protect("checkout")
        async def both():
            await work(pay)

        outcome = await both.outcome()
        await sleep(60.0)
        return outcome.attempts

    with virtual_time():
        return asyncio.run(story())


async def mail():
    await sleep(1.0)
    raise ConnectionError


async def gathered(pay):
    await asyncio.gather(pay(), mail())


async def left_running(pay):
    task = asyncio.create_task(pay())
    await mail()
    await task


async def shielded(pay):
    async with asyncio.timeout(1.0):
        await asyncio.shield(pay())


@pytest.mark.parametrize("work", [gathered, left_running, shielded])
def test_a_payment_that_is_still_under_way_is_not_made_again(work):
    """The attempt around it has failed; it has not."""
    paid = []

    assert 1 == checkout(work, paid)
    assert [1] == paid


def test_a_pivot_that_leaves_a_payment_under_way_is_not_sure():
    """Nobody knows yet how it will end."""

    async def story():
        @ub.protect("pay", effects="idempotent")
        async def pay():
            await sleep(3.0)

        async def decline():
            await sleep(1.0)
            raise MyError("declined")

        async def both():
            await asyncio.gather(pay(), decline())

        result = await ub.OrchestratorNode().orchestrate([ub.Step("pay", both, kind="pivot")])
        return result.ledger["pay"].value

    with virtual_time():
        assert "uncertain" == asyncio.run(story())


# ── between attempts, and instead of them ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cuts", ["timeout", "sibling"])
def test_a_charge_that_is_cancelled_between_two_attempts_stays_in_doubt(cuts):
    """Its answer was lost before: that it was cancelled while it paused takes nothing back."""

    async def story():
        @ub.protect("pay", effects="idempotent", retry=ub.Retry(3, backoff=ub.Backoff(10.0, jitter=False)))
        async def pay():
            raise ConnectionResetError("the answer got lost")

        async def decline():
            await sleep(3.0)
            raise MyError("fraud")

        async def book():
            if cuts == "sibling":
                async with asyncio.TaskGroup() as group:
                    group.create_task(pay())
                    group.create_task(decline())
            try:
                async with asyncio.timeout(3.0):
                    await pay()
            except TimeoutError:
                pass
            raise MyError("too slow")

        result = await ub.OrchestratorNode(retry=False).orchestrate([ub.Step("pay", book, kind="pivot")])
        return result.ledger["pay"].value

    with virtual_time():
        assert "uncertain" == asyncio.run(story())


def backed_up(colour, paid, ends=None):
    """Return a payment at a provider that is down, with another one to fall back on."""
    backup = paying(colour, paid, ends=ends)

    async def primary():
        raise ConnectionRefusedError

    def answer(failure):
        return backup()

    return colour.protect(primary, effects="once", fallback=answer, breaker=False)


def test_what_a_fallback_has_paid_is_not_paid_again(colour):
    """It is a part of the call like any attempt."""

    async def story():
        paid = []
        pay = backed_up(colour, paid)

        async def book():
            await colour.call(pay)
            raise MyError("mail is down")

        await colour.call(colour.protect(book).outcome)
        return len(paid)

    assert 1 == colour.play(story)


def test_a_fallback_whose_answer_got_lost_leaves_a_doubt(colour):
    """Its payment is looked into, or refunded, though the call itself was refused."""

    async def story():
        paid, refunds = [], []
        pay = backed_up(colour, paid, ends=ConnectionResetError("lost"))

        async def refund():
            refunds.append(1)

        async def book():
            await colour.call(pay)

        step = ub.Step("pay", colour.plain(book), compensate=colour.plain(refund))
        await run(colour, ub.OrchestratorNode(retry=False), step)
        return len(paid), len(refunds)

    assert (1, 1) == colour.play(story)


def test_a_fallback_has_time_for_the_calls_inside_it(colour):
    """The deadline has passed; it has a second more, and so have they."""

    async def story():
        async def ask():
            await colour.sleep(5.0)
            raise TimeoutError

        async def answer():
            await colour.sleep(0.5)
            return "from the shelf"

        shelf = colour.protect(answer, effects="none")
        call = colour.protect(ask, deadline=3.0, fallback=lambda failure: shelf())
        return await colour.call(call)

    assert "from the shelf" == colour.play(story)


def test_what_a_remedy_does_may_be_done_again(colour):
    """A remedy that tops up an account is no part of what the call has done."""

    async def story():
        calls, toppings = [], []
        top_up = paying(colour, toppings)

        async def ask():
            calls.append(1)
            raise MyError(f"no credit {len(calls)}")

        call = colour.protect(ask, retry=ub.Retry(2))

        async def mend(failure):
            await colour.call(top_up)

        call.remedy(MyError)(colour.plain(mend))

        async def around():
            await colour.call(call.outcome)
            raise ConnectionError("later")

        await colour.call(colour.protect(around, retry=ub.Retry(2)).outcome)
        return len(calls)

    assert 4 == colour.play(story)


# ── runs inside calls ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after_pivot", [False, True])
@pytest.mark.parametrize("options", [{}, {"deadline": 60.0}])
def test_a_run_tells_the_call_around_it_what_its_steps_have_done(colour, options, after_pivot):
    """With a deadline of its own or without, before its pivot or past it."""

    async def story():
        paid = []
        pay, node = paying(colour, paid), ub.OrchestratorNode(**options)

        async def step():
            await colour.call(pay)

        async def nothing():
            pass

        pivot = ub.Step("decide", colour.plain(nothing), kind="pivot")
        steps = [pivot, ub.Step("pay", colour.plain(step), kind="retriable")]
        steps = steps if after_pivot else [ub.Step("pay", colour.plain(step))]

        async def around():
            await run(colour, node, *steps)
            raise ConnectionError("the rest fails")

        await colour.call(colour.protect(around).outcome)
        return len(paid)

    assert 1 == colour.play(story)
