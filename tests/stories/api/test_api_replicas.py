"""Replicas of a service: a dead one costs one attempt now and then, not one of every call."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.nodes import APINode

pytestmark = pytest.mark.real

SOON = ub.Retry(3, backoff=ub.Backoff(0.005))


@pytest.fixture(params=["async", "sync"])
def ask(request):
    """Return a function that makes one request and says how it ended, in one of the two colours."""

    async def ask(api: APINode, *args, **kwargs) -> ub.Outcome:
        if request.param == "async":
            return await api.make_request.outcome(*args, **kwargs)
        return await asyncio.to_thread(api.make_request_sync.outcome, *args, **kwargs)

    return ask


async def test_the_first_is_preferred(partner, replica, ask):
    """While all is well, the replica is not asked."""
    async with APINode(endpoints=[partner.url, replica.url]) as api:
        for _ in range(5):
            await ask(api)

    assert (5, 0) == (len(partner.asked), len(replica.asked))


async def test_a_dead_primary_costs_one_attempt(dead, replica, ask):
    """The first call moves to the replica; the calls after it go there at once."""
    async with APINode(dead, endpoints=[replica.url], retry=SOON) as api:
        outcomes = [await ask(api) for _ in range(10)]

    assert [2] + [1] * 9 == [outcome.attempts for outcome in outcomes]
    assert (("other_endpoint",), 10) == (outcomes[0].remedies, len(replica.asked))


async def test_a_primary_that_fails_moves_the_call(partner, replica, ask):
    """A 500, a reset and a time-out each move the one call; the next one prefers the primary again."""
    async with APINode(endpoints=[partner.url, replica.url], retry=SOON, timeout=ub.Timeout(0.4)) as api:
        for trouble in (partner.reply(500), partner.reset, partner.hang):
            partner.answers(trouble, None)
            assert ("other_endpoint",) == (await ask(api)).remedies
            assert ub.Status.OK is (await ask(api)).status

    assert (6, 3) == (len(partner.asked), len(replica.asked))


async def test_a_primary_that_keeps_failing_is_left_in_peace(partner, replica, ask):
    """After three failures in a row calls go to the replica without asking."""
    partner.answers(partner.reply(500))
    async with APINode(endpoints=[partner.url, replica.url], retry=SOON) as api:
        outcomes = [await ask(api) for _ in range(10)]

    assert {True} == {outcome.ok for outcome in outcomes}
    assert (3, 10) == (len(partner.asked), len(replica.asked))


async def test_a_primary_whose_answers_are_refused_is_left_in_peace(partner, replica, ask):
    """Orders that must not be placed twice fail three times by answers that nobody accepts, and then go elsewhere."""
    usual = partner.reply(200, {"seat": "12A"})
    partner.answers(*[usual] * 40, partner.reply(200, {"maintenance": True}))
    replica.answers(usual)
    async with APINode(None, "POST", endpoints=[partner.url, replica.url], verify=lambda body: "seat" in body) as api:
        while len(partner.asked) < 40:
            assert (await ask(api)).ok
        ended = [(await ask(api)).ok for _ in range(40)]

    assert 4 >= ended.count(False)  # of which one may be a look after the rest, on a slow machine


async def test_a_primary_that_hangs_is_left_in_peace(partner, replica, ask):
    """Three requests that our limit cut are three failures in a row."""
    partner.answers(partner.hang)
    options = {"retry": SOON, "timeout": ub.Timeout(0.4), "hedge": False}
    async with APINode(endpoints=[partner.url, replica.url], **options) as api:
        outcomes = [await ask(api) for _ in range(6)]

    assert ({True}, 3) == ({outcome.ok for outcome in outcomes}, len(partner.asked))


BAD = {
    "throttles": lambda server: server.reply(429, {}),
    "no JSON": lambda server: server.reply(200, b"{oops", {"content-type": "application/json"}),
    "maintenance": lambda server: server.reply(200, {"maintenance": True}),
}


@pytest.mark.parametrize("trouble", BAD)
async def test_a_replica_that_answers_badly_and_fast_is_not_the_best(partner, replica, ask, trouble):
    """What nobody can use is no answer, however quickly it comes; the calls go where the good ones come from."""
    verify = lambda body: "maintenance" not in body
    usual = partner.reply(200, {"fares": []}, delay=0.005)
    partner.answers(usual)
    replica.answers(usual)
    async with APINode(endpoints=[partner.url, replica.url], retry=SOON, verify=verify) as api:
        for _ in range(60):
            await ask(api)
        replica.answers(BAD[trouble](replica))
        before = len(replica.asked)
        ended = [(await ask(api)).ok for _ in range(40)]

    assert [True] * 40 == ended
    assert 8 > len(replica.asked) - before


async def test_a_herd_that_meets_a_dead_primary_does_not_open_the_circuit(dead, replica, ask):
    """What one replica does is no verdict on the service as long as another one works."""
    async with APINode(endpoints=[dead, replica.url], retry=SOON, breaker=ub.CircuitBreaker(2)) as api:
        outcomes = await asyncio.gather(*(ask(api) for _ in range(8)))

    assert {True} == {outcome.ok for outcome in outcomes}


async def test_when_all_are_dead_the_circuit_opens(dead, ask):
    """Without a replica that works, failures are the service's."""
    other = dead.replace("127.0.0.1", "127.0.0.2")
    async with APINode(endpoints=[dead, other], retry=SOON) as api:
        for _ in range(4):
            await ask(api)

        assert "open" == api.breaker.state.value


async def test_a_copy_of_a_slow_request_goes_to_the_replica(partner, replica, ask):
    """The second copy asks somebody else, and the first good answer wins."""
    partner.answers(partner.reply(200, {"from": "primary"}, delay=0.5))
    replica.answers(replica.reply(200, {"from": "replica"}))
    async with APINode(endpoints=[partner.url, replica.url], hedge=ub.Hedge(0.05)) as api:
        outcome = await ask(api)

    assert ({"from": "replica"}, 1) == (outcome.value, len(replica.asked))


async def test_an_order_moves_when_it_never_left(dead, replica, ask):
    """What must not happen twice is sent to the replica after a refused connection."""
    async with APINode(endpoints=[dead, replica.url], method="POST", retry=SOON) as api:
        outcome = await ask(api, {"seat": "12A"})

    assert (ub.Status.HEALED, 1) == (outcome.status, len(replica.asked))


async def test_an_order_does_not_move_after_a_reset(partner, replica, ask):
    """What may have happened at the primary is not done at the replica as well."""
    partner.answers(partner.reset)
    async with APINode(endpoints=[partner.url, replica.url], method="POST", retry=SOON) as api:
        outcome = await ask(api, {"seat": "12A"})

    assert (ub.Status.FAILED, 0) == (outcome.status, len(replica.asked))


async def test_an_endpoint_that_is_named_twice_is_one(partner, ask):
    """Naming the same address twice makes no replica of it."""
    async with APINode(partner.url, endpoints=[partner.url]) as api:
        await ask(api)

        assert ((partner.url,), []) == (api.asking.urls, api.remedies)


async def test_a_call_can_say_whom_to_ask_first(partner, replica, ask):
    """One request may prefer another replica."""
    async with APINode(endpoints=[partner.url, replica.url]) as api:
        await ask(api, endpoint=replica.url)

    assert (0, 1) == (len(partner.asked), len(replica.asked))
