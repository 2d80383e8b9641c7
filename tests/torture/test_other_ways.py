"""Jobs that can be done in two ways, or at two endpoints, of which first one and then the other fails."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest
from tests.dense import crossed
from tests.ways import Partner, Ways, often, one_by_one, sleep

import unbreakable as ub
from unbreakable.testing import virtual_time


@pytest.mark.parametrize(
    ("paces", "made", "seed"), crossed([(0.05, 40), (0.2, 150), (2.0, 250)], [("none", 0), ("once", 8)], range(2))
)
def test_a_way_that_is_back_before_its_rest_is_over_takes_over_from_one_that_dies(paces, made, seed):
    """One caller, to whom the way that died last is no better than the one that died before it."""
    (pause, outage), (effects, lost) = paces, made
    ways = Ways(effects)

    async def main() -> None:
        for down, seconds in ((set(), 60), ({"primary"}, outage), (set(), 10)):
            ways.down = down
            await one_by_one(ways.ask, seconds, pause)
        ways.down = {"replica"}
        ended = await one_by_one(ways.ask, 60, pause)
        assert "CircuitOpen" not in ended
        assert lost >= ended.total() - ended["done"]

    with virtual_time(seed):
        asyncio.run(main())


@pytest.mark.parametrize(("well", "seed"), crossed(["a", "b"], range(2)))
def test_of_two_that_rest_the_one_that_is_back_is_found_by_the_call_that_needs_it(well, seed):
    """The first look may be in vain; the third attempt is the other one's, and not that of who has just died."""
    partner = Partner()
    resting = {"a": 503, "b": 503}

    async def main() -> None:
        urls = ["https://a", "https://b", "https://c"]
        api = ub.APINode(endpoints=urls, transport=lambda: partner, retry=ub.Retry(3), hedge=False)
        for partner.trouble, seconds in (({}, 30), (resting, 150)):
            await one_by_one(api.make_request, seconds, 0.2)
        await sleep(10)
        partner.trouble = {**resting, "c": 503}
        del partner.trouble[well]
        ended = await one_by_one(api.make_request, 40, 0.2)
        assert ended.total() == ended["done"]

    with virtual_time(seed):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("asked", "trouble", "seed"),
    crossed([("GET", 0), ("POST", 8)], [503, httpx2.ConnectError("refused")], range(2)),
)
def test_an_endpoint_that_is_back_before_its_rest_is_over_takes_over_from_one_that_dies(asked, trouble, seed):
    """One caller, whom the first endpoint would answer all the time."""
    method, lost = asked
    partner = Partner()

    async def main() -> None:
        api = ub.APINode(method=method, endpoints=["https://a", "https://b"], transport=lambda: partner)
        for troubles, seconds in (({}, 30), ({"a": trouble}, 150), ({}, 10)):
            partner.trouble = troubles
            await one_by_one(api.make_request, seconds, 0.2)
        partner.trouble = {"b": trouble}
        ended = await one_by_one(api.make_request, 40, 0.2)
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
            await herd(30, *down)
        await herd(2)
        ended = await herd(20, "replica")
        assert "CircuitOpen" not in ended
        assert (0 if effects == "none" else 3 * at_once) >= ended.total() - ended["done"]

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("effects", ["none", "once"])
def test_a_way_that_is_dead_for_good_is_not_asked_by_every_call_of_a_herd_that_fails(effects):
    """The other one dies for ten seconds now and then: one call a second looks, and any that asks if one is back."""
    ways = Ways(effects)

    async def herd(seconds: float) -> None:
        await asyncio.gather(*(one_by_one(ways.ask, seconds, 0.5) for _ in range(20)))

    async def main() -> None:
        ways.down = {"primary"}
        await herd(60)
        for _ in range(2):
            ways.used.clear()
            ways.down.add("replica")
            await herd(10)
            assert 12 >= ways.used["primary"]  # about one a second
            ways.down.remove("replica")
            await herd(30)

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


@pytest.mark.parametrize("restart", [1, 2])
def test_endpoints_that_restart_in_turn_and_once_more_cost_no_outage(restart):
    """One of the two is always up, and whoever finds it while the circuit opens lets the others see."""
    partner = Partner()
    partner.silent = 0.05

    async def main() -> Counter[str]:
        api = ub.APINode(endpoints=["https://a", "https://b"], transport=lambda: partner)
        herd = []
        for _ in range(10):
            herd.append(asyncio.ensure_future(one_by_one(api.make_request, 50, 0.3)))
            await sleep(0.03)
        await sleep(30)
        for host in "abab":
            partner.trouble = {host: httpx2.ReadError("reset")}
            await sleep(restart)
            partner.trouble = {}
            await sleep(0.5)
        return sum(await asyncio.gather(*herd), Counter())

    with virtual_time(1):
        ended = asyncio.run(main())
    assert ended.total() == ended["done"]


@pytest.mark.parametrize(("well", "effects", "pause"), crossed(["primary", "replica"], ["none", "once"], [0.2, 2.0]))
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


@pytest.mark.parametrize(
    ("asked", "trouble"), crossed([("GET", 0), ("PUT", 0), ("POST", 8)], [503, httpx2.ConnectError("refused")])
)
def test_an_endpoint_that_is_well_again_takes_over_when_the_other_one_dies(asked, trouble):
    """Two outages minutes apart; nobody was asked in between whether the first is over."""
    method, lost = asked
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
