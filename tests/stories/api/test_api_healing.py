"""A service's bad days, on real sockets: what is repeated, what is not, and what mends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes import APINode
from unbreakable.nodes.http import clients
from unbreakable.policies.rests import Rests

pytestmark = pytest.mark.real


class Both:
    """A transport of either colour."""

    def __init__(self, on_loops, in_threads) -> None:
        self.handle_async_request, self.aclose = on_loops.handle_async_request, on_loops.aclose
        self.handle_request, self.close = in_threads.handle_request, in_threads.close


SOON = ub.Retry(3, backoff=ub.Backoff(0.005))


async def test_a_good_answer_is_parsed(partner, ask):
    """The JSON of a 200 is what comes back."""
    async with APINode(partner.url) as api:
        outcome = await ask(api, {"city": "CAI"}, path="/search")

    assert ({"target": "/search?city=CAI"}, ub.Status.OK) == (outcome.value, outcome.status)


async def test_a_500_is_asked_again(partner, ask):
    """A failure that passes by itself is healed by a second attempt."""
    partner.answers(partner.reply(500), None)
    async with APINode(partner.url, retry=SOON) as api:
        outcome = await ask(api)

    assert (ub.Status.HEALED, 2) == (outcome.status, outcome.attempts)


async def test_the_error_is_the_client_librarys_own(partner):
    """A refusal is raised as users of httpx2 know it, with the body in its message and the story in its notes."""
    partner.answers(partner.reply(500, {"error": "auth_error", "id": 4711}))
    async with APINode(partner.url, retry=False) as api:
        with pytest.raises(httpx2.HTTPStatusError, match=r"500 .*error: auth_error, id: 4711") as raised:
            await api.make_request(path="/search", params={"secret": "s3cret"})

    assert {"error": "auth_error", "id": 4711} == raised.value.response.json()
    assert "s3cret" not in str(raised.value)
    assert "unbreakable: 127.0.0.1" in raised.value.__notes__[0]


async def test_a_request_that_is_wrong_is_not_repeated(partner, ask):
    """A 404 is the request's own fault: asking again changes nothing, and the circuit is left alone."""
    partner.answers(partner.reply(404))
    async with APINode(partner.url, breaker=ub.CircuitBreaker(1), retry=SOON) as api:
        outcome = await ask(api)

        assert (1, "closed") == (outcome.attempts, api.breaker.state.value)


async def test_retry_after_is_waited_for(partner, ask):
    """A service that asks for a pause gets it."""
    partner.answers(partner.reply(503, headers={"retry-after": "0.2"}), None)
    async with APINode(partner.url, retry=SOON) as api:
        outcome = await ask(api)

    assert (ub.Status.HEALED, True) == (outcome.status, outcome.elapsed >= 0.2)


@pytest.mark.parametrize("cut", [-1, 3], ids=["before the answer", "within the answer"])
async def test_a_reset_is_asked_again(partner, ask, cut):
    """A connection that breaks is no answer, even after the half of one."""
    partner.answers(partner.reply(200, {"all": "good"}, cut=cut), None)
    async with APINode(partner.url, retry=SOON) as api:
        outcome = await ask(api)

    assert (ub.Status.HEALED, {"target": "/"}) == (outcome.status, outcome.value)


async def test_a_hang_is_cut(partner, ask):
    """A request that is never answered ends at its time limit, and is made again."""
    partner.answers(partner.hang, None)
    async with APINode(partner.url, retry=SOON, timeout=ub.Timeout(0.2)) as api:
        outcome = await ask(api)

    assert ub.Status.HEALED is outcome.status
    assert 0.2 <= outcome.elapsed < 10.0


HANGS = {
    "no answer": {"delay": 3600.0},
    "half an answer": {"stall": 2},
    "drop by drop": {"drips": True},
    "its head drop by drop": {"drips_head": True},
    "on its way for ever": {"dawdles": True},
    "a redirect drop by drop": {"drips": True, "status": 302, "headers": {"location": "/"}},
    "a 401 drop by drop": {"drips": True, "status": 401},
}


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
async def test_a_sync_hang_is_cut_without_a_thread(partner, hang):
    """In sync code a learned limit and the deadline end what hangs: the socket is given what is left."""
    partner.answers(partner.reply(**{"body": {"all": "good" * 20}, **hang}))
    api = APINode(partner.url, deadline=0.3, retry=False)
    started = time.perf_counter()
    outcome = await asyncio.to_thread(api.make_request_sync.outcome)
    api.aclose_sync()

    assert ub.Status.FAILED is outcome.status
    assert time.perf_counter() - started < 3.0  # the shortest of them takes more than four


