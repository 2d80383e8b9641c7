"""Clients that are already there are protected by the transport that they are given."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.nodes import AdaptiveTransport
from unbreakable.outcome import Failure
from unbreakable.policies.effects import leaves_doubt
from unbreakable.runtime import ASYNCIO

pytestmark = pytest.mark.real

SOON = ub.Retry(3, backoff=ub.Backoff(0.005))


class Client:
    """A client of either colour around a protected transport."""

    def __init__(self, colour: str, **options) -> None:
        self.colour = colour
        one = httpx2.Limits(max_connections=options.pop("connections", 10))
        inner = httpx2.AsyncHTTPTransport(limits=one) if colour == "async" else httpx2.HTTPTransport(limits=one)
        self.transport = AdaptiveTransport(inner, **{"retry": SOON, **options})
        kind = httpx2.AsyncClient if colour == "async" else httpx2.Client
        self.client = kind(transport=self.transport)

    async def ask(self, method: str, url: str, **options) -> httpx2.Response:
        if self.colour == "async":
            return await self.client.request(method, url, **options)
        return await asyncio.to_thread(self.client.request, method, url, **options)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_) -> None:
        await self.client.aclose() if self.colour == "async" else self.client.close()

    def connections(self) -> int:
        return len(self.transport.inner._pool._requests)


@pytest.fixture(params=["async", "sync"])
def colour(request):
    """Return one of the two colours."""
    return request.param


async def test_a_failure_is_healed_unseen(partner, colour):
    """The client gets the good answer and never hears of the bad one."""
    partner.answers(partner.reply(503), partner.reset, None)
    async with Client(colour) as client:
        response = await client.ask("GET", partner.url)

        assert (200, {"target": "/"}, 3) == (response.status_code, response.json(), len(partner.asked))
        assert 0 == client.connections()


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
async def test_the_last_refusal_is_handed_on(partner, colour, size):
    """An answer that is no better the third time is the client's, whole and readable, and only that one is open."""
    partner.answers(partner.reply(500, {"words": "x" * size}))
    async with Client(colour, connections=1) as client:
        response = await client.ask("GET", partner.url)

        assert (500, size, 3) == (response.status_code, len(response.json()["words"]), len(partner.asked))
        assert 0 == client.connections()


async def test_an_order_is_not_repeated(partner, colour):
    """A POST whose answer is a 500 is handed on at once, and repeated when it carries a key."""
    partner.answers(partner.reply(500))
    async with Client(colour, breaker=False) as client:
        await client.ask("POST", partner.url, json={"seat": "12A"})
        await client.ask("POST", partner.url, json={"seat": "12A"}, headers={"idempotency-key": "order-17"})

    assert [None, "order-17", "order-17", "order-17"] == [
        asked.headers.get("idempotency-key") for asked in partner.asked
    ]


async def test_a_stream_that_is_used_up_is_not_sent_again(partner, colour):
    """A body that comes from a generator can be sent once, whatever the method."""

    async def pieces():
        yield b"one"

    partner.answers(partner.reply(500))
    async with Client(colour) as client:
        content = pieces() if colour == "async" else iter([b"one"])
        response = await client.ask("PUT", partner.url, content=content)

    assert (500, 1) == (response.status_code, len(partner.asked))


async def test_the_clients_own_errors_stay_its_own(dead, colour):
    """Whoever catches httpx2.ConnectError goes on doing so."""
    async with Client(colour) as client:
        with pytest.raises(httpx2.ConnectError) as raised:
            await client.ask("GET", dead)

    assert "failed after 3 attempts" in raised.value.__notes__[0]


async def test_an_error_of_the_last_attempt_says_that_an_earlier_one_may_have_arrived():
    """A PUT whose answer gets lost and that is refused then is told as refused, but not as one that never left."""
    told = [httpx2.ReadError("reset"), httpx2.ConnectError("refused"), httpx2.ConnectError("refused")]

    def answer(request):
        raise told.pop(0)

    transport = AdaptiveTransport(httpx2.MockTransport(answer), retry=SOON)
    async with httpx2.AsyncClient(transport=transport) as client:
        with pytest.raises(httpx2.ConnectError) as raised:
            await client.put("https://api.test")

    assert leaves_doubt(Failure(raised.value, Kind.UNREACHABLE))


async def test_each_host_has_a_circuit_of_its_own(partner, dead, colour):
    """A dead host is left in peace while another one is asked."""
    async with Client(colour, retry=False, breaker=ub.CircuitBreaker(1)) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.ask("GET", dead)
        with pytest.raises(ub.errors.CircuitOpen):
            await client.ask("GET", dead)

        assert 200 == (await client.ask("GET", partner.url)).status_code


async def test_a_hang_is_cut(partner, colour):
    """An answer that does not begin in time is asked for again."""
    partner.answers(partner.hang, None)
    async with Client(colour, timeout=ub.Timeout(0.2)) as client:
        response = await client.ask("GET", partner.url, timeout=None)

    assert 200 == response.status_code


@pytest.mark.parametrize("slow", [{"drips_head": True}, {"dawdles": True}, {"drips": True, "status": 503}])
async def test_an_answer_that_drips_in_has_its_time(partner, colour, slow):
    """However slowly the head of an answer, or the words of a refusal, come in, the time limits hold."""
    partner.answers(partner.reply(body=b"x" * 100, **slow))
    async with Client(colour, deadline=0.3, retry=False) as client:
        started = time.perf_counter()
        with pytest.raises((ub.errors.DeadlineExceeded, ub.errors.AttemptTimeout)):
            await client.ask("GET", partner.url, timeout=None)

    assert time.perf_counter() - started < 3.0  # all of it takes five


async def test_the_body_is_the_clients_to_read(partner, colour):
    """A time limit of ours ends when the answer begins: a slow stream is not cut."""
    partner.answers(partner.reply(200, b"x" * 10, stall=5))
    async with Client(colour, deadline=0.3, retry=False) as client:
        started = time.perf_counter()
        with pytest.raises(httpx2.ReadTimeout):
            await client.ask("GET", partner.url, timeout=0.5)

    assert 0.5 <= time.perf_counter() - started
    assert 1 == client.transport.node.get_status().success_count


async def test_a_remedy_may_change_headers(partner, colour):
    """A remedy brings a new token for the next attempt."""
    partner.answer = lambda asked: (
        partner.usual(asked) if asked.headers.get("authorization") == "Bearer new" else partner.reply(503)
    )
    async with Client(colour) as client:
        client.transport.node.remedy(lambda failure: True, name="renew")(
            lambda failure: {"headers": {"Authorization": "Bearer new"}}
        )
        response = await client.ask("GET", partner.url, headers={"authorization": "Bearer old"})

    assert 200 == response.status_code


async def test_a_copy_that_loses_leaves_no_connection_behind(partner, colour):
    """Of two answers to a slow request the slower one is closed."""
    partner.answers(partner.reply(200, delay=0.3), partner.reply(200, delay=0.05))
    async with Client(colour, hedge=ub.Hedge(0.05)) as client:
        assert 200 == (await client.ask("GET", partner.url)).status_code
        for _ in range(100):
            await ASYNCIO.sleep(0.02 if client.connections() else 0.0)

        assert 0 == client.connections()


async def test_a_cancelled_request_leaves_no_connection_behind(partner):
    """Whoever goes away hangs up."""
    partner.answers(partner.hang)
    async with Client("async") as client:
        task = asyncio.create_task(client.ask("GET", partner.url))
        await partner.is_asked(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert 0 == client.connections()
