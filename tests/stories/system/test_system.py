"""What users see of a system: workflows that run again and again, nodes that learn together, a state that survives."""

from __future__ import annotations

import asyncio
import json

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, GraphError
from unbreakable.storage.trouble import StateOwned
from unbreakable.testing import virtual_time

SOON = 0.01


async def search(ctx: ub.Context) -> dict[str, str]:
    """Find a flight."""
    return {"flight": "MS 777", "for": (ctx.input or {}).get("city", "anywhere")}


async def book(ctx: ub.Context) -> str:
    """Book what was found."""
    return f"booked {ctx.results['search']['flight']}"


STEPS = {"steps": [{"id": "search", "name": "Search", "operation": search}, {"id": "book", "operation": book}]}


@pytest.fixture
def virtual():
    with virtual_time() as clock:
        yield clock


async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - virtual


def test_a_workflow_runs_every_interval(virtual):
    """Once started it runs now and then every interval; its status counts the runs."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("TravelBooking", interval=1.0, workflow=STEPS)
            workflow.start()
            await nap(4.5)
            return workflow.get_status()

    status = asyncio.run(story())
    assert ("TravelBooking", 5, {"committed": 5, "compensated": 0, "needs_attention": 0}) == (
        status.name, status.loop.current_iteration, status.runs
    )  # fmt: skip


def test_it_can_be_run_once_while_it_is_stopped(virtual):
    """What is given becomes the input of every step, and the results come back."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", workflow=STEPS)
            return await workflow.run_once({"city": "CAI"}), workflow.get_status()

    result, status = asyncio.run(story())
    assert ub.RunStatus.COMMITTED is result.status
    assert {"search": {"flight": "MS 777", "for": "CAI"}, "book": "booked MS 777"} == result.results
    assert ("new", 1) == (status.loop.state.value, status.runs["committed"])


def test_it_is_paused_resumed_triggered_and_stopped(virtual):
    """The workflow has the wishes of its loop."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", interval=1.0, workflow=STEPS)
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


def test_as_many_iterations_as_were_asked_for(virtual):
    """A finite workflow ends by itself."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", interval=0.1, max_iterations=3, workflow=STEPS)
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
                ub.Step("hold", search, compensate=lambda ctx: undone.append(ctx.idempotency_key)),
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


def test_the_status_is_ready_for_json(virtual):
    """Everything that is shown can be handed on as plain dictionaries."""

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", nodes=[ub.FractalNode("n")], workflow=STEPS)
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


# ── a state that survives ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.real
def test_what_was_learned_is_there_after_a_restart(tmp_path):
    """A system on the same state begins with what the last one knew."""

    async def story(calls: int):
        async with ub.QuantumSystem(tmp_path / "state") as system:
            node = ub.FractalNode("partner", effects="none")
            workflow = await system.create_quantum_workflow(
                "w", nodes=[node], workflow=[ub.Step("use", lambda ctx: ctx.nodes["partner"].execute(lambda: None))]
            )
            before = node.get_status().plan["observations"]
            for _ in range(calls):
                await workflow.run_once()
            return before, system.get_system_status().global_knowledge

    first, knowledge = asyncio.run(story(60))
    assert (0, 120) == (first, knowledge.learnings)

    before, later = asyncio.run(story(0))
    assert 40 <= before
    assert 120 == later.learnings