async def test_a_limit_that_was_learned_cuts_a_hang(partner, ask):
    """After forty good answers the node knows how long one takes, and no longer waits for ever."""
    async with APINode(partner.url, retry=SOON, hedge=False) as api:
        while api.get_status().plan["timeout"] is None:  # it is learned by a thread, which a busy machine lets wait
            await ask(api)
        partner.answers(partner.hang, None)
        outcome = await ask(api)

    assert ub.Status.HEALED is outcome.status
    assert 0.4 <= outcome.elapsed < 10.0  # the least limit that is learned is half a second


async def test_a_sync_cut_is_told_from_an_error(partner):
    """An order of unknown effects that our limit cut is not placed again: nobody knows what became of it."""
    partner.answers(partner.hang)
    limit = ub.Timeout(0.1, cut_threads=False)
    api = APINode(partner.url, "POST", effects="unknown", timeout=limit, retry=SOON)
    outcome = await asyncio.to_thread(api.make_request_sync.outcome, {"seat": "12A"})
    api.aclose_sync()

    assert isinstance(outcome.error, ub.errors.AttemptTimeout)
    assert 1 == len(partner.asked)


@pytest.mark.parametrize(
    "answer",
    [{"stall": 0}, {"headers": {"content-length": "", "transfer-encoding": "chunked"}}],
    ids=["announced", "not announced"],
)
async def test_too_large_an_answer_is_refused(partner, ask, answer):
    """An answer larger than max_body is neither taken nor asked for again, and its connection is closed."""
    partner.answers(partner.reply(200, b"x" * 500_000, **answer))
    async with APINode(partner.url, max_body=1_000, retry=SOON) as api:
        outcome = await ask(api)
        await asyncio.to_thread(partner.wait_until, lambda: partner.open == 0)

    assert isinstance(outcome.error, ub.errors.VerificationFailed)
    assert ("the answer is larger than max_body=1000 bytes", 1) == (str(outcome.error), outcome.attempts)


async def test_what_a_head_announces_is_not_taken_in(partner, ask):
    """Whether a large file is there can be asked: an answer to HEAD announces what a GET would bring."""
    partner.answers(partner.reply(200, b"x" * 500_000))
    async with APINode(partner.url, max_body=1_000, retry=False) as api:
        outcome = await ask(api, method="HEAD")

    assert (None, ub.Status.OK) == (outcome.value, outcome.status)


# ── what must not happen twice ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_post_is_not_repeated_after_a_reset(partner, ask):
    """Nobody knows whether an order that broke off was placed, so it is not placed again."""
    partner.answers(partner.reset)
    async with APINode(partner.url, "POST", retry=SOON) as api:
        outcome = await ask(api, {"seat": "12A"})

    assert (ub.Status.FAILED, 1) == (outcome.status, len(partner.asked))


async def test_a_post_is_repeated_when_it_never_left(dead, ask):
    """An order that reached nobody may be placed again."""
    async with APINode(dead, "POST", retry=SOON) as api:
        outcome = await ask(api, {"seat": "12A"})

    assert isinstance(outcome.error, ub.errors.NotSent)
    assert 3 == outcome.attempts


async def test_a_post_with_a_key_is_repeated_with_the_same_key(partner, ask):
    """A key makes an order repeatable; every attempt carries the same."""
    partner.answers(partner.reset, partner.reply(503), None)
    async with APINode(partner.url, "POST", retry=SOON) as api:
        outcome = await ask(api, {"seat": "12A"}, idempotency_key="order-17")

    assert ub.Status.HEALED is outcome.status
    assert ["order-17"] * 3 == [asked.headers["idempotency-key"] for asked in partner.asked]
    assert [{"seat": "12A"}] * 3 == [asked.json() for asked in partner.asked]


async def test_one_node_knows_what_each_method_does(partner, ask):
    """Reads and orders go through one node; only the reads are repeated."""
    partner.answers(partner.reply(500))
    async with APINode(partner.url, retry=SOON, breaker=False) as api:
        attempts = [(await ask(api, method=method)).attempts for method in ("GET", "PUT", "DELETE", "POST", "PATCH")]
        keyed = (await ask(api, method="POST", headers={"idempotency-key": "order-17"})).attempts

    assert ([3, 3, 3, 1, 1], 3) == (attempts, keyed)


async def test_pinned_effects_win(partner, ask):
    """Whoever knows that a POST only reads can say so."""
    partner.answers(partner.reply(500), None)
    async with APINode(partner.url, "POST", retry=SOON, effects="none") as api:
        outcome = await ask(api, {"query": "CAI"})

    assert ub.Status.HEALED is outcome.status


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_connection_is_used_again(partner, ask):
    """Ten requests, one after the other, need one connection."""
    async with APINode(partner.url) as api:
        for _ in range(10):
            await ask(api)

        assert 1 == partner.open


