"""What a pivot knows of a request that it made: the money of others hangs on it."""

from __future__ import annotations

import asyncio
import socket

import httpx2
import pytest
from tests.dense import crossed

import unbreakable as ub
from unbreakable.nodes import APINode

pytestmark = pytest.mark.real

ONCE = {"retry": False, "breaker": False}


async def end_of(work, **options):
    """Return the status of a run whose pivot does *work*, and what its ledger says of it."""
    result = await ub.OrchestratorNode(**options).orchestrate([ub.Step("pay", work, kind="pivot")])
    return result.status.value, result.ledger["pay"].value


def posting(api, *, keyed):
    async def pay(ctx):
        await api.make_request({}, idempotency_key=ctx.idempotency_key if keyed else None)

    return pay


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 502}, ("needs_attention", "uncertain")),
        ({"status": 500}, ("needs_attention", "uncertain")),
        ({"body": b'{"id":', "headers": {"content-type": "application/json"}}, ("needs_attention", "uncertain")),
        ({"body": b"x" * 5_000}, ("needs_attention", "uncertain")),
        ({"status": 402, "body": "declined"}, ("compensated", "failed")),
        ({"status": 401}, ("compensated", "failed")),
        ({"status": 429}, ("compensated", "failed")),
    ],
)
async def test_only_a_clear_answer_is_one(partner, keyed, answer, expected):
    """A gateway's answer, or one that nobody can read, tells nothing of the payment, with a key or without."""
    partner.answers(partner.reply(**answer))
    async with APINode(partner.url, "POST", max_body=4_000, **ONCE) as api:
        assert expected == await end_of(posting(api, keyed=keyed))


@pytest.mark.parametrize("answer", [{"status": 502}, {"body": b"{", "headers": {"content-type": "application/json"}}])
async def test_a_look_that_fails_is_a_clear_answer(partner, answer):
    """Whatever becomes of a GET, nothing was done."""
    partner.answers(partner.reply(**answer))
    async with APINode(partner.url, **ONCE) as api:
        assert ("compensated", "failed") == await end_of(posting(api, keyed=False))


async def test_a_plain_client_in_a_step_that_is_declared_is_believed_no_more(partner):
    """The answer of a gateway is the same, whoever asked."""
    partner.answers(partner.reply(502))

    async def pay():
        async with httpx2.AsyncClient() as client:
            (await client.post(partner.url)).raise_for_status()

    assert ("needs_attention", "uncertain") == await end_of(pay, effects="once")


@pytest.fixture
def silent():
    """Return the address of a machine that takes no connection, and refuses none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for each in waiting:
            each.close()


@pytest.mark.parametrize(
    ("ask", "limits"), crossed(["async", "sync"], [{"timeout": ub.Timeout(1.5)}, {"deadline": 1.5}]), indirect=["ask"]
)
async def test_what_was_never_connected_was_never_paid(ask, silent, limits):
    """The attempt's own limit comes at the same moment as the connection's: that one has the word."""
    async with APINode(silent, "POST", **ONCE, **limits) as api:
        outcome = await ask(api, {})
        assert isinstance(outcome.error, (ub.errors.NotSent, httpx2.ConnectTimeout)), outcome.error

        assert ("compensated", "not_begun") == await end_of(posting(api, keyed=False))


async def test_a_token_that_does_not_come_leaves_no_doubt(partner):
    """Nothing was sent without it."""

    async def token():
        await asyncio.Event().wait()

    async with APINode(partner.url, "POST", auth=token, deadline=0.2, **ONCE) as api:
        status, ledger = await end_of(posting(api, keyed=False))

    assert ("compensated", 0) == (status, len(partner.asked))
    assert ledger in ("failed", "not_begun")


@pytest.mark.parametrize("colour", ["async", "sync"])
async def test_a_transport_and_the_call_around_it_do_not_multiply(partner, colour):
    """What the transport has repeated in vain it hands on as an answer, of which its user makes an error."""
    partner.answers(partner.reply(500))
    soon = ub.Retry(3, backoff=ub.Backoff(0.005))
    if colour == "async":
        client = httpx2.AsyncClient(
            transport=ub.AdaptiveTransport(httpx2.AsyncHTTPTransport(), retry=soon, breaker=False)
        )

        @ub.protect("report", effects="none", retry=soon, breaker=False)
        async def report():
            (await client.get(partner.url)).raise_for_status()

        async with client:
            outcome = await report.outcome()
    else:
        plain = httpx2.Client(transport=ub.AdaptiveTransport(httpx2.HTTPTransport(), retry=soon, breaker=False))

        @ub.protect("report", effects="none", retry=soon, breaker=False)
        def report_sync():
            plain.get(partner.url).raise_for_status()

        with plain:
            outcome = await asyncio.to_thread(report_sync.outcome)

    assert (1, 3) == (outcome.attempts, len(partner.asked))


@pytest.mark.parametrize(
    ("receipt", "options"),
    [
        ({"body": b"<html>", "headers": {"content-type": "application/json"}}, {}),
        ({"body": []}, {"schema": dict}),
        ({"body": {}}, {"verify": lambda answer: answer["ready"]}),
        ({"body": {"ready": False}}, {"verify": lambda answer: answer["ready"]}),
        ({"body": b"x" * 5_000}, {"max_body": 4_000}),
        ({"status": 500}, {}),
        ({"status": 404}, {}),
        ({"status": 401}, {}),
    ],
)
async def test_a_receipt_that_cannot_be_used_is_no_word_on_the_payment(partner, receipt, options):
    """The card was charged; somebody has to look, whatever is wrong with what was asked for after it."""
    partner.answer = lambda asked: partner.reply(**receipt) if asked.method == "GET" else partner.usual(asked)
    async with APINode(partner.url, **ONCE) as bank, APINode(partner.url, **ONCE, **options) as receipts:

        async def pay():
            await bank.make_request({}, path="/charge", method="POST")
            return await receipts.make_request(path="/receipt")

        assert ("needs_attention", "uncertain") == await end_of(pay)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"schema": list}, ("needs_attention", "uncertain")),
        ({"verify": lambda answer: answer["stat"] == "ok"}, ("needs_attention", "uncertain")),
        ({"verify": lambda answer: answer["status"] == "ok"}, ("compensated", "failed")),
    ],
)
async def test_a_charge_whose_answer_could_not_be_judged_is_in_doubt(partner, options, expected):
    """A check that trips over the answer says nothing of it; one that says no does."""
    partner.answers(partner.reply(body={"status": "declined"}))
    async with APINode(partner.url, "POST", **ONCE, **options) as bank:
        assert expected == await end_of(posting(bank, keyed=False))
