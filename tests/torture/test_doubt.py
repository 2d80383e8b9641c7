"""What must not be made twice is not, whatever becomes of the trail; what others refused is a failure like any."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import BulkheadFull, Kind, Rejected, ValidationFailed
from unbreakable.policies.effects import may_repeat
from unbreakable.testing import virtual_time


class MyError(Exception):
    """What a careful program turns everything into."""


def pays(colour, calls, **options):
    """Return a protected payment whose answer gets lost."""

    async def pay():
        calls.append(1)
        await colour.sleep(3)
        raise ConnectionResetError("the answer got lost")

    return colour.protect(pay, **options)


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({"effects": "once"}, 1),
        ({"timeout": ub.Timeout(1.0)}, 1),
        ({"effects": "once", "fallback": lambda failure: "later"}, 1),
        ({"effects": "idempotent", "retry": False}, 3),
        ({"retry": False}, 3),
    ],
)
def test_a_new_exception_does_not_hide_what_may_have_been_done(colour, options, made):
    """Whatever a layer that declared nothing raises, a payment inside it that may have gone through is made once."""

    async def story():
        calls = []
        pay = pays(colour, calls, **options)

        async def book():
            await colour.call(pay.outcome)
            raise MyError("no luck")

        outcome = await colour.call(colour.protect(book).outcome)
        return type(outcome.error), len(calls)

    assert (MyError, made) == colour.play(story)


@pytest.mark.parametrize(("effects", "made"), [("unknown", 1), ("once", 1), ("idempotent", 3), ("none", 3)])
def test_a_layer_that_may_be_repeated_says_so_itself(colour, effects, made):
    """A layer that declares its effects idempotent vouches for the calls inside it; any other is not repeated."""

    async def story():
        calls = []
        pay = pays(colour, calls, effects="once", retry=False)

        async def book():
            await colour.call(pay)

        async def journey():
            await colour.call(colour.protect(book, effects=effects))

        await colour.call(colour.protect(journey, retry=False).outcome)
        return len(calls)

    assert made == colour.play(story)


def test_doubt_goes_through_every_layer(colour):
    """Three layers up, with an exception of its own each, the payment is still made once."""

    async def story():
        calls = []
        layer = pays(colour, calls, effects="once")
        for _ in range(3):

            async def above(below=layer):
                await colour.call(below.outcome)
                raise MyError

            layer = colour.protect(above)
        await colour.call(layer.outcome)
        return len(calls)

    assert 1 == colour.play(story)


def test_what_was_caught_and_made_good_is_a_success(colour):
    """A layer that catches the failure inside it and answers has succeeded; its next call begins without doubt."""

    async def story():
        calls, tries = [], []
        pay = pays(colour, calls, effects="once")

        async def book():
            await colour.call(pay.outcome)
            return "by invoice"

        async def other():
            tries.append(1)
            raise ConnectionError

        async def journey():
            await colour.call(colour.protect(book))

        await colour.call(colour.protect(journey))
        await colour.call(colour.protect(other).outcome)
        return len(calls), len(tries)

    assert (1, 3) == colour.play(story)


@pytest.mark.parametrize("script", [False, True])
def test_a_payment_that_was_cancelled_is_not_made_again_by_the_layer_above(script):
    """When the user's own time limit cancels a payment inside a call, nobody knows what the payment did."""
    calls = []

    @ub.protect("pay", effects="once")
    async def pay():
        calls.append(1)
        await asyncio.sleep(10)  # noqa: TID251 - virtual

    @ub.protect("book")
    async def book():
        await asyncio.wait_for(pay.outcome() if script else pay(), 1)

    with virtual_time():
        outcome = asyncio.run(book.outcome())

    assert (TimeoutError, 1) == (type(outcome.error), len(calls))


def test_a_call_inside_that_was_refused_left_no_doubt(colour):
    """A payment that we refused was not made, so the layer above may try again."""

    async def story():
        tries = []

        async def pay():
            return None

        inner = colour.protect(pay, effects="once", bulkhead=ub.Bulkhead(1))
        inner.node.target.gate.enter_nowait()

        async def book():
            tries.append(1)
            if len(tries) == 2:
                inner.node.target.gate.leave()
            await colour.call(inner)

        return (await colour.call(colour.protect(book).outcome)).status, len(tries)

    assert (ub.Status.HEALED, 2) == colour.play(story)


# ── what has certainly been done ────────────────────────────────────────────────────────────────────────────────────


def paying(colour, paid, effects="once"):
    """Return a protected payment that goes through."""

    async def pay():
        paid.append(1)
        return "paid"

    return colour.protect(pay, effects=effects)


