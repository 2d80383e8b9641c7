"""What is closed by whom, and that nothing of it is held any longer."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

import unbreakable as ub
from unbreakable.events import Explained
from unbreakable.fractal import FractalNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

STEPS = [ub.Step("a", lambda: None)]
CACHE = {"id": "cache", "type": "cache"}


class Closed(FractalNode):
    """A node that says when it is closed."""

    def __init__(self, name: str, **options) -> None:
        super().__init__(name, **options)
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()

    def aclose_sync(self) -> None:
        self.closed += 1
        super().aclose_sync()


@pytest.fixture(params=["async", "plain"])
def close(request):
    """Close in each colour."""
    if request.param == "async":
        return lambda thing: asyncio.run(thing.aclose(0.0))
    return lambda thing: thing.aclose_sync(0.0)


def test_a_workflow_closes_what_was_made_for_it_and_nothing_else(close):
    """A node that was given is its owner's; one that was described goes with its workflow."""
    given, system = Closed("given"), ub.QuantumSystem()
    workflow = system.create_quantum_workflow_sync("w", nodes=[given, CACHE], workflow=STEPS)
    workflow.nodes["cache"].set("key", 1)
    close(workflow)

    assert (0, 0) == (given.closed, len(workflow.nodes["cache"]))


@pytest.mark.parametrize("of_the_system", [False, True])
def test_a_closed_workflow_refuses_to_run(close, tmp_path, of_the_system):
    """It would take the state again, and nobody would give it back: not even closing the system once more."""
    system = ub.QuantumSystem(state=tmp_path)
    workflow = system.create_quantum_workflow_sync("w", workflow=STEPS)
    close(system if of_the_system else workflow)

    runs = (workflow.start, workflow.run_once_sync, lambda: asyncio.run(workflow.run_once()))
    for refused in (*runs, workflow.pending):
        with pytest.raises(ub.errors.Rejected, match="workflow 'w' is closed"):
            refused()
    close(system)


MORE = {
    "a workflow": lambda system: system.create_quantum_workflow_sync("w", workflow={"steps": [{"id": "a"}]}),
    "a node": lambda system: system.adopt(ub.CacheNode()),
}


@pytest.mark.parametrize("what", MORE)
def test_a_closed_system_takes_nothing_in(close, tmp_path, what):
    """Nobody would close it any more, and it would hold the state until the process ends."""
    system = ub.QuantumSystem(tmp_path / "s.db")
    close(system)

    with pytest.raises(ub.errors.Rejected, match="this system is closed: make a new one"):
        MORE[what](system)


def test_a_closed_workflow_is_forgotten(close):
    """Its name is free, its nodes are gone from the status, its listeners from a node that lives on."""
    given, system = FractalNode("given"), ub.QuantumSystem()
    for _ in range(3):
        workflow = system.create_quantum_workflow_sync("w", nodes=[given, CACHE], workflow=STEPS)
        assert 2 == system.get_system_status().total_nodes
        close(workflow)

    status = system.get_system_status()
    assert (0, 0, {}, {}) == (status.total_nodes, status.total_loops, status.nodes, system.workflows)
    assert () == given.listeners


def test_a_node_of_two_workflows_stays_as_long_as_one_of_them(close):
    """Who shares it is not robbed of it by the other's end."""
    shared, system = Closed("shared"), ub.QuantumSystem()
    first, second = (
        system.create_quantum_workflow_sync(name, nodes=[shared], workflow=STEPS) for name in ("first", "second")
    )
    close(first)
    assert {"shared"} == set(system.get_system_status().nodes)
    close(second)

    assert {} == system.get_system_status().nodes
    assert 0 == shared.closed


def test_two_hundred_workflows_leave_nothing_behind():
    """What a workflow held is free when it is closed."""
    system, held = ub.QuantumSystem(), []
    for number in range(200):
        workflow = system.create_quantum_workflow_sync(f"w{number}", nodes=[CACHE], workflow=STEPS)
        workflow.run_once_sync()
        held += [weakref.ref(workflow), weakref.ref(workflow.parts.orchestrator), weakref.ref(workflow.nodes["cache"])]
        workflow.aclose_sync()
    del workflow
    gc.collect()

    assert [] == [each() for each in held if each() is not None]


