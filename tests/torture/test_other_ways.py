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


class Ways:
    """Two ways to do a job, of which those in *down* fail, and those in *late* take longer; *used* counts the asks."""

    def __init__(self, effects: str) -> None:
        self.engine, self.effects = ub.QuantumSimulationEngine(), effects
        self.down: set[str] = set()
        self.late: dict[str, float] = {}
        self.used: Counter[str] = Counter()
        self.primary, self.replica = self._way("primary"), self._way("replica")

    def _way(self, name: str):
        async def work() -> str:
            self.used[name] += 1
            await sleep(self.late.get(name, 0.05))
            if name in self.down:
                raise ConnectionError(name)
            return name

        return work

    async def ask(self) -> str:
        """Do the job once."""
        how = {"name": "job", "effects": self.effects, "alternatives": {"replica": self.replica}}
        return await self.engine.execute_quantum(self.primary, **how)


class Partner(httpx2.AsyncBaseTransport):
    """Hosts "a", "b" and "c": each takes *seconds* to answer, and answers as *trouble* says while there is some."""

    def __init__(self) -> None:
        self.seconds = {"a": 0.05, "b": 0.05, "c": 0.05}
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


async def one_by_one(call, seconds: float, pause: float) -> Counter[str]:
    """Return how the calls of one caller ended, who pauses after each."""
    ended, until = Counter(), ASYNCIO.now() + seconds
    while ASYNCIO.now() < until:
        try:
            await call()
            ended["done"] += 1
        except Exception as error:
            ended[type(error).__name__] += 1
        await sleep(pause)
    return ended


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("effects", "lost"), [("none", 0), ("once", 8)])
@pytest.mark.parametrize(("pause", "outage"), [(0.05, 40), (0.2, 150), (2.0, 250)])
def test_a_way_that_is_back_before_its_rest_is_over_takes_over_from_one_that_dies(outage, pause, effects, lost, seed):
    """One caller, to whom the way that died last is no better than the one that died before it."""
    ways = Ways(effects)

    async def main() -> None:
        for down, seconds in ((set(), 60), ({"primary"}, outage), (set(), 10)):
            ways.down = down
            await one_by_one(ways.ask, seconds, pause)
        ways.down = {"replica"}
        ended = await one_by_one(ways.ask, 120, pause)
        assert "CircuitOpen" not in ended
        assert lost >= ended.total() - ended["done"]

    with virtual_time(seed):
        asyncio.run(main())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("well", ["a", "b"])
def test_of_two_that_rest_the_one_that_is_back_is_found_by_the_call_that_needs_it(well, seed):
    """The first look may be in vain; the third attempt is the other one's, and not that of who has just died."""
    partner = Partner()
    resting = {"a": 503, "b": 503}

    async def main() -> None:
        urls = ["https://a", "https://b", "https://c"]
        api = ub.APINode(endpoints=urls, transport=lambda: partner, retry=ub.Retry(3), hedge=False)
        for partner.trouble, seconds in (({}, 60), (resting, 150)):
            await one_by_one(api.make_request, seconds, 0.2)
        await sleep(10)
        partner.trouble = {**resting, "c": 503}
        del partner.trouble[well]
        ended = await one_by_one(api.make_request, 120, 0.2)
        assert ended.total() == ended["done"]

    with virtual_time(seed):
        asyncio.run(main())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("trouble", [503, httpx2.ConnectError("refused")])
@pytest.mark.parametrize(("method", "lost"), [("GET", 0), ("POST", 8)])
@pytest.mark.parametrize("outage", [150])
def test_an_endpoint_that_is_back_before_its_rest_is_over_takes_over_from_one_that_dies(
    outage, method, lost, trouble, seed
):
    """One caller, whom the first endpoint would answer all the time."""
    partner = Partner()

    async def main() -> None:
        api = ub.APINode(method=method, endpoints=["https://a", "https://b"], transport=lambda: partner)
        for troubles, seconds in (({}, 60), ({"a": trouble}, outage), ({}, 10)):
            partner.trouble = troubles
            await one_by_one(api.make_request, seconds, 0.2)
        partner.trouble = {"b": trouble}
        ended = await one_by_one(api.make_request, 120, 0.2)
        assert "CircuitOpen" not in ended
        assert lost >= ended.total() - ended["done"]

    with virtual_time(seed):
        asyncio.run(main())


