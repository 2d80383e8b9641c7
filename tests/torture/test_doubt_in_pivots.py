"""What a pivot knows of the calls inside it: that they went through, that they did not, or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import urllib.error
from email.message import Message

import httpx2
import pytest
from tests.torture.test_doubt import MyError, paying, pays

import unbreakable as ub
from unbreakable.policies.effects import is_accident
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


async def end_of(colour, pay):
    """Return how a run ended whose pivot is *pay*, which is called once."""
    node = ub.OrchestratorNode(retry=False)
    steps = [ub.Step("pay", colour.plain(pay), kind="pivot")]
    return await colour.call(node.orchestrate if colour.is_async else node.orchestrate_sync, steps)


@pytest.mark.parametrize("layer", [False, True])
@pytest.mark.parametrize(
    ("lost", "word", "expected"),
    [
        (False, None, ("compensated", "failed")),
        (True, None, ("needs_attention", "uncertain")),
        (True, False, ("compensated", "failed")),
    ],
)
def test_a_clear_no_after_what_went_through_is_believed(colour, lost, word, expected, layer):
    """A bank that answered "declined" has answered: the pivot has failed, which is no doubt; an answer lost is one."""

    async def story():
        paid = []
        ask = pays(colour, paid, effects="once") if lost else paying(colour, paid)

        async def asks():
            return (await colour.call(ask.outcome)).ok

        ask_for_it = colour.protect(asks) if layer else colour.plain(asks)

        async def pay():
            await colour.call(ask_for_it)
            error = MyError("declined")
            if word is not None:
                error.in_doubt = word
            raise error

        node = ub.OrchestratorNode()
        steps = [ub.Step("pay", colour.plain(pay), kind="pivot")]
        result = await colour.call(node.orchestrate if colour.is_async else node.orchestrate_sync, {"steps": steps})
        return len(paid), result.status.value, result.ledger["pay"].value

    assert (1, *expected) == colour.play(story)


class Gateway(Exception):
    """An answer of one that got none itself."""

    http_status = 502


@pytest.mark.parametrize("layer", [None, "unknown", "idempotent"])
@pytest.mark.parametrize(
    ("effects", "ends", "status"),
    [
        ("unknown", [ConnectionResetError(), MyError("no funds"), MyError("no funds")], "needs_attention"),
        ("idempotent", [ConnectionResetError()] * 3, "needs_attention"),
        ("none", [ConnectionResetError(), MyError("no funds"), MyError("no funds")], "compensated"),
        ("unknown", [MyError("no funds")] * 3, "compensated"),
        ("once", [Gateway()], "needs_attention"),
        ("once", [MyError("no funds")], "compensated"),
    ],
)
def test_a_pivot_knows_no_more_than_the_call_in_it(colour, effects, ends, status, layer):
    """An attempt whose answer was lost stays lost, whatever the next one says."""

    async def story():
        left = list(ends)

        async def bank():
            raise left.pop(0)

        ask = colour.protect(bank, effects=effects, breaker=False)

        async def asks():
            return (await colour.call(ask.outcome)).ok

        is_paid = colour.plain(asks) if layer is None else colour.protect(asks, effects=layer)

        async def pay():
            if not await colour.call(is_paid):
                raise MyError("no")

        return left, (await end_of(colour, pay)).status.value

    assert ([], status) == colour.play(story)


@pytest.mark.parametrize("effects", ["unknown", "once", "idempotent"])
def test_a_call_that_came_too_late_to_begin_leaves_no_doubt(effects):
    """That its time was up before it began is a clear answer, though it looks like a cut."""
    pay = ub.protect("pay", effects=effects)(lambda: 1 / 0)

    @ub.protect("book", deadline=3.0, retry=False)
    def book():
        time.sleep(3.0)  # noqa: TID251 - virtual time
        pay()

    with virtual_time():
        result = ub.OrchestratorNode().orchestrate_sync([ub.Step("pay", book, kind="pivot")])

    assert "failed" == result.ledger["pay"].value


def test_that_one_call_was_a_look_says_nothing_of_another(colour):
    """A payment was lost before: the error of a look that fails after it does not clear that up."""

    async def story():
        async def look():
            raise ConnectionResetError("the rates got lost")

        ask, rates = pays(colour, [], effects="idempotent"), colour.protect(look, effects="none", retry=False)

        async def pay():
            await colour.call(ask.outcome)
            await colour.call(rates)

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "uncertain" == colour.play(story)


class Declined(ValueError):
    """What a careful program raises."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError("charge_id"), "uncertain"),
        (OSError(28, "no space"), "uncertain"),
        (sqlite3.OperationalError("no such table"), "uncertain"),
        (ConnectionRefusedError("mail"), "uncertain"),
        (Declined("no funds"), "failed"),
        (ValueError("no funds"), "failed"),
        (ub.errors.VerificationFailed("no funds"), "failed"),
        (urllib.error.HTTPError("http://bank", 402, "no funds", Message(), None), "failed"),
        (httpx2.ReadError("reset"), "uncertain"),
        (ExceptionGroup("both", [Declined("no funds"), ValueError("no")]), "failed"),
        (ExceptionGroup("both", [Declined("no funds"), KeyError("id")]), "uncertain"),
    ],
)
@pytest.mark.parametrize("effects", ["once", "idempotent"])
def test_an_accident_after_a_payment_is_no_word_on_it(colour, effects, error, expected):
    """Somebody has to look, for it went through; what the program itself says of it is believed."""

    async def story():
        ask = paying(colour, [], effects=effects)

        async def pay():
            await colour.call(ask)
            raise error

        return (await end_of(colour, pay)).ledger["pay"].value

    assert expected == colour.play(story)


