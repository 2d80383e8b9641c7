"""The examples of the founding document, word for word where it can be, against real loopback servers and files."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

pytestmark = pytest.mark.real

SOON = 0.01  # seconds


async def nap(seconds: float = SOON) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - real servers, whose answers are waited for


async def until(fact: Any) -> None:
    """Wait until it is so; ten seconds are patience enough."""
    async with asyncio.timeout(10):
        while not fact():
            await nap()


class Partner:
    """An HTTP service on loopback that answers 500 as long as it is told to."""

    def __init__(self) -> None:
        partner = self

        class Page(BaseHTTPRequestHandler):
            protocol_version, wbufsize = "HTTP/1.1", -1  # one packet an answer

            def do_GET(self) -> None:
                partner.asked.append(self.path)
                status = 500 if partner.failing > 0 else 200
                partner.failing -= 1
                body = json.dumps({"flight": "MS 777"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.asked: list[str] = []
        self.failing = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": SOON}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def partner() -> Iterator[Partner]:
    partner = Partner()
    try:
        yield partner
    finally:
        partner.close()


async def test_a_loop_that_never_stops():
    """``loop.start()``, and it goes on whatever its operation raises, until it is stopped."""
    numbers = iter(range(10**9))

    async def some_async_work() -> None:
        if next(numbers) % 3 == 1:
            raise ConnectionError("the partner is down")

    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(
        name="MyLoop", operation=some_async_work, interval=0.001, max_iterations=math.inf, quantum_mode=True
    )
    loop.start()
    await until(lambda: loop.get_status().current_iteration >= 50)

    status = loop.get_status()
    assert status.is_running
    assert 0.5 < status.performance.success_rate <= 1.0
    assert "%" in f"{status.performance.success_rate:.1%}"
    assert await loop.stop()
    assert not loop.get_status().is_running


async def test_the_best_strategy_is_executed_and_only_that():
    """``execute_quantum`` weighs universes in a model and runs the operation once."""
    ran = []

    async def my_operation(ctx: ub.Context) -> str:
        ran.append(ctx.input)
        return f"searched {ctx.input['city']}"

    context = {"city": "CAI"}
    quantum = ub.QuantumSimulationEngine(universe_count=5)
    result = await quantum.execute_quantum(my_operation, context)

    assert ("searched CAI", [context]) == (result, ran)
    stats = quantum.get_quantum_stats()
    assert (1, 1) == (stats.total_simulations, stats.total_executions)
    assert {"balanced": 1} == stats.best_strategies
    assert stats.avg_speedup is None or str(stats.avg_speedup).endswith("x")
    assert 5 == len(quantum.simulate("anything").universes)


def test_a_speed_up_is_measured_where_there_is_one():
    """With a replica that is many times faster, ``avg_speedup`` says so."""

    async def slow() -> str:
        await nap(0.02)
        return "slow"

    async def fast() -> str:
        await nap(0.001)
        return "fast"

    async def story() -> ub.QuantumStats:
        quantum = ub.QuantumSimulationEngine(universe_count=5)
        for _ in range(300):
            await quantum.execute_quantum(slow, effects="none", alternatives={"replica": fast})
        return quantum.get_quantum_stats()

    with virtual_time():  # a busy machine makes a millisecond as long as it likes
        stats = asyncio.run(story())
    assert stats.avg_speedup is not None
    assert stats.avg_speedup.low > 10.0
    assert stats.total_simulations >= 2


async def test_a_partner_that_fails_five_times_opens_the_circuit(partner):
    """Five failures open the circuit; after its rest the partner is asked again; the program goes on all the while."""
    partner.failing = 5
    rest = 0.2
    async with ub.APINode(endpoint=partner.url, retry=False, breaker=ub.CircuitBreaker(failures=5, rest=rest)) as sabre:
        statuses = []
        for _ in range(30):
            outcome = await sabre.make_request.outcome({"from": "CAI"})
            statuses.append(outcome.status)
        assert [ub.Status.FAILED] * 30 == statuses
        assert (5, "open") == (len(partner.asked), sabre.breaker.state.value)

        await nap(rest)
        outcome = await sabre.make_request.outcome({"from": "CAI"})
        assert (ub.Status.OK, {"flight": "MS 777"}) == (outcome.status, outcome.value)
        assert "closed" == sabre.breaker.state.value


async def test_a_thousand_requests_go_on(partner):
    """The program makes its thousand requests, and the five that failed at first are healed."""
    partner.failing = 5
    ended: dict[ub.Status, int] = {}
    async with ub.APINode(endpoint=partner.url, retry=ub.Retry(6, backoff=ub.Backoff(0.001)), breaker=False) as sabre:
        for _ in range(1_000):
            outcome = await sabre.make_request.outcome()
            ended[outcome.status] = ended.get(outcome.status, 0) + 1

    assert {ub.Status.HEALED: 1, ub.Status.OK: 999} == ended


EGYPT = {
    "Egypt": {
        "pyramids": "The pyramids of Giza were built as tombs about 4,500 years ago.",
        "currency": "The currency of Egypt is the Egyptian pound.",
    },
    "Mexico": {"pyramids": "The Pyramid of the Sun stands in Teotihuacan."},
}


async def test_an_agent_answers_from_its_knowledge_and_abstains_elsewhere(tmp_path):
    """An answer quotes its source, what is not known is not invented, and only verdicts move the rating."""
    place = tmp_path / "egypt.json"
    place.write_text(json.dumps(EGYPT))
    async with ub.AgentNode(dna={"score": 850}, knowledge=place) as agent:
        response = await agent.process_query("Show me pyramids", {"country": "Egypt"})
        assert ("extract", False) == (response.kind, response.degraded)
        assert "Giza" in response.answer
        assert response.answer in response.sources[0].quote
        assert 0.0 <= response.confidence <= 1.0

        unknown = await agent.process_query("Who won the chess championship of 1972?", {"country": "Egypt"})
        assert unknown.kind in ("abstain", "closest")
        assert (850, 0, False) == (
            agent.intelligence.score, agent.intelligence.judged, agent.intelligence.verified
        )  # fmt: skip
        await agent.feedback(response, good=True)
        assert agent.intelligence.score > 850
        await agent.feedback(response, good=False)
        assert agent.intelligence.score < 850


async def test_a_travel_booking_system(partner, tmp_path):
    """Nodes and steps from the founding dictionary, run every interval, with statuses and global knowledge."""

    async def search(ctx: ub.Context) -> Any:
        return await ctx.nodes["cache"].get("flights", ctx.nodes["api"].make_request)

    async def book(ctx: ub.Context) -> str:
        advice = await ctx.nodes["agent"].process_query("Which currency?", {"country": "Egypt"})
        return f"{ctx.results['step1']['flight']}, paid in {advice.sources[0].title}"

    system = ub.QuantumSystem(state=tmp_path / "state")
    workflow = await system.create_quantum_workflow(
        name="TravelBooking",
        interval=0.01,
        universe_count=5,
        nodes=[
            {"id": "api", "type": "api", "endpoint": partner.url},
            {"id": "cache", "type": "cache", "ttl": 3600},
            {"id": "agent", "type": "agent", "dna": {"score": 850}, "knowledge": EGYPT},
        ],
        workflow={
            "steps": [
                {"id": "step1", "name": "Search", "operation": search},
                {"id": "step2", "name": "Book", "operation": book},
            ]
        },
    )
    workflow.start()
    await until(lambda: workflow.get_status().runs["committed"] >= 60)

    result = await workflow.run_once({"city": "CAI"})
    assert "MS 777, paid in Egypt: currency" == result.results["step2"]
    status, whole = workflow.get_status(), system.get_system_status()
    assert 0.95 < status.loop.performance.success_rate
    assert 1 == len(partner.asked)  # the others were read from the cache
    assert (3, 1) == (whole.total_nodes, whole.total_loops)
    assert 60 < status.nodes["agent"].total_executions
    assert 40 < whole.global_knowledge.learnings
    assert 3 <= whole.total_simulations
    json.dumps(whole.to_dict())
    await system.aclose()