@pytest.mark.real
def test_unfinished_runs_are_taken_up_by_the_next_system(tmp_path):
    """A run that was left in the middle is gone on with by the first iteration; what was done is not done again."""
    done, block = [], [True]

    async def first(ctx: ub.Context) -> str:
        done.append("first")
        return "a"

    async def second(ctx: ub.Context) -> str:
        if block[0]:
            await asyncio.Event().wait()
        done.append("second")
        return "b"

    steps = [ub.Step("first", first), ub.Step("second", second)]

    async def crash():
        system = ub.QuantumSystem(tmp_path)
        workflow = await system.create_quantum_workflow("w", workflow=steps, grace=0.0, effects="idempotent")
        task = asyncio.ensure_future(workflow.run_once({"n": 1}, run_id="r1"))
        while not done:
            await nap(SOON)
        orchestrator = workflow.parts.orchestrator
        for place in orchestrator._places():
            place.task.cancel()  # as a crash would: nothing is undone, nothing is said
        await asyncio.wait({task})
        await system.aclose(0.0)

    async def restart():
        async with ub.QuantumSystem(tmp_path) as system:
            workflow = await system.create_quantum_workflow("w", workflow=steps, effects="idempotent", max_iterations=1)
            pending = [run.run_id for run in workflow.pending()]
            workflow.start()
            await workflow.wait()
            return pending, workflow.get_status().runs["committed"], (await workflow.run_once(run_id="r1")).results

    asyncio.run(crash())
    block[0] = False
    pending, committed, results = asyncio.run(restart())

    assert (["r1"], 2, {"first": "a", "second": "b"}) == (pending, committed, results)
    assert ["first", "second", "first", "second"] == done


@pytest.mark.real
def test_a_state_belongs_to_one_process(tmp_path):
    """A second process is told who has it."""
    import subprocess
    import sys

    code = f"import unbreakable as ub; s = ub.QuantumSystem({str(tmp_path)!r}); print('open', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert "open" == child.stdout.readline().strip()
        with pytest.raises(StateOwned, match=f"process {child.pid}"):
            ub.QuantumSystem(tmp_path)
    finally:
        child.communicate("\n")


async def _told(place, node, operation):
    async with ub.QuantumSystem(place) as system:
        workflow = await system.create_quantum_workflow("w", nodes=[node], workflow=STEPS)
        await workflow.run_once()
        return await node.execute(operation)


@pytest.mark.real
def test_stories_and_status_can_be_read_by_others(tmp_path):
    """What failed, and how everything stands, is in the state file for other processes."""
    from unbreakable.observe import latest_snapshot, latest_stories, story_of

    node = ub.FractalNode("partner", retry=False)

    async def fails() -> None:
        raise LookupError("nothing there")

    outcome = asyncio.run(_told(tmp_path, node, fails))
    story = story_of(tmp_path, outcome.id)
    assert story is not None
    assert ("partner", "failed") == (story.node, story.status)
    assert "nothing there" in story.text
    assert outcome.id in [each.id for each in latest_stories(tmp_path, 10)]
    snapshot = latest_snapshot(tmp_path)
    assert snapshot is not None
    assert 1 == snapshot.status["total_loops"]


@pytest.mark.real
def test_the_note_of_an_exception_names_the_story(tmp_path):
    """Whoever sees the traceback finds the id under which the story is told."""
    from unbreakable.observe import story_of

    @ub.protect("partner", retry=False)
    def fails() -> None:
        raise LookupError("nothing there")

    with ub.QuantumSystem(tmp_path) as system:
        system.adopt(fails)
        with pytest.raises(LookupError) as caught:
            fails()
    outcome = caught.value.__notes__[0].rpartition("outcome ")[2]

    assert "nothing there" in story_of(tmp_path, outcome).text


# ── wrong configurations ────────────────────────────────────────────────────────────────────────────────────────────