@pytest.mark.parametrize("first", ["refused", "declined"])
@pytest.mark.parametrize("how", ["fallback", "in turn"])
def test_one_provider_that_cannot_be_reached_and_one_that_declines_are_clear(colour, first, how):
    """Nobody was charged, whichever was asked first."""

    async def story():
        async def refuses():
            raise ConnectionRefusedError

        async def declines():
            raise Declined

        works = (refuses, declines) if first == "refused" else (declines, refuses)
        options = {"effects": "once", "breaker": False, "retry": False}
        backup = colour.protect(works[1], **options)
        fallback = {"fallback": lambda failure: backup()} if how == "fallback" else {}
        provider = colour.protect(works[0], **options, **fallback)

        async def pay():
            if how == "fallback":
                return await colour.call(provider)
            await colour.call(provider.outcome)
            return await colour.call(backup)

        return (await end_of(colour, pay)).status.value

    assert "compensated" == colour.play(story)


def answer(status, **says):
    """Return what a client of ours makes of an answer with that *status*."""
    request = httpx2.Request("GET", "http://bank.test/receipt")
    error = httpx2.HTTPStatusError(f"{status}", request=request, response=httpx2.Response(status, request=request))
    vars(error).update(says)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("lost"),
        TimeoutError("slow"),
        httpx2.ReadError("reset"),
        Gateway(),
        ConnectionRefusedError(),
        answer(404),
        answer(401, refused=True),
        ExceptionGroup("both", [answer(410)]),
    ],
)
@pytest.mark.parametrize("options", [{"effects": "none"}, {"effects": "none", "breaker": ub.CircuitBreaker(1)}])
def test_a_look_that_fails_after_a_payment_is_no_word_on_it(colour, error, options):
    """What it says of itself is clear; that the payment went through is, too, also when a circuit has opened."""

    async def story():
        async def fails():
            raise error

        ask, look = paying(colour, []), colour.protect(fails, retry=False, **options)

        async def pay():
            await colour.call(ask)
            await colour.call(look)

        return [(await end_of(colour, pay)).ledger["pay"].value for _ in range(2)]

    assert ["uncertain", "uncertain"] == colour.play(story)


