"""Waiting for what is ours (a free connection, a token) is no trouble of the service's."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest
from tests.dense import crossed

import unbreakable as ub
from unbreakable.errors import NotSent
from unbreakable.nodes import APINode
from unbreakable.policies.rests import Rests
from unbreakable.runtime import ASYNCIO

pytestmark = pytest.mark.real

SOON = ub.Retry(3, backoff=ub.Backoff(0.005))
GUESS = ub.Timeout(0.4, learned=True)


class Wrapped(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """A transport of somebody else's, of whose connections we know nothing."""

    def __init__(self, limits: httpx2.Limits) -> None:
        inner = seen(limits)
        self.handle_async_request = getattr(inner, "handle_async_request", None)
        self.handle_request = getattr(inner, "handle_request", None)
        self.aclose, self.close = getattr(inner, "aclose", None), getattr(inner, "close", None)


def seen(limits: httpx2.Limits) -> httpx2.AsyncHTTPTransport | httpx2.HTTPTransport:
    """Return a transport for the code that runs here, whose pool can be seen."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return httpx2.HTTPTransport(limits=limits)
    return httpx2.AsyncHTTPTransport(limits=limits)


def node(partner, kind=seen, connections: int = 1, **options) -> APINode:
    limits = httpx2.Limits(max_connections=connections)
    return APINode(partner.url, transport=lambda: kind(limits), **options)


async def asked(api: APINode, ask, times: int) -> list[ub.Outcome]:
    return await asyncio.gather(*(ask(api, {"number": number}) for number in range(times)))


async def test_a_crowd_is_served_one_after_the_other(partner, ask):
    """Who finds no free connection stands in line, however long the others take, and is not repeated for it."""
    partner.answers(partner.reply(200, delay=0.12))
    async with node(partner, connections=2, timeout=GUESS, effects="none", hedge=False) as api:
        await ask(api)  # opening the first connection takes longer
        outcomes = await asked(api, ask, 12)

    assert {(ub.Status.OK, 1): 12} == Counter((outcome.status, outcome.attempts) for outcome in outcomes)


@pytest.mark.parametrize(("ask", "kind"), crossed(["async", "sync"], [seen, Wrapped]), indirect=["ask"])
async def test_whoever_waits_in_vain_was_not_sent_and_opens_no_circuit(partner, ask, kind):
    """The service is well: it answers each request that it is sent."""
    partner.answers(partner.reply(200, delay=0.9))
    async with node(partner, kind, method="POST", deadline=1.5, breaker=ub.CircuitBreaker(3)) as api:
        outcomes = await asked(api, ask, 6)

        assert 1 <= sum(isinstance(outcome.error, NotSent) for outcome in outcomes)
        assert "closed" == api.get_status().breaker
        assert (await ask(api)).ok


async def test_nobody_steps_out_of_the_line_to_a_service_that_is_left_in_peace(partner, ask):
    """Who was let through before the circuit opened is not sent after it has."""
    partner.answers(partner.reply(500, delay=0.2))
    async with node(partner, method="POST", breaker=ub.CircuitBreaker(1)) as api:
        outcomes = await asked(api, ask, 5)

        assert 1 <= sum(isinstance(outcome.error, NotSent) for outcome in outcomes)
        assert ("open", 1) == (api.get_status().breaker, len(partner.asked))


async def test_a_call_of_our_line_waits_for_the_circuit_as_others_do(partner, ask):
    """To step out of the line while the circuit is open costs no budget."""
    partner.answers(partner.reply(503, delay=0.05), partner.reply(200))
    breaker, budget = ub.CircuitBreaker(1, rest=0.2, wait=10.0), ub.RetryBudget(ratio=0.0, floor=0.0, start=1.0)
    async with node(partner, breaker=breaker, budget=budget, retry=SOON, effects="none", hedge=False) as api:
        outcomes = await asked(api, ask, 6)

    assert [True] * 6 == [outcome.ok for outcome in outcomes]


async def test_a_copy_does_not_stand_in_line(partner):
    """It would make the line longer in which the first ones stand."""
    partner.answers(partner.reply(200, delay=0.15))
    async with node(partner, hedge=ub.Hedge(0.05)) as api:
        outcomes = await asyncio.gather(*(api.make_request.outcome() for _ in range(3)))

    assert ([True] * 3, 3) == ([outcome.ok for outcome in outcomes], len(partner.asked))


async def test_who_stands_in_line_when_the_node_is_closed_is_served(partner, ask):
    """Closing waits for none of them, and takes nothing from them."""
    partner.answers(partner.reply(200, delay=0.1))
    api = node(partner)
    crowd = asyncio.ensure_future(asked(api, ask, 3))
    await partner.is_asked(1)
    await api.aclose()
    outcomes = await crowd
    await api.aclose()  # who came too late has opened it again

    assert [True] * 3 == [outcome.ok for outcome in outcomes]


async def test_no_endpoint_is_blamed_for_our_line(partner, replica, ask, monkeypatch):
    """Neither of two is left in peace because requests found no free connection in time."""
    faults: list[object] = []
    monkeypatch.setattr(Rests, "failed", lambda *facts, **_: faults.append(facts))
    partner.answers(partner.reply(200, delay=1.0))
    async with node(partner, endpoints=[replica.url], retry=False, hedge=False) as api:
        slow = asyncio.ensure_future(ask(api))
        await partner.is_asked(1)
        hurried = ub.FractalNode("hurried", deadline=0.1)
        hurries = [hurried.execute(lambda: ask(api)) for _ in range(4)]
        ends = await asyncio.gather(*hurries)

        assert [False] * 4 == [end.ok and end.value.ok for end in ends]
        assert (True, []) == ((await slow).ok, faults)


async def test_the_pool_of_a_client_that_is_protected_is_no_trouble_of_the_host(partner):
    """The client's own limit for a free connection holds; its circuit stays closed."""
    partner.answers(partner.reply(200, delay=0.4))
    inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=1))
    transport = ub.AdaptiveTransport(inner, retry=False)
    async with httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(5, pool=0.05)) as client:
        ends = await asyncio.gather(*(client.get(partner.url) for _ in range(10)), return_exceptions=True)
        again = await client.get(partner.url)

    assert {"Response": 1, "PoolTimeout": 9} == Counter(type(end).__name__ for end in ends)
    assert 200 == again.status_code


async def test_a_token_may_take_longer_than_a_limit_that_was_learned_of_the_service(partner):
    """It is fetched once, and nobody who waits for it is cut, repeated or blamed on the service."""
    fetched = []

    async def fetch() -> str:
        fetched.append(1)
        await ASYNCIO.sleep(0.7)
        return "token"

    async with APINode(partner.url, auth=fetch, timeout=GUESS, hedge=False) as api:
        outcomes = await asyncio.gather(*(api.make_request.outcome() for _ in range(20)))

    assert {(ub.Status.OK, 1): 20} == Counter((outcome.status, outcome.attempts) for outcome in outcomes)
    assert 1 == len(fetched)
