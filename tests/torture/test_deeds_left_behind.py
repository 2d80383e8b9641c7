"""What goes on when nobody waits for it any more: copies that lost, calls in the background, runs, loads."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.torture.test_deeds import left_running, mail, paying
from tests.torture.test_doubt import MyError

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
SLOWLY = ub.Retry(3, backoff=ub.Backoff(5.0, factor=1.0, jitter=False))


def play(story):
    with virtual_time():
        return asyncio.run(story())


async def ledger_of(work):
    result = await ub.OrchestratorNode(retry=False).orchestrate([ub.Step("pay", work, kind="pivot")])
    return result.ledger["pay"].value


async def tries_of(work):
    """Return how often *work* is begun in a call that may be repeated."""
    tries = []

    @ub.protect("around", retry=SLOWLY, breaker=False)
    async def around():
        tries.append(1)
        await work()

    await around.outcome()
    await sleep(120.0)
    return len(tries)


def slowly_done(done):
    """Return what must happen once, and takes longer than those who began it wait."""

    @ub.protect("slowly", effects="once")
    async def slowly():
        await sleep(20.0)
        done.append(1)

    return slowly


def test_a_call_that_begins_between_two_attempts_counts():
    """The first attempt has failed before the payment began, which is under way when the second is due."""
    paid = []

    async def story():
        pay = slowly_done(paid)

        async def order():
            await sleep(3.0)
            await pay()

        async def checkout():
            await asyncio.gather(order(), mail())

        return await tries_of(checkout)

    assert (1, [1]) == (play(story), paid)


@pytest.mark.parametrize("ends", ["value", "outcome", "error", "cancelled"])
def test_what_was_under_way_and_has_ended_is_forgotten(ends):
    """A call around many that come and go keeps none of them."""

    async def story():
        @ub.protect("part", effects="once", breaker=False)
        async def part():
            seen.append(len(ub.current().parent.deeds.at_work))
            if ends == "error":
                raise MyError
            await sleep(1.0 if ends == "cancelled" else 0.0)

        @ub.protect("whole")
        async def whole():
            for _ in range(30):
                with contextlib.suppress(MyError, TimeoutError):
                    async with asyncio.timeout(0.5):
                        await (part.outcome() if ends == "outcome" else part())
            return len(ub.current().deeds.at_work)

        seen = []
        return await whole(), max(seen)

    with virtual_time():
        assert (0, 1) == asyncio.run(story())


@pytest.mark.parametrize("begins", [3.0, 7.0])
def test_a_call_that_begins_after_its_attempt_is_known_outside_when_another_has_succeeded(begins):
    """In the pause, or beside the second attempt: the layer that may be repeated was; the next one must not be."""
    paid = []

    async def story():
        pay, tries = slowly_done(paid), []

        async def order():
            await sleep(begins)
            await pay()

        @ub.protect("checkout", effects="idempotent", retry=SLOWLY)
        async def checkout():
            tries.append(1)
            if len(tries) == 1:
                await asyncio.gather(order(), mail())
            await sleep(3.0)

        async def around():
            await checkout()
            raise ConnectionError

        return await tries_of(around)

    assert (1, [1]) == (play(story), paid)


def test_a_refused_call_that_must_happen_once_is_not_repeated_after_something_was_done(colour):
    """The hotel is booked, by a call that says so; the mail that could not be sent is no reason to begin anew."""

    async def story():
        tries = []
        book = paying(colour, [], effects="idempotent")

        async def journey():
            tries.append(1)
            await colour.call(book)
            raise ConnectionRefusedError

        await colour.call(colour.protect(journey, effects="once").outcome)
        return len(tries)

    assert 1 == colour.play(story)


@pytest.mark.parametrize("slow", [1, 2])
def test_a_copy_that_wins_leaves_no_doubt_of_the_one_that_loses(slow):
    """What the loser was at is what the winner has done."""

    async def story():
        copies = []

        @ub.protect("put", effects="idempotent", hedge=False)
        async def put():
            copies.append(1)
            await sleep(5.0 if len(copies) == slow else 1.0)

        @ub.protect("save", effects="idempotent", hedge=ub.Hedge(0.5))
        async def save():
            await put()

        async def step():
            await save()
            raise MyError("declined")

        return await ledger_of(step)

    assert "failed" == play(story)


@pytest.mark.parametrize("effects", ["none", "unknown", "idempotent", "once"])
def test_what_a_call_that_succeeded_has_left_in_the_background_is_no_doubt(effects):
    """It has left it there on purpose; what must happen once is not begun again for all that."""

    async def story():
        @ub.protect("metric", effects=effects)
        async def metric():
            await sleep(10.0)

        kept = set()

        @ub.protect("reserve")
        async def reserve():
            kept.add(asyncio.create_task(metric()))
            await sleep(0.1)

        async def step():
            await reserve()
            raise MyError("declined")

        async def fails():
            await reserve()
            raise ConnectionError

        return await ledger_of(step), await tries_of(fails)

    assert ("failed", 1 if effects == "once" else 3) == play(story)


@pytest.mark.parametrize("options", [{}, {"deadline": 300.0}])
def test_a_run_past_its_pivot_that_nobody_waits_for_is_under_way(options):
    """The attempt around it has failed; its parcel is being sent all the same, and not once more."""
    sent = []

    async def story():
        ship = slowly_done(sent)

        async def decide():
            pass

        steps = [ub.Step("decide", decide, kind="pivot"), ub.Step("ship", ship, kind="retriable")]
        node = ub.OrchestratorNode(**options)

        async def order():
            await asyncio.gather(node.orchestrate(steps), mail())

        return await tries_of(order)

    assert (1, [1]) == (play(story), sent)


def test_a_run_that_pauses_when_its_caller_leaves_goes_on():
    """No step is at work just then; that it is repeated later is known to the attempt around it all the same."""
    sent = []

    async def story():
        @ub.protect("ship", effects="idempotent", retry=False)
        async def ship():
            await sleep(0.9)
            sent.append(1)
            if len(sent) == 1:
                raise MyError

        async def decide():
            pass

        steps = [ub.Step("decide", decide, kind="pivot"), ub.Step("ship", ship, kind="retriable")]
        node = ub.OrchestratorNode(grace=0.1, retry=False)

        async def order():
            async with asyncio.timeout(1.0):
                await node.orchestrate(steps)

        return await tries_of(order)

    assert (1, [1, 1]) == (play(story), sent)


@pytest.mark.parametrize("wait", ["group", "time limit"])
def test_a_load_that_was_cut_under_way_is_not_begun_again(wait):
    """Get or create: nobody knows whether it was created."""
    sent = []

    async def story():
        async def create():
            sent.append(1)
            await sleep(20.0)

        cache = ub.CacheNode(effects="once")

        async def order():
            if wait == "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(cache.get("order", fetch=create))
                    group.create_task(mail())
            async with asyncio.timeout(1.0):
                await cache.get("order", fetch=create)

        return await tries_of(order)

    assert (1, [1]) == (play(story), sent)


def test_what_is_left_running_is_known_to_a_layer_further_out():
    """The payment is under way in a layer that has failed, and not once more in the one around it."""
    paid = []

    async def story():
        pay = slowly_done(paid)

        @ub.protect("inner", retry=False)
        async def inner():
            await left_running(pay)

        return await tries_of(inner)

    assert (1, [1]) == (play(story), paid)


# ── fallbacks that are plain code ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("effects", "attempts"), [("once", 1), ("unknown", 3), ("idempotent", 3)])
def test_what_a_plain_fallback_has_done_counts_by_what_its_call_declares(colour, effects, attempts):
    """Another provider is asked in place of the first one, which has refused the connection."""

    async def story():
        paid = []

        async def primary():
            raise ConnectionRefusedError

        options = {"effects": effects, "breaker": False, "retry": False}
        pay = colour.protect(primary, fallback=lambda failure: paid.append(1), **options)

        async def book():
            await colour.call(pay)
            raise MyError("mail is down")

        await colour.call(colour.protect(book).outcome)
        return len(paid)

    assert attempts == colour.play(story)


@pytest.mark.parametrize("error", [ConnectionResetError, None])
def test_a_step_whose_plain_fallback_has_paid_is_undone(colour, error):
    """Its payment went through, or nobody knows, though the first provider was never reached."""

    async def story():
        refunds = []

        async def primary():
            raise ConnectionRefusedError

        def backup(failure):
            if error is not None:
                raise error

        pay = colour.protect(primary, effects="once", fallback=backup, breaker=False, retry=False)

        async def book():
            await colour.call(pay)
            raise ConnectionRefusedError("mail is down")

        async def refund():
            refunds.append(1)

        node = ub.OrchestratorNode(retry=False)
        steps = [ub.Step("pay", colour.plain(book), compensate=colour.plain(refund))]
        await colour.call(node.orchestrate if colour.is_async else node.orchestrate_sync, steps)
        return len(refunds)

    assert 1 == colour.play(story)


@pytest.mark.parametrize("door", ["plain", "outcome"])
def test_an_undeclared_look_costs_a_refused_call_no_repeat(colour, door):
    """A token that was fetched before the bank refused the connection is no payment."""

    async def story():
        tries = []
        look = paying(colour, [], effects="unknown")

        async def pay():
            tries.append(1)
            await colour.call(look if door == "plain" else look.outcome)
            raise ConnectionRefusedError

        await colour.call(colour.protect(pay, effects="once").outcome)
        return len(tries)

    assert 3 == colour.play(story)
