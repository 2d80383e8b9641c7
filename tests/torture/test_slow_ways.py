"""Jobs that can be done in two ways, or at two endpoints, of which one is slow, or hangs, while the other fails."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest
from tests.dense import crossed
from tests.ways import Partner, Ways, herd_of_five, often, sleep

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


@pytest.mark.parametrize(("restart", "trouble"), crossed([6, 40], [503, 429, httpx2.ConnectError("refused")]))
def test_an_endpoint_that_hangs_is_left_for_one_that_is_well_and_merely_rests(restart, trouble):
    """The first was away and is back, which nobody has seen yet; no call waits for the second until its deadline."""
    partner = Partner()
    partner.seconds["b"] = 0.15

    async def main() -> None:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: partner, deadline=10)
        for partner.trouble, seconds in (({}, 30), ({"a": trouble}, restart), ({}, 2)):
            await often(api.make_request, seconds, 0.05)
        partner.seconds["b"] = 1e6
        assert {"dict": 200} == await often(api.make_request, 10, 0.05)

    with virtual_time(2):
        asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_endpoint_that_hangs_when_somebody_looks_draws_no_herd(method):
    """It was away while another one served, which is now refused: a few calls see that nobody is there."""
    partner = Partner()
    refused = httpx2.ConnectError("refused")

    async def main() -> Counter[str]:
        api = ub.APINode(method=method, endpoints=["https://a", "https://b"], transport=lambda: partner)
        for partner.trouble, seconds in (({}, 60), ({"b": refused}, 60)):
            await herd_of_five(api.make_request, seconds)
        partner.trouble, partner.seconds["b"] = {"a": refused}, 1e6
        partner.asked.clear()
        return await herd_of_five(api.make_request, 29)

    with virtual_time(3):
        ended = asyncio.run(main())
    assert 4 >= partner.asked["b"]
    assert 16 >= ended["NotSent"]
    assert 60 >= partner.asked["a"]


def test_a_way_that_is_slow_to_come_back_costs_no_more_than_that():
    """Until it answers the other one, which is down, is asked now and then; no call is lost for long after that."""
    ways = Ways("once")

    async def main() -> None:
        for down, seconds in ((set(), 30), ({"primary"}, 20)):
            ways.down = down
            await herd_of_five(ways.ask, seconds)
        ways.down, ways.late = {"replica"}, {"primary": 4.0}
        lost = await herd_of_five(ways.ask, 4)
        assert 4 <= lost["done"]
        assert 30 >= lost.total() - lost["done"]
        ways.late = {}
        ended = await herd_of_five(ways.ask, 10)
        assert 20 >= ended.total() - ended["done"]

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize(
    ("pace", "times", "trouble"), crossed([0.05, 0.2, 0.5], [4, 10, 20], [503, httpx2.ConnectError("refused")])
)
def test_an_endpoint_that_becomes_slow_is_not_left_for_a_dead_one(pace, times, trouble):
    """Its answers come, later than a learned limit allows; nobody else has any."""
    partner = Partner()
    partner.seconds["a"], partner.trouble = 0.2, {"b": trouble}

    async def main() -> None:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: partner)
        await often(api.make_request, min(120, 600 * pace), pace)
        partner.seconds["a"] *= times
        partner.asked.clear()
        seconds = min(60, 400 * pace)
        assert {"dict": round(seconds / pace)} == await often(api.make_request, seconds, pace)
        assert 20 >= partner.asked["b"]

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize(("pace", "times"), crossed([0.05, 0.2, 0.5], [3, 5, 10, 20]))
def test_a_way_that_becomes_slow_is_not_left_for_a_dead_one(pace, times):
    """A dead replica is often why the other one slows; what answers is used, and the circuit stays closed."""
    engine, seconds = ub.QuantumSimulationEngine(), [0.2]

    async def primary() -> None:
        await sleep(seconds[0])

    async def replica() -> None:
        await sleep(0.01)
        raise OSError

    async def call() -> None:
        await engine.execute_quantum(primary, name="job", effects="none", alternatives={"replica": replica})

    async def main() -> None:
        await often(call, min(120, 600 * pace), pace)
        seconds[0] *= times
        assert {"NoneType": round(min(60, 400 * pace) / pace)} == await often(call, min(60, 400 * pace), pace)

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("count", [1, 2])
def test_endpoints_that_all_hang_open_the_circuit_as_one_does(count, method):
    """Whether somebody else would have answered is asked when a call fails, and not when it begins."""
    partner = Partner()
    urls = ["https://a", "https://b"][:count]

    async def main() -> float:
        api = ub.APINode(method=method, endpoints=urls, transport=lambda: partner, hedge=False)
        for _ in range(60):
            await api.make_request()
        partner.seconds = {"a": 1e6, "b": 1e6}
        began = ASYNCIO.now()
        while "closed" == api.breaker.state.value:
            await asyncio.gather(*(api.make_request() for _ in range(10)), return_exceptions=True)
        return ASYNCIO.now() - began

    with virtual_time():
        assert 31.0 * count > asyncio.run(main())  # all may have been sent to one of them at first


@pytest.mark.parametrize(("slower", "turns_to"), [(4.0, "b"), (1.5, "a")], ids=["by far", "a little"])
def test_an_endpoint_that_fails_once_is_asked_again_where_the_other_one_is_slower_by_far(slower, turns_to):
    """Should it fail again, that is soon known; where the other one takes hardly longer, the call moves."""
    partner, turned = Partner(), Counter[str]()
    partner.seconds["a"] = slower * partner.seconds["b"]

    async def main() -> None:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: partner, hedge=False)
        await often(api.make_request, 5, 0.05)
        for _ in range(5):
            await often(api.make_request, 0.5, 0.05)
            await sleep(1)
            partner.asked.clear()
            partner.trouble["b"] = 500
            call = asyncio.ensure_future(api.make_request.outcome())
            await sleep(0.01)
            partner.trouble.clear()
            assert (await call).ok
            turned.update(partner.asked - Counter("b") if partner.asked["b"] else {})

    with virtual_time():
        asyncio.run(main())
    assert turned[turns_to] >= 4
    assert turned.total() <= 5


@pytest.mark.parametrize("deadline", [3.0, 30.0])
def test_an_endpoint_whose_turn_would_come_after_a_long_pause_is_left_for_a_slower_one(deadline):
    """The pause is five seconds, or more than there are; the other one takes a quarter of a second."""
    partner, retry = Partner(), ub.Retry(3, backoff=ub.Backoff(5.0, jitter=False))
    partner.seconds["a"] = 0.25

    async def main() -> float:
        urls = ["https://a", "https://b"]
        api = ub.APINode(endpoints=urls, transport=lambda: partner, hedge=False, retry=retry, deadline=deadline)
        await often(api.make_request, 15, 0.05)
        partner.trouble["b"] = 500
        began = ASYNCIO.now()
        assert (await api.make_request.outcome()).ok
        return ASYNCIO.now() - began

    with virtual_time():
        assert asyncio.run(main()) < 0.5


class Busy(Exception):
    """Ask to be left alone for a while."""

    retry_after = 10.0


@pytest.mark.parametrize("error", [Busy("later"), PermissionError("not here"), NameError("no such name")])
def test_a_way_that_waiting_does_not_mend_is_left_though_the_others_are_slower_by_far(error):
    """It asks for ten seconds, or such failures are not repeated: another way takes a quarter of a second."""
    ways = Ways("idempotent")
    ways.late["replica"] = 0.25

    async def main() -> float:
        await often(ways.ask, 15, 0.05)
        way, ways.primary = ways.primary, raising(error)
        began = ASYNCIO.now()
        assert await ways.ask() == "replica"
        ways.primary = way
        return ASYNCIO.now() - began

    with virtual_time():
        assert asyncio.run(main()) < 0.5


def raising(error: Exception):
    """Return a way that raises *error*."""

    async def work() -> str:
        raise error

    return work


@pytest.mark.parametrize("status", [503, 429])
def test_an_endpoint_that_asks_to_be_left_alone_is_left_though_the_others_are_slower_by_far(status):
    """It asks for ten seconds: another endpoint takes a quarter of a second."""
    answers = {"a": httpx2.Response(200, json={}), "b": httpx2.Response(200, json={})}

    async def handle(request: httpx2.Request) -> httpx2.Response:
        await sleep({"a": 0.05, "b": 0.25}[request.url.host])
        return answers[request.url.host]

    async def main() -> ub.Outcome[object]:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: httpx2.MockTransport(handle))
        await often(api.make_request, 15, 0.05)
        answers["a"] = httpx2.Response(status, headers={"Retry-After": "10"})
        return await api.make_request.outcome()

    with virtual_time():
        outcome = asyncio.run(main())
    assert outcome.ok
    assert outcome.elapsed < 0.5
