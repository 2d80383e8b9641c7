"""What users see of a system: workflows that run again and again, nodes that learn together, a state that survives."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError


def block(seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251 - virtual


async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - virtual


def test_a_workflow_runs_every_interval(virtual, steps):
    """Once started it runs now and then every interval; its status counts the runs."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("TravelBooking", interval=1.0, workflow=steps)
            workflow.start()
            await nap(4.5)
            return workflow.get_status()

    status = asyncio.run(story())
    assert ("TravelBooking", 5, {"committed": 5, "compensated": 0, "needs_attention": 0}) == (
        status.name, status.loop.current_iteration, status.runs
    )  # fmt: skip


def test_it_can_be_run_once_while_it_is_stopped(virtual, steps):
    """What is given becomes the input of every step, and the results come back."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", workflow=steps)
            return await workflow.run_once({"city": "CAI"}), workflow.get_status()

    result, status = asyncio.run(story())
    assert ub.RunStatus.COMMITTED is result.status
    assert {"search": {"flight": "MS 777", "for": "CAI"}, "book": "booked MS 777"} == result.results
    assert ("new", 1) == (status.loop.state.value, status.runs["committed"])


def test_it_is_paused_resumed_triggered_and_stopped(virtual, steps):
    """The workflow has the wishes of its loop."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", interval=1.0, workflow=steps)
            workflow.start()
            await nap(0.5)
            workflow.pause()
            await nap(3.0)
            paused = workflow.get_status().runs["committed"]
            workflow.trigger()
            await nap(0.1)
            triggered = workflow.get_status().runs["committed"]
            workflow.resume()
            await nap(1.0)
            resumed = workflow.get_status().runs["committed"]
            return paused, triggered, resumed, await workflow.stop(), workflow.get_status().loop.state.value

    assert (1, 2, 3, True, "stopped") == asyncio.run(story())


def test_as_many_iterations_as_were_asked_for(virtual, steps):
    """A finite workflow ends by itself."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", interval=0.1, max_iterations=3, workflow=steps)
            workflow.start()
            await workflow.wait()
            return workflow.get_status()

    status = asyncio.run(story())
    assert (3, "finished") == (status.runs["committed"], status.loop.state.value)


def test_steps_find_their_nodes(virtual):
    """Nodes given as objects are known by their names, or by the ids of a dictionary."""
    found = []

    async def look(ctx: ub.Context) -> None:
        found.append({name: node.name for name, node in ctx.nodes.items()})

    async def story():
        async with ub.QuantumSystem() as system:
            steps = [ub.Step("look", look)]
            node = ub.FractalNode("partner")
            for number, nodes in enumerate([[node], {"p": ub.FractalNode("other")}]):
                workflow = await system.create_quantum_workflow(f"w{number}", nodes=nodes, workflow=steps)
                await workflow.run_once()
            return system.get_system_status()

    status = asyncio.run(story())
    assert [{"partner": "partner"}, {"p": "other"}] == found
    assert (2, 2, {"partner", "other"}) == (status.total_nodes, status.total_loops, set(status.nodes))


def test_a_run_that_does_not_commit_is_a_failed_iteration(virtual):
    """What was done is undone, the loop counts a failure and goes on, and says why."""
    undone = []

    async def fails(ctx: ub.Context) -> None:
        raise LookupError("no seats")

    async def story():
        async with ub.QuantumSystem() as system:
            steps = [
                ub.Step("hold", lambda: None, compensate=lambda ctx: undone.append(ctx.idempotency_key)),
                ub.Step("x", fails),
            ]
            workflow = await system.create_quantum_workflow("w", interval=1.0, workflow=steps, retry=False)
            workflow.start()
            await nap(2.5)
            return workflow.get_status()

    status = asyncio.run(story())
    assert (3, 3, 3) == (status.runs["compensated"], status.loop.consecutive_errors, len(undone))
    assert "compensated: LookupError: no seats" in (status.loop.last_error or "")


def test_nodes_are_planned_by_the_workflow_s_engine_and_learn_into_one_memory(virtual):
    """Each workflow weighs strategies for its nodes; what they learn is counted for the system."""

    async def work() -> None:
        await nap(0.05)

    node = ub.FractalNode("partner", effects="none")

    async def use(ctx: ub.Context) -> None:
        await ctx.nodes["partner"].execute(work)

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", nodes=[node], workflow=[ub.Step("use", use)])
            for _ in range(100):
                await workflow.run_once()
            return workflow.get_status(), system.get_system_status(), workflow.simulation.simulate("partner")

    status, whole, decision = asyncio.run(story())
    assert 100 == status.simulation.total_executions
    assert 200 == whole.global_knowledge.learnings  # the node's calls and the steps'
    assert 1 <= whole.global_knowledge.optimizations
    assert whole.total_simulations == status.simulation.total_simulations >= 2
    assert decision.observations >= 40


def test_what_is_being_learned_from_is_counted(virtual):
    """Who looks in the middle of a lesson finds no fewer than before it."""
    seen: list[tuple[int, int]] = []

    async def work() -> None:
        await nap(0.05)

    async def story():
        async with ub.QuantumSystem() as system:
            node = ub.FractalNode("partner", effects="none")
            system.adopt(node)
            calls = 0

            def look(_: ub.Event) -> None:
                seen.append((calls, system.get_system_status().global_knowledge.learnings))

            node.on(ub.events.PlanPublished, look)
            for calls in range(1, 400):  # noqa: B007 - told by the listener
                await node.execute(work)

    asyncio.run(story())
    assert len(seen) >= 2
    assert all(calls - 1 <= learned <= calls for calls, learned in seen), seen  # one may be in progress


def test_the_same_in_plain_code(virtual):
    """Without an event loop the system is made, run and closed by plain calls."""
    ran = []
    with ub.QuantumSystem() as system:
        workflow = system.create_quantum_workflow_sync(
            "w", interval=1.0, workflow=[ub.Step("note", lambda: ran.append(1))]
        )
        assert workflow.run_once_sync({"x": 1}).ok
        workflow.start()
        virtual.advance(2.5)
        assert workflow.stop_sync()

    assert 4 == len(ran)


def test_the_status_is_ready_for_json(virtual, steps):
    """Everything that is shown can be handed on as plain dictionaries."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", nodes=[ub.FractalNode("n")], workflow=steps)
            await workflow.run_once()
            return json.dumps(workflow.get_status().to_dict()), json.dumps(system.get_system_status().to_dict())

    one, whole = asyncio.run(story())
    assert 1 == json.loads(one)["runs"]["committed"]
    assert 1 == json.loads(whole)["total_nodes"]