async def test_waiting_for_a_connection_is_not_sending(partner, ask, monkeypatch):
    """An order that found no free connection never left: it is placed, once, when there is one."""
    one = httpx2.Limits(max_connections=1)
    partner.answers(partner.reply(200, delay=0.2), None)
    async with APINode(
        partner.url,
        "POST",
        retry=False,
        breaker=False,
        transport=lambda: Both(httpx2.AsyncHTTPTransport(limits=one), httpx2.HTTPTransport(limits=one)),
    ) as api:
        faults: list[object] = []
        monkeypatch.setattr(Rests, "failed", lambda *facts, **_: faults.append(facts))
        outcomes = await asyncio.gather(ask(api, {"seat": "12A"}), ask(api, {"seat": "12B"}))

    assert [] == faults  # of the endpoint's
    assert {ub.Status.OK} == {outcome.status for outcome in outcomes}
    assert ["12A", "12B"] == sorted(asked.json()["seat"] for asked in partner.asked)


@pytest.fixture
def deaf():
    """Return an address that swallows our knocking: the queue in front of it is full."""
    with contextlib.ExitStack() as full:
        listener = full.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            knocking = full.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_connection_that_does_not_come_about_is_not_waited_for(deaf, ask, monkeypatch):
    """A host that swallows our knocking costs five seconds, not the whole deadline; here a twentieth."""
    monkeypatch.setattr(clients, "MOST_WAIT", 0.05)
    async with APINode(deaf, "POST", retry=ub.Retry(2)) as api:
        outcome = await ask(api, {"seat": "12A"})

    assert isinstance(outcome.error, ub.errors.NotSent)
    assert "ConnectTimeout" in str(outcome.error)
    assert (2, True) == (outcome.attempts, outcome.elapsed < 5.0)


async def test_the_addresses_of_a_host_share_the_time(deaf, ask, monkeypatch):
    """However many addresses a host has, knocking at all of them takes no longer than the call may."""
    look_up = socket.getaddrinfo

    def eight(host, *args, **kwargs):
        return (
            look_up("127.0.0.1", *args, **kwargs) * 8
            if host in ("api.test", b"api.test")
            else look_up(host, *args, **kwargs)
        )

    monkeypatch.setattr(socket, "getaddrinfo", eight)
    async with APINode(deaf.replace("127.0.0.1", "api.test"), retry=False, deadline=0.3) as api:
        outcome = await ask(api)

    assert (ub.Status.FAILED, True) == (outcome.status, outcome.elapsed < 2.0)  # eight times as long would be 2.4


async def test_a_cancelled_request_leaves_no_connection_behind(partner):
    """Whoever goes away while an answer is awaited hangs up, and the node works on."""
    partner.answers(partner.hang, None)
    async with APINode(partner.url) as api:
        task = asyncio.create_task(api.make_request())
        await partner.is_asked(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pool = api.asking.on_loops.client()._transport._pool

        assert ([], []) == (pool._requests, pool.connections)
        assert {"target": "/"} == await api.make_request()


def test_each_event_loop_has_its_own_connections(partner):
    """A node outlives the event loops that it is used on, and their connections are closed with them."""
    api = APINode(partner.url)
    for _ in range(3):
        assert {"target": "/"} == asyncio.run(api.make_request())
    partner.wait_until(lambda: partner.open == 0)

    assert {} == api.asking.on_loops.clients


async def test_closing_a_node_closes_its_connections_everywhere(partner):
    """Connections of sync code, of this event loop and of one that runs in another thread are all closed."""
    api = APINode(partner.url)
    elsewhere = asyncio.new_event_loop()
    thread = threading.Thread(target=elsewhere.run_forever)
    thread.start()
    try:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(api.make_request(), elsewhere))
        await asyncio.to_thread(api.make_request_sync)
        await api.make_request()
        assert 3 == partner.open
        await api.aclose()
        await asyncio.to_thread(partner.wait_until, lambda: partner.open == 0)
    finally:
        elsewhere.call_soon_threadsafe(elsewhere.stop)
        thread.join()
        elsewhere.close()


async def test_a_closed_node_opens_again(partner):
    """A request after aclose() opens a new connection."""
    api = APINode(partner.url)
    await api.make_request()
    await api.aclose()
    outcome = await api.make_request.outcome()
    await api.aclose()

    assert ub.Status.OK is outcome.status


# ── the founding example ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_dead_service_does_not_stop_the_program(dead):
    """A thousand requests to nobody: the circuit opens after five failures, and the program goes on."""
    sabre = APINode(endpoint=dead)
    started = time.perf_counter()
    outcomes = [await sabre.make_request.outcome({"from": "CAI"}) for _ in range(1000)]
    seconds = time.perf_counter() - started
    await sabre.aclose()

    assert {ub.Status.FAILED} == {outcome.status for outcome in outcomes}
    assert 5 == sum(outcome.attempts for outcome in outcomes)
    assert "open" == sabre.get_status().breaker
    assert seconds < 5.0