@pytest.mark.parametrize("error", [MyError, ConnectionRefusedError])
@pytest.mark.parametrize(
    ("effects", "around", "made"),
    [
        ("once", "unknown", 1),
        ("once", "once", 1),
        ("once", "idempotent", 3),
        ("once", "none", 3),
        ("idempotent", "unknown", 3),
        ("none", "unknown", 3),
    ],
)
def test_what_went_through_is_not_made_again_by_the_layer_around(colour, effects, around, made, error):
    """A payment is not made again because what comes after it fails; who declares the whole idempotent vouches."""

    async def story():
        paid = []
        pay = paying(colour, paid, effects)

        async def checkout():
            await colour.call(pay)
            raise error("the mail server")

        outcome = await colour.call(colour.protect(checkout, effects=around).outcome)
        return type(outcome.error), len(paid)

    assert (error, made) == colour.play(story)


def test_what_went_through_is_known_through_every_layer(colour):
    """Layers that succeed hand on that something inside them must not be done twice; the outermost verifies in vain."""

    async def story():
        paid = []
        layer = paying(colour, paid)
        for outcome in (True, False, True):

            async def above(below=layer, outcome=outcome):
                return await colour.call(below.outcome if outcome else below)

            layer = colour.protect(above, verify=lambda value: True)

        async def all_of_it():
            return await colour.call(layer)

        last = await colour.call(colour.protect(all_of_it, verify=lambda value: False).outcome)
        return last.attempts, len(paid)

    assert (1, 1) == colour.play(story)


def test_what_was_lost_before_it_was_refused_may_be_repeated_as_what_was_lost(colour):
    """That an earlier attempt may have arrived keeps nobody from repeating who repeats after a lost answer, too."""

    async def story():
        failures = [ConnectionResetError(), ConnectionRefusedError()]
        asked = []

        async def ask():
            asked.append(1)
            raise failures.pop(0) if failures else ConnectionRefusedError()

        inner = colour.protect(ask, effects="idempotent", retry=ub.Retry(2, backoff=ub.Backoff(0.1)), breaker=False)

        async def once_more():
            await colour.call(inner)

        ends = []
        for effects in ("unknown", "once"):
            failures[:] = [ConnectionResetError(), ConnectionRefusedError()]
            outer = colour.protect(once_more, effects=effects)
            error = (await colour.call(outer.outcome)).error
            ends.append((type(error), may_repeat(effects, ub.Failure(error))))
        return ends

    refused = ConnectionRefusedError
    assert [(refused, True), (refused, False)] == colour.play(story)


def test_what_a_remedy_does_once_is_no_part_of_the_call(colour):
    """A remedy that logs in by a request of its own, as most do, is followed by another attempt."""

    async def story():
        paid, tries = [], []
        log_in = paying(colour, paid)

        async def work():
            tries.append(1)
            if len(tries) < 3:
                raise MyError
            return "in"

        door = colour.protect(work)

        async def mend(failure):
            await colour.call(log_in)

        door.remedy(MyError)(colour.plain(mend))
        return await colour.call(door), len(paid)

    assert ("in", 2) == colour.play(story)


def test_a_token_that_is_fetched_once_is_no_part_of_the_request(colour):
    """What an attempt does while it waits for what is ours stands in no attempt's way."""

    async def story():
        paid, tries = [], []
        fetch = paying(colour, paid)

        async def post():
            with ub.current().waiting_for_ours():
                await colour.call(fetch)
            tries.append(1)
            if len(tries) < 3:
                raise ConnectionRefusedError
            return "posted"

        return await colour.call(colour.protect(post, effects="once")), len(paid)

    assert ("posted", 3) == colour.play(story)


# ── refusals of others ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fallback_answers_when_a_call_inside_refused_its_input(colour):
    """Only the refusal of the call's own input is the caller's to mend."""

    async def story():
        async def check(number):
            return number

        inner = colour.protect(check, validate=lambda number: number > 0)

        async def work():
            return await colour.call(inner, -1)

        outer = colour.protect(work, fallback=lambda failure: failure.kind)
        return await colour.call(outer), type((await colour.call(inner.outcome, -1)).error)

    assert (Kind.INVALID, ValidationFailed) == colour.play(story)


def test_another_targets_refusal_is_repeated_and_mended(colour):
    """A full bulkhead somewhere else passes by itself, and a remedy for refusals is asked."""

    async def story():
        calls, asked = [], []

        async def work():
            calls.append(1)
            if len(calls) < 3:
                raise BulkheadFull("elsewhere")
            return len(calls)

        door = colour.protect(work)

        @door.remedy(Rejected)
        def free(failure):
            asked.append(failure.kind)

        return await colour.call(door), asked[:1]

    assert (3, [Kind.TRANSIENT]) == colour.play(story)


def test_our_own_refusal_is_neither_repeated_nor_mended(colour):
    """No remedy is asked about a circuit that we opened ourselves."""

    async def story():
        asked = []

        async def work():
            return None

        door = colour.protect(work)
        door.remedy(Rejected)(asked.append)
        door.node.breaker.force_open()
        outcome = await colour.call(door.outcome)
        return type(outcome.error).__name__, outcome.attempts, asked

    assert ("CircuitOpen", 0, []) == colour.play(story)