def test_a_node_of_one_s_own_joins_the_system(virtual):
    """A node outside of any workflow is planned, learns and is shown with the others."""
    with ub.QuantumSystem() as system:
        system.adopt(ub.FractalNode("solo"))
        status = system.get_system_status()

    assert (1, {"solo"}, 1) == (status.total_nodes, set(status.nodes), status.total_simulations)
    with pytest.raises(ConfigurationError, match="node must be a node"):
        ub.QuantumSystem().adopt(7)


def test_steps_know_the_iteration_that_they_are_part_of(virtual):
    """Its number and its tick, as a loop's own operation knows them; run once, outside of any, they know of none."""
    seen = []

    async def look(ctx: ub.Context) -> None:
        seen.append((ctx.iteration, None if ctx.tick is None else round(ctx.tick.nominal - ctx.tick.number, 3)))

    async def fails(ctx: ub.Context) -> None:
        raise LookupError("no seats")

    async def story():
        async with ub.QuantumSystem() as system:
            steps = [ub.Step("a", look, compensate=look), ub.Step("b", fails)]
            workflow = await system.create_quantum_workflow("w", interval=1.0, workflow=steps, retry=False)
            workflow.start()
            await nap(1.5)
            await workflow.stop()
            await workflow.run_once()

    asyncio.run(story())
    numbers = [number for number, _ in seen]
    assert [1, 1, 2, 2, None, None] == numbers
    assert all(tick is not None for number, tick in seen if number)


def test_steps_of_a_loop_s_own_orchestrator_know_it_too(virtual):
    """However deep inside the iteration the steps are run."""
    seen, orchestrator = [], ub.OrchestratorNode()
    step = ub.Step("a", lambda ctx: seen.append(ctx.iteration))

    @ub.protect("between")
    def run() -> None:
        orchestrator.orchestrate_sync([step])

    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(run, name="w", interval=1.0, max_iterations=2)
    loop.start()
    loop.wait_sync()
    orchestrator.orchestrate_sync([step])

    assert [1, 2, None] == seen


@pytest.mark.parametrize("nodes", [list, lambda nodes: {"ask": nodes[0]}])
def test_a_protected_function_is_a_node_of_a_workflow(nodes):
    """Steps call it by its name, or by the id that it was given, and the status shows the node behind it."""

    @ub.protect("ask")
    def ask(what):
        return what

    with ub.QuantumSystem() as system:
        step = ub.Step("a", lambda ctx: ctx.nodes["ask"](7))
        workflow = system.create_quantum_workflow_sync("W", nodes=nodes([ask]), workflow=[step])
        result = workflow.run_once_sync()
        shown, of_all = workflow.get_status().nodes, system.get_system_status().nodes

    assert {"a": 7} == result.results
    assert [1, 1] == [shown["ask"].total_executions, of_all["ask"].total_executions]


def test_closing_waits_once_for_all_that_hang(virtual, steps):
    """Three loops that block their threads cost one grace and a second, and nodes are closed all the same."""
    closed = []

    class Cache(ub.CacheNode):
        def aclose_sync(self):
            closed.append(virtual.now())

    def hang():
        block(1_000.0)

    system = ub.QuantumSystem()
    workflows = [
        system.create_quantum_workflow_sync(name, nodes=[Cache(name=name)], workflow=[ub.Step("hang", hang)])
        for name in ("one", "two", "three")
    ]
    for workflow in workflows:
        workflow.start()
    block(0.5)
    system.aclose_sync(grace=2.0)

    assert [3.5, 3.5, 3.5] == [round(each, 1) for each in closed]