@pytest.mark.parametrize(("effects", "at_once"), [("none", 50), ("once", 10)])
def test_a_herd_whose_last_way_dies_finds_the_one_that_is_back(effects, at_once):
    """One of them asks it, and no call that can be repeated is lost meanwhile; of the others those are, in flight."""
    ways = Ways(effects)

    async def herd(seconds: float, *down: str) -> Counter[str]:
        ways.down = set(down)
        callers = (one_by_one(ways.ask, seconds, 0.5) for _ in range(at_once))
        return sum(await asyncio.gather(*callers), Counter())

    async def main() -> None:
        for down in ((), ("primary",)):
            await herd(60, *down)
        await herd(5)
        ended = await herd(60, "replica")
        assert "CircuitOpen" not in ended
        assert (0 if effects == "none" else 3 * at_once) >= ended.total() - ended["done"]

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("effects", ["none", "once"])
def test_a_way_that_is_dead_for_good_is_not_asked_by_every_call_of_a_herd_that_fails(effects):
    """The other one dies for ten seconds every minute: one of twenty callers looks, once in three seconds at most."""
    ways = Ways(effects)

    async def herd(seconds: float) -> None:
        await asyncio.gather(*(one_by_one(ways.ask, seconds, 0.5) for _ in range(20)))

    async def main() -> None:
        ways.down = {"primary"}
        await herd(120)
        for _ in range(3):
            ways.used.clear()
            ways.down.add("replica")
            await herd(10)
            assert 3 >= ways.used["primary"]
            ways.down.remove("replica")
            await herd(50)

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("restart", [6, 8])
def test_endpoints_that_restart_one_after_the_other_cost_no_outage(restart):
    """Each is away for a few seconds; that the first is back was not seen yet when the second goes."""
    partner = Partner()
    refused = httpx2.ConnectError("refused")

    async def main() -> None:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: partner)
        for troubles, seconds in (({}, 20), ({"a": refused}, restart), ({"b": refused}, restart), ({}, 10)):
            partner.trouble = troubles
            ended = await one_by_one(api.make_request, seconds, 0.1)
            assert ended.total() == ended["done"]

    with virtual_time():
        asyncio.run(main())


async def herd_of_five(call, seconds: float) -> Counter[str]:
    """Return how the calls of five callers ended."""
    return sum(await asyncio.gather(*(one_by_one(call, seconds, 0.3) for _ in range(5))), Counter())


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
    assert 1 == partner.asked["b"]
    assert 16 >= ended["NotSent"]
    assert 60 >= partner.asked["a"]


def test_a_way_that_is_slow_to_come_back_costs_no_more_than_that():
    """Its first success comes when the circuit is open already, which then need not rest."""
    ways = Ways("once")

    async def main() -> None:
        for down, seconds in ((set(), 30), ({"primary"}, 20)):
            ways.down = down
            await herd_of_five(ways.ask, seconds)
        ways.down, ways.late = {"replica"}, {"primary": 4.0}
        assert "CircuitOpen" in await herd_of_five(ways.ask, 4)
        ways.late = {}
        ended = await herd_of_five(ways.ask, 10)
        assert 20 >= ended.total() - ended["done"]

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("pause", [0.2, 2.0])
@pytest.mark.parametrize("effects", ["none", "once"])
@pytest.mark.parametrize("well", ["primary", "replica"])
def test_a_call_that_looks_whether_the_job_can_be_done_again_looks_at_every_way(well, effects, pause):
    """Both were down, and the circuit is open: whichever comes back serves as soon as it has rested."""
    ways = Ways(effects)

    async def main() -> None:
        for down in (set(), {"primary"}, {"primary", "replica"}):
            ways.down = down
            ended = await one_by_one(ways.ask, 100, pause)
        assert "CircuitOpen" in ended
        ways.down = {"primary", "replica"} - {well}
        assert 34 / pause >= (await one_by_one(ways.ask, 120, pause))["CircuitOpen"]

    with virtual_time():
        asyncio.run(main())


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