def test_a_system_closes_all_nodes_that_it_knows_once(close):
    """Adopted, given to one workflow or to two: all of them; what was cached is dropped."""
    adopted, given, cache = Closed("adopted"), Closed("given"), ub.CacheNode(name="mine")
    system = ub.QuantumSystem()
    system.adopt(adopted)
    system.adopt(cache)
    cache.set("key", 1)
    for name in ("first", "second"):
        system.create_quantum_workflow_sync(name, nodes=[given], workflow=STEPS)
    close(system)
    close(system)

    assert (1, 1, 0) == (adopted.closed, given.closed, len(cache))
    assert 0 == system.get_system_status().total_nodes


def test_one_node_that_cannot_be_closed_keeps_nothing_else_open(close, tmp_path):
    """The others are closed, the state is written, and then what went wrong is raised."""

    class Stuck(FractalNode):
        async def aclose(self) -> None:
            raise OSError("stuck")

        def aclose_sync(self) -> None:
            raise OSError("stuck")

    other, system = Closed("other"), ub.QuantumSystem(tmp_path)
    system.adopt(Stuck("stuck"))
    system.adopt(other)
    for _ in range(5):
        other.execute_sync(lambda: None)
    with pytest.raises(OSError, match="stuck"):
        close(system)

    assert 1 == other.closed
    with ub.QuantumSystem(tmp_path) as later:
        assert 5 == later.get_system_status().global_knowledge.learnings


def test_a_node_that_hangs_is_left_behind():
    """The others are closed all the same, within the time that there is."""

    class Hanging(FractalNode):
        async def aclose(self) -> None:
            await ASYNCIO.sleep(1e6)

    async def story():
        system, other = ub.QuantumSystem(), Closed("other")
        for node in (Hanging("hanging"), other):
            system.adopt(node)
        await system.aclose(1.0)
        return other.closed, ASYNCIO.now()

    with virtual_time():
        began = ASYNCIO.now()
        closed, ended = asyncio.run(story())

    assert (1, True) == (closed, ended - began <= 2.0)


def test_a_shared_node_s_story_is_told_once(tmp_path):
    """However many workflows use it."""
    from unbreakable.observe import latest_stories

    node = ub.FractalNode("partner", retry=False)
    with ub.QuantumSystem(tmp_path) as system:
        for name in ("a", "b", "c"):
            system.create_quantum_workflow_sync(name, nodes=[node], workflow=STEPS)
        system.adopt(node)
        outcome = node.execute_sync(lambda: 1 / 0)

    assert [outcome.id] == [story.id for story in latest_stories(tmp_path, 10)]
    assert not node.hears(Explained)


def test_nodes_that_bear_one_name_are_both_shown():
    """The second has a number."""
    with ub.QuantumSystem() as system:
        for _ in range(3):
            system.adopt(held := ub.FractalNode("partner"))
            held.execute_sync(lambda: None)
        status = system.get_system_status()

    assert (3, {"partner", "partner (2)", "partner (3)"}) == (status.total_nodes, set(status.nodes))


@pytest.mark.parametrize("start", [1, 2, 3])
def test_what_adopted_nodes_learned_is_there_at_the_next_start(start, tmp_path, close):
    """A few calls of each add up, whatever was adopted."""
    for number in range(start):
        system = ub.QuantumSystem(tmp_path)
        assert number * 75 == system.get_system_status().global_knowledge.learnings
        node, cache, function = ub.FractalNode("n"), ub.CacheNode(name="c"), ub.protect("f")(lambda: 1)
        for each in (node, cache, function):
            system.adopt(each)
        for key in range(25):
            node.execute_sync(lambda: 1)
            cache.get_sync(key, lambda: 1)
            function()
        assert (number + 1) * 75 == system.get_system_status().global_knowledge.learnings
        close(system)


def test_an_empty_memory_is_a_memory():
    """One that says that nothing is in it is used all the same."""

    class Counting(ub.LocalMemory):
        def __len__(self) -> int:
            return 0

    memory, steps_memory = Counting(), Counting()
    system = ub.QuantumSystem(memory=memory)
    workflow = system.create_quantum_workflow_sync("w", workflow=STEPS, memory=steps_memory)

    assert memory is system.memory
    assert steps_memory is workflow.parts.orchestrator.node.settings.memory