@pytest.mark.parametrize(("status", "expected"), [(200, True), (303, True), (400, False), (402, False), (499, False)])
def test_only_an_answer_that_refuses_is_a_word(status, expected):
    """A library that trips over a 200, or does not follow where a 303 leads, is an accident like any."""

    class ClientError(Exception):
        pass

    ClientError.__module__ = "aiohttp.client_exceptions"
    error = ClientError()
    error.status = status

    assert expected is is_accident(error)


def test_what_speaks_for_itself_is_no_accident():
    """Of ours only what a program has verified, and of a group no member that says that it was refused."""
    refused = OSError()
    refused.refused = True

    assert not is_accident(ExceptionGroup("both", [refused, MyError()]))
    assert is_accident(ub.errors.CircuitOpen())
    assert not is_accident(ub.errors.VerificationFailed())


def test_a_look_that_we_cut_after_a_payment_is_no_word_on_it(colour):
    """Its error says that nothing was done, by the look; the payment before it went through."""

    async def story():
        async def hangs():
            await colour.sleep(20.0)

        ask = paying(colour, [])
        look = colour.protect(hangs, effects="none", retry=False, timeout=ub.Timeout(1.0))

        async def pay():
            await colour.call(ask)
            await colour.call(look)

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "uncertain" == colour.play(story)


def test_what_a_repeat_has_cleared_up_is_no_doubt(colour):
    """The first answer was lost, the second one came: what the pivot says afterwards is believed."""

    async def story():
        ends = [ConnectionResetError("lost"), None]

        async def put():
            end = ends.pop(0)
            if end is not None:
                raise end

        ask = colour.protect(put, effects="idempotent")

        async def pay():
            await colour.call(ask)
            raise MyError("no funds")

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "failed" == colour.play(story)


@pytest.mark.parametrize(("effects", "expected"), [("none", "failed"), ("idempotent", "uncertain")])
def test_a_look_that_is_still_under_way_is_no_doubt(effects, expected):
    """The bank has declined while somebody still looked at the rates."""

    async def story():
        @ub.protect("slow", effects=effects)
        async def slow():
            await ASYNCIO.sleep(20.0)

        async def decline():
            await ASYNCIO.sleep(1.0)
            raise MyError("no funds")

        async def pay():
            await asyncio.gather(slow(), decline())

        node = ub.OrchestratorNode(retry=False)
        return (await node.orchestrate([ub.Step("pay", pay, kind="pivot")])).ledger["pay"].value

    with virtual_time():
        assert expected == asyncio.run(story())


def test_the_lost_answer_of_a_copy_is_known_where_the_first_one_is_told_of():
    """The first copy was declined; whether the second one charged, nobody knows."""

    async def story():
        @ub.protect("charge", effects="idempotent", hedge=ub.Hedge(0.5), retry=False)
        async def charge():
            if ub.current().rival:
                raise ConnectionResetError("lost")
            await ASYNCIO.sleep(3.0)
            raise MyError("no funds")

        async def pay():
            await charge()

        node = ub.OrchestratorNode(retry=False)
        return (await node.orchestrate([ub.Step("pay", pay, kind="pivot")])).ledger["pay"].value

    with virtual_time():
        assert "uncertain" == asyncio.run(story())


@pytest.mark.parametrize("error", [answer(404), answer(401, refused=True), MyError("not found")])
def test_a_look_that_is_refused_before_anything_was_done_is_clear(colour, error):
    """Nothing is in doubt of what never began."""

    async def story():
        async def fails():
            raise error

        look = colour.protect(fails, effects="none", retry=False)

        async def pay():
            await colour.call(look)

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "failed" == colour.play(story)


def test_a_word_of_the_programs_own_is_one_in_a_look_as_well(colour):
    """Who looks what became of a charge, and says that it was declined, has made sure."""

    async def story():
        async def status():
            raise Declined("no funds")

        ask, look = paying(colour, []), colour.protect(status, effects="none", retry=False)

        async def pay():
            await colour.call(ask)
            await colour.call(look)

        return (await end_of(colour, pay)).ledger["pay"].value

    assert "failed" == colour.play(story)
