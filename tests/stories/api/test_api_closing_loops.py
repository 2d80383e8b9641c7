"""A node that is closed while event loops ask: what is in flight comes to its end, and nobody is blamed."""

from __future__ import annotations

import asyncio
import gc

import httpx2
import pytest

from unbreakable.nodes import APINode

pytestmark = pytest.mark.real

SEVERAL = 10  # more than failures open a circuit


async def in_flight(api, partner, several=SEVERAL):
    """Return so many requests that are in flight."""
    before = len(partner.asked)
    tasks = [asyncio.create_task(api.make_request.outcome(path=f"slow/{number}")) for number in range(several)]
    await partner.is_asked(before + several)
    return tasks


async def ends(tasks):
    """Return what was answered, and after how many attempts."""
    outcomes = await asyncio.gather(*tasks)
    return [(outcome.value, outcome.attempts) for outcome in outcomes]


ANSWERED = [({"target": f"/slow/{number}"}, 1) for number in range(SEVERAL)]
CLOSED = {
    "here": lambda api: api.aclose(),
    "by a thread": lambda api: asyncio.to_thread(api.aclose_sync),
    "by another event loop": lambda api: asyncio.to_thread(lambda: asyncio.run(api.aclose())),
}
TRANSPORTS = {
    "ours": lambda: None,
    "made": lambda: httpx2.AsyncHTTPTransport,
    "given": httpx2.AsyncHTTPTransport,
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("closed", CLOSED)
def test_requests_in_flight_come_to_their_end(slow, closed, method):
    """Each gets its answer at the first attempt, and the node can be used at once on the next event loop."""
    api = APINode(slow.url, method=method)

    async def story():
        tasks = await in_flight(api, slow)
        await CLOSED[closed](api)
        return await ends(tasks)

    assert ANSWERED == asyncio.run(story())
    assert ({"target": "/"}, "closed") == (asyncio.run(api.make_request()), api.get_status().breaker)
    slow.wait_until(lambda: slow.open == 0)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_last_in_flight_closes_the_connections_and_nobody_elses(slow, transport):
    """Not those of requests that came after the node was closed; and not before the loop ends."""
    api = APINode(slow.url, transport=TRANSPORTS[transport]())

    async def story():
        first = await in_flight(api, slow)
        await api.aclose()
        second = await in_flight(api, slow)
        answered = await ends(first), await ends(second)
        await api.aclose()
        await asyncio.to_thread(slow.wait_until, lambda: slow.open == 0)
        return answered

    assert (ANSWERED, ANSWERED) == asyncio.run(story())
    assert (set(), {}) == (api.asking.on_loops.left, api.asking.on_loops.clients)


def test_closing_does_not_wait_for_the_answer(partner):
    """A service that never answers keeps nobody from closing the node; the last one cancelled ends the connections."""
    partner.answers(partner.hang)
    api = APINode(partner.url)

    async def story():
        tasks = await in_flight(api, partner, several=2)
        await asyncio.wait_for(api.aclose(), 30.0)  # it would be an hour
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.to_thread(partner.wait_until, lambda: partner.open == 0)

    asyncio.run(story())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_requests_whose_event_loop_is_gone_are_not_waited_for(partner):
    """The node is closed all the same, is used again, and keeps nothing of that loop."""
    partner.answers(partner.hang, None)
    api = APINode(partner.url)
    loop = asyncio.new_event_loop()
    tasks = loop.run_until_complete(in_flight(api, partner, several=1))
    api.aclose_sync()
    loop.close()

    assert {"target": "/"} == asyncio.run(api.make_request())
    asyncio.run(api.aclose())
    assert (set(), {}) == (api.asking.on_loops.left, api.asking.on_loops.clients)
    tasks.pop()._log_destroy_pending = False
    gc.collect()
