"""What a memory gives back is what was learned, no more and no less."""

import asyncio

import httpx2
import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


async def life(memory, *phases):
    """Return the last outcome, and the status, of a program whose target takes so many seconds, so many times each."""
    async with ub.FractalNode("n", effects="none", memory=memory) as node:
        for seconds, times in phases:
            for _ in range(times):
                outcome = await node.execute(lambda s=seconds: sleep(s))
        return outcome, node.get_status()


def test_a_drift_that_was_forgotten_stays_forgotten():
    """A target that became slow is not taken for fast again after a restart."""
    memory = ub.LocalMemory()

    with virtual_time():
        asyncio.run(life(memory, (0.01, 3_000), (0.5, 600)))
        _, status = asyncio.run(life(memory, (0.5, 1)))

    assert 0.45 <= status.latency.p50 <= 0.55


def test_the_plan_of_before_a_drift_is_not_kept_beyond_it():
    """A program that ends before enough is known of what a target became begins with the plan of just then."""
    memory = ub.LocalMemory()

    with virtual_time():
        asyncio.run(life(memory, (0.01, 600), (0.5, 15)))
        outcome, status = asyncio.run(life(memory, (0.5, 1)))

    assert (1, 0) == (outcome.attempts, status.plan["observations"])


def test_a_drift_is_forgotten_by_all_who_learn_of_it():
    """Two nodes with one memory: what one forgets, the other does not keep."""
    memory = ub.LocalMemory()

    async def main():
        one, two = (ub.FractalNode("n", effects="none", memory=memory) for _ in range(2))
        for seconds, times in ((0.01, 3_000), (0.5, 1_200)):
            for _ in range(times):
                await one.execute(lambda s=seconds: sleep(s))
        for _ in range(300):
            await two.execute(lambda: sleep(0.5))
        return two.get_status().latency.p50

    with virtual_time():
        assert 0.45 <= asyncio.run(main()) <= 0.55


def test_what_remedies_were_worth_is_kept():
    """The remedy that worked is the first one to be asked after a restart, though another was registered before it."""
    memory, asked = ub.LocalMemory(), []

    def life(calls):
        state = {"broken": True}

        def operation():
            if state["broken"]:
                raise ConnectionError("pool exhausted")
            state["broken"] = True

        node = ub.FractalNode("n", operation, memory=memory, budget=False, breaker=False, retry=ub.Retry(4))
        node.remedy(ConnectionError, name="useless")(lambda failure: asked.append("useless"))

        @node.remedy(ConnectionError, name="useful")
        def useful(failure):
            asked.append("useful")
            state["broken"] = False

        for _ in range(calls):
            node.execute_sync()
        node.aclose_sync()

    with virtual_time():
        life(40)
        asked.clear()
        life(20)

    assert 3 * asked.count("useless") < asked.count("useful")
    assert "useful" == asked[0]


@pytest.mark.parametrize("restarts", [8])
def test_restarts_add_no_evidence(restarts):
    """What is known of replicas after three requests a start is what three requests a start say."""
    memory = ub.LocalMemory()
    answer = httpx2.MockTransport(lambda _: httpx2.Response(200, json={}))
    for _ in range(restarts):
        api = ub.APINode(endpoints=["http://a.x", "http://b.x"], name="api", memory=memory, transport=answer)
        for method in ("GET", "PUT", "POST"):
            api.make_request_sync(method=method, data=None if method == "GET" else {})
        asyncio.run(api.aclose())

    rows = memory.get("api")["arms"]["arms"].values()

    assert 3 * restarts >= sum(weight for weight, *_ in rows) / 2**20