API = {"id": "api", "type": "api", "endpoint": "https://partner.example"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"nodes": [{"id": "a", "type": "apy"}]},
            r"nodes\[0\].type must be one of .*, not 'apy' \(did you mean 'api'\?\)",
        ),
        (
            {"nodes": [API, {"id": "b", "tpye": "api"}]},
            r"nodes\[1\].type is missing.*nodes\[1\].tpye.*did you mean 'type'",
        ),
        ({"nodes": [{"type": "api"}]}, r"nodes\[0\].id is missing"),
        (
            {"nodes": [{**API, "endpont": "x"}]},
            r"nodes\[0\].endpont is not a setting of api nodes \(did you mean 'endpoint'",
        ),
        ({"nodes": [{**API, "endpoint": "partner"}]}, r"nodes\[0\].endpoint must be an absolute URL"),
        ({"nodes": [{**API, "retry": 3}]}, r"nodes\[0\].retry must be a Retry such as ub.Retry\(3\)"),
        ({"nodes": [{**API, "effects": "none at all"}]}, r"nodes\[0\].effects must be one of"),
        ({"nodes": [API, API]}, r"nodes\[1\].id must be an id that no other node has"),
        ({"nodes": {"a": 7}}, r"nodes\['a'\] must be a node or a description"),
        ({"nodes": [lambda: 1]}, r"nodes\[0\] must be a node or a description"),
        ({"nodes": 7}, "nodes must be a list of nodes"),
        ({"workflow": {"steps": []}}, "workflow.steps must be a list of 1 to"),
        ({"workflow": {"setps": []}}, "workflow.setps is not a setting; did you mean 'steps'"),
        ({"workflow": {}}, "workflow.steps must be a list of steps"),
        ({"workflow": None}, "workflow.steps must be a list of steps"),
        ({"workflow": [{"id": "a"}]}, r"workflow.steps\[0\].operation is missing"),
        ({"workflow": [{"id": "a", "operation": 7}]}, r"workflow.steps\[0\].operation must be a function"),
        (
            {"workflow": [{"id": "a", "operation": search, "depends": []}]},
            r"workflow.steps\[0\].depends is not a setting",
        ),
        (
            {"workflow": [{"id": "a", "operation": search, "depends_on": ["z"]}]},
            r"workflow.steps\[0\].depends_on must name steps of the workflow \('a'\), not 'z'",
        ),
        (
            {
                "workflow": [
                    {"id": "a", "operation": search, "depends_on": ["b"]},
                    {"id": "b", "operation": book, "depends_on": ["a"]},
                ]
            },
            r"workflow.steps\[0\].depends_on must not close a circle: a → b → a",
        ),
        ({"workflow": [ub.Step("a", search), ub.Step("a", book)]}, r"workflow.steps\[1\].id must be its own"),
        ({"interval": -1}, "interval must be 0 or more seconds, not -1"),
        ({"interval": "often"}, "interval must be 0 or more seconds"),
        ({"universe_count": 0}, "universe_count must be a whole number from 1 up"),
        ({"universe_count": 9}, "universe_count must be at most 7"),
        ({"concurrency_limit": 0}, 'concurrency_limit must be "auto" or a whole number from 1 up'),
        ({"max_iterations": 0}, "max_iterations must be a whole number from 1 up"),
        ({"name": ""}, "name must be a text that names the workflow"),
        ({"name": "taken"}, "name must be one that no other workflow of this system has"),
        ({"intervall": 1}, r"intervall is not a setting of workflows \(did you mean 'interval'\?\)"),
        ({"deadline": -1}, "deadline must be more than 0 seconds"),
    ],
)
def test_a_wrong_configuration_is_refused_when_it_is_created(wrong, message):
    """The error names the path, says what was expected, and nothing is left behind."""
    system = ub.QuantumSystem()
    system.create_quantum_workflow_sync("taken", workflow=STEPS)

    with pytest.raises(ConfigurationError, match=message):
        system.create_quantum_workflow_sync(**{"name": "w", "workflow": STEPS, **wrong})

    status = system.get_system_status()
    assert (0, 1) == (status.total_nodes, status.total_loops)


def test_a_graph_that_does_not_fit_is_a_graph_error():
    """What is wrong with the steps as a whole has a type of its own."""
    with pytest.raises(GraphError):
        ub.QuantumSystem().create_quantum_workflow_sync("w", workflow={"steps": []})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"engine": "abacus"}, 'engine must be "local"'),
        ({"state": "postgresql://host/db"}, "state"),
        ({"state": 7}, "state: expected the path of a file or folder"),
    ],
)
def test_a_wrong_system_is_refused(wrong, message):
    """State and engine are checked where they are written."""
    with pytest.raises(ConfigurationError, match=message):
        ub.QuantumSystem(**wrong)
