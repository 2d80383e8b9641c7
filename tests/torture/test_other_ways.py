"""Jobs that can be done in two ways, or at two endpoints, of which first one and then the other fails."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Partner(httpx2.AsyncBaseTransport):
    """Two hosts, "a" and "b": each takes *seconds* to answer, and answers as *trouble* says while there is some."""

    def __init__(self) -> None:
        self.seconds = {"a": 0.05, "b": 0.05}
        self.trouble: dict[str, object] = {}
        self.asked: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        self.asked[host] += 1
        trouble = self.trouble.get(host)
        if isinstance(trouble, Exception):
            raise trouble
        await sleep(self.seconds[host])
        return httpx2.Response(200 if trouble is None else trouble, json={})


async def often(call, seconds: float, pace: float) -> Counter[str]:
    """Return how calls ended that began at that *pace*, in seconds, for so many *seconds*."""
    tasks = []
    for _ in range(round(seconds / pace)):
        tasks.append(asyncio.ensure_future(call()))
        await sleep(pace)
    return Counter(type(each).__name__ for each in await asyncio.gather(*tasks, return_exceptions=True))


@pytest.mark.parametrize("trouble", [503, httpx2.ConnectError("refused")])
@pytest.mark.parametrize(("method", "lost"), [("GET", 0), ("PUT", 0), ("POST", 8)])
def test_an_endpoint_that_is_well_again_takes_over_when_the_other_one_dies(trouble, method, lost):
    """Two outages minutes apart; nobody was asked in between whether the first is over."""
    partner = Partner()

    async def main() -> None:
        api = ub.APINode(method=method, endpoints=["https://a", "https://b"], transport=lambda: partner)
        assert {"dict": 60} == await often(api.make_request, 60, 1.0)
        partner.trouble = {"a": trouble}
        assert 120 - lost <= (await often(api.make_request, 120, 1.0))["dict"]
        partner.trouble = {}
        await often(api.make_request, 100, 1.0)
        partner.trouble = {"b": trouble}
        ended = await often(api.make_request, 120, 1.0)
        assert 120 - lost <= ended["dict"]
        assert "CircuitOpen" not in ended

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("trouble", [503, httpx2.ConnectError("refused")])
@pytest.mark.parametrize("times", [4, 10, 20])
@pytest.mark.parametrize("pace", [0.05, 0.2, 0.5])
def test_an_endpoint_that_becomes_slow_is_not_left_for_a_dead_one(pace, times, trouble):
    """Its answers come, later than a learned limit allows; nobody else has any."""
    partner = Partner()
    partner.seconds["a"], partner.trouble = 0.2, {"b": trouble}

    async def main() -> None:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: partner)
        await often(api.make_request, 120, pace)
        partner.seconds["a"] *= times
        assert {"dict": round(60 / pace)} == await often(api.make_request, 60, pace)

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("times", [3, 5, 10, 20])
@pytest.mark.parametrize("pace", [0.05, 0.2, 0.5])
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
        await often(call, 120, pace)
        seconds[0] *= times
        assert {"NoneType": round(60 / pace)} == await often(call, 60, pace)

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("at_once", [1, 5])
def test_a_way_that_is_well_again_takes_over_when_the_other_one_dies(at_once):
    """What must not be made twice fails a few times with each outage, and not for as long as a circuit rests."""
    engine, down = ub.QuantumSimulationEngine(), set()

    def way(name: str, seconds: float):
        async def work() -> None:
            await sleep(seconds)
            if name in down:
                raise OSError(name)

        return work

    primary, replica = way("primary", 0.2), way("replica", 0.3)

    async def call() -> None:
        await engine.execute_quantum(primary, name="job", effects="once", alternatives={"replica": replica})

    async def herd(seconds: int) -> Counter[str]:
        return sum([await often(call, 1, 1 / at_once) for _ in range(seconds)], Counter())

    async def main() -> None:
        await herd(100)
        for outage in ({"primary"}, set(), {"replica"}):
            down.clear()
            down.update(outage)
            ended = await herd(150)
            assert 12 >= ended.total() - ended["NoneType"]

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