def test_a_status_that_fails_hides_no_other(tmp_path):
    """Of one node that cannot say how it is doing the status says so."""

    class Silent(FractalNode):
        def get_status(self):
            raise RuntimeError("no words")

    with ub.QuantumSystem(tmp_path) as system:
        system.adopt(Silent("silent"))
        system.adopt(ub.FractalNode("fine"))
        assert system.flush()
        assert None is system.trouble
        status = system.get_system_status().to_dict()

    assert {"name": "silent", "error": "RuntimeError: no words"} == status["nodes"]["silent"]
    assert "new" == status["nodes"]["fine"]["state"]


def test_stories_told_while_it_closes_are_kept(tmp_path):
    """A run that is undone because the system is closed has a story, too."""
    from unbreakable.observe import latest_snapshot, latest_stories

    class Telling(FractalNode):
        def aclose_sync(self) -> None:
            self.execute_sync(lambda: 1 / 0)

    system = ub.QuantumSystem(tmp_path)
    system.adopt(Telling("telling", retry=False))
    system.aclose_sync()

    assert ["telling"] == [story.node for story in latest_stories(tmp_path, 10)]
    assert {"telling"} == set(latest_snapshot(tmp_path).status["nodes"])


def test_what_would_block_the_event_loop_is_refused_before_anything_is_closed():
    """Who takes the plain form in async code hears so, and the loop goes on with all that it uses."""

    async def story():
        node = Closed("n")
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow("w", nodes=[node], workflow=STEPS)
            with pytest.raises(RuntimeError, match="would block"):
                system.run()
            workflow.start()
            for act in (system.run, system.aclose_sync, workflow.aclose_sync, workflow.loop.aclose_sync):
                with pytest.raises(RuntimeError, match="would block"):
                    act()
            return node.closed, system.get_system_status().total_loops, (await workflow.run_once()).status

    with virtual_time():
        assert (0, 1, ub.RunStatus.COMMITTED) == asyncio.run(story())


class Elsewhere:
    """A run of a workflow in a thread of its own, half a second after it was begun; its only step takes two."""

    def __init__(self, state, clock):
        self.system, self.end = ub.QuantumSystem(state), None
        steps = [ub.Step("charge", lambda: run_blocking(BLOCKING.sleep(2.0))), ub.Step("mail", lambda: None)]
        self.workflow = self.system.create_quantum_workflow_sync("w", workflow=steps)
        BLOCKING.world.spawn(self._run, "elsewhere")  # time waits for it
        clock.advance(0.5)

    def _run(self):
        try:
            self.end = self.workflow.run_once_sync(run_id="r").status
        except ub.errors.UnbreakableError as error:
            self.end = error


@pytest.fixture(params=["async", "plain"])
def close_within(request):
    """Close in each colour, within a grace."""
    if request.param == "async":
        return lambda thing, grace: asyncio.run(thing.aclose(grace))
    return lambda thing, grace: thing.aclose_sync(grace)


@pytest.mark.parametrize("what", ["system", "workflow"])
def test_closing_waits_for_a_run_of_another_thread(close_within, virtual, tmp_path, what):
    """As it does for an iteration of a loop."""
    run = Elsewhere(tmp_path, virtual)
    close_within(getattr(run, what), 10.0)

    assert (ub.RunStatus.COMMITTED, 2.0) == (run.end, virtual.now())
    run.system.aclose_sync()


@pytest.mark.parametrize("what", ["system", "workflow"])
def test_what_closing_leaves_at_work_nobody_else_takes_up(close_within, virtual, tmp_path, what):
    """The next system of this process finds it unfinished once the step has ended, and not before."""
    run = Elsewhere(tmp_path, virtual)
    close_within(getattr(run, what), 1.0)
    run.system.aclose_sync()
    assert 1.5 <= virtual.now() < 1.6
    with ub.OrchestratorNode(state=tmp_path) as orchestrator:
        assert () == orchestrator.pending()
        virtual.advance(1.0)
        (pending,) = orchestrator.pending()

    assert isinstance(run.end, ub.errors.RunUnfinished)
    assert {"charge": "done", "mail": "not_begun"} == pending.ledger
