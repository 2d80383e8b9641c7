"""A system knows its nodes while they are in use: closed ones are let go of, and known again once they are used."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.observe import latest_stories

KINDS: dict[str, Callable[[ub.QuantumSystem], Any]] = {
    "plain": lambda system: ub.FractalNode("node", lambda: 1, system=system),
    "api": lambda system: ub.APINode("https://api.example.com", system=system),
    "cache": lambda system: ub.CacheNode(loader=str, name="node", system=system),
    "agent": lambda system: ub.AgentNode(knowledge={"a": "b"}, name="node", system=system),
    "stream": lambda system: ub.StreamNode(print, name="node", system=system),
    "database": lambda system: ub.DatabaseNode("sqlite:///:memory:", name="node", system=system),
    "orchestrator": lambda system: ub.OrchestratorNode(name="node", system=system),
}
USES: dict[str, Callable[[Any], object]] = {
    "plain": lambda node: node.execute_sync(),
    "api": lambda node: node.execute_sync(lambda: 1),
    "cache": lambda node: node.set("key", 1),
    "agent": lambda node: node.process_query_sync("a?"),
    "stream": lambda node: node.start(),
    "database": lambda node: node.query_sync("SELECT 1"),
    "orchestrator": lambda node: node.pending(),
}


def executions(system: ub.QuantumSystem) -> int:
    return system.simulation.get_quantum_stats().total_executions


def names(system: ub.QuantumSystem) -> list[str]:
    return list(system.get_system_status().nodes)


def ask() -> int:
    return 1


async def in_async_code(make: Callable[[], Any]) -> weakref.ref[Any]:
    async with make() as node:
        return weakref.ref(node)


def in_plain_code(make: Callable[[], Any]) -> weakref.ref[Any]:
    with make() as node:
        return weakref.ref(node)


@pytest.mark.parametrize("run", [in_plain_code, lambda make: asyncio.run(in_async_code(make))], ids=["plain", "async"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_node_is_let_go_of(kind, run):
    """Neither the status shows it nor does anything hold it; what its system knows does not grow with it."""
    with ub.QuantumSystem() as system:
        nodes = [run(lambda: KINDS[kind](system)) for _ in range(3)]

        assert (0, []) == (system.get_system_status().total_nodes, names(system))
        gc.collect()
        assert [None] * 3 == [node() for node in nodes]


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_node_that_is_used_again_is_known_again(kind):
    """It opens anew what it needs, so its system shows it, and closes it at its end."""
    with ub.QuantumSystem() as system:
        node = KINDS[kind](system)
        node.aclose_sync()
        gone = names(system)
        USES[kind](node)

        assert ([], 1) == (gone, len(names(system)))
    assert [] == names(system)


def test_a_closed_node_takes_no_execution_with_it():
    """What was executed is kept in sum: it neither falls nor counts twice, however often the node comes and goes."""
    with ub.QuantumSystem() as system:
        node, seen = ub.FractalNode("node", ask, system=system), []
        for _ in range(3):
            for _ in range(2):
                node.execute_sync()
            seen.append(executions(system))
            node.aclose_sync()
            node.aclose_sync()
            seen.append(executions(system))

    assert [2, 2, 4, 4, 6, 6] == seen
    assert 6 == node.get_status().total_executions


@pytest.mark.parametrize("ways", ["execute", "call", "a new key", "outcome"])
def test_every_way_to_use_a_closed_node_is_noticed(ways):
    """The quick path asks nobody, so the first call after the end is played by the script."""
    with ub.QuantumSystem() as system:
        call = ub.protect("node", key=lambda key: key, system=system)(lambda key: key)
        for _ in range(50):  # a plan is made, and published
            call("one")
        call.node.aclose_sync()
        gone = names(system)
        use = {
            "execute": lambda: call.node.execute_sync(ask),
            "call": lambda: call("one"),
            "a new key": lambda: call("two"),
            "outcome": lambda: call.outcome("one"),
        }
        use[ways]()

        assert ([], ["node"], 51) == (gone, names(system), executions(system))
        assert None not in call.node.target.quick.values()


def test_a_plan_made_after_the_end_does_not_hide_the_next_call():
    """What is learned in the background may be published when the node was closed already."""
    with ub.QuantumSystem() as system:
        call = ub.protect("node", system=system)(ask)
        call.node.aclose_sync()
        call.node.target.adopt(call.node.target.plan)
        call()

        assert ["node"] == names(system)


def test_what_a_node_learns_after_it_was_closed_goes_to_the_memory():
    """It is the system's node all the same."""
    with ub.QuantumSystem() as system:
        node = ub.FractalNode("node", ask, system=system)
        for _ in range(2):
            for _ in range(30):
                node.execute_sync()
            node.aclose_sync()

        assert 60 == system.memory.summary().learnings


def test_what_happens_to_a_node_that_came_back_is_told(tmp_path):
    """Its stories are there for who asks, each of them once."""

    def fail() -> None:
        raise LookupError("no")

    with ub.QuantumSystem(tmp_path) as system:
        node = ub.FractalNode("node", fail, retry=False, system=system)
        for _ in range(2):
            node.execute_sync()
            node.aclose_sync()
        outcome = node.execute_sync()
        listeners = len(node.listeners)
    told = [each.id for each in latest_stories(tmp_path, 10)]

    assert (3, outcome.id) == (len(told), told[0])
    assert (1, 0) == (listeners, len(node.listeners))


def test_a_node_that_outlives_its_system_is_its_users_alone():
    """It can be used as before; the system that is closed knows nothing of it."""
    with ub.QuantumSystem() as system:
        early, late = (ub.FractalNode(name, ask, system=system) for name in ("early", "late"))
        early.aclose_sync()

    assert (True, True) == (early.execute_sync().ok, late.execute_sync().ok)
    assert ([], ()) == (names(system), late.listeners + early.listeners)


def made_in_a_function(system: ub.QuantumSystem) -> weakref.ref[Any]:
    @ub.protect("partner", system=system)
    def partner() -> int:
        return 1

    partner()
    return weakref.ref(partner.node)


def adopted_in_a_function(system: ub.QuantumSystem) -> weakref.ref[Any]:
    partner = ub.protect("partner")(ask)
    system.adopt(partner)
    partner()
    return weakref.ref(partner.node)


@pytest.mark.parametrize("make", [made_in_a_function, adopted_in_a_function])
def test_a_protected_function_that_nobody_holds_is_let_go_of(make, virtual):
    """Whoever made it has no node to close; what it did and learned is kept."""
    with ub.QuantumSystem() as system:
        nodes = [copy_context().run(make, system) for _ in range(3)]

        assert ([], 3, 3) == (names(system), executions(system), system.memory.summary().learnings)
        gc.collect()
        assert [None] * 3 == [node() for node in nodes]


def test_a_protected_function_that_is_held_stays():
    """By its name, by a method of an object, or by what was made around it."""

    class Client:
        @ub.protect("method")
        def ask(self) -> int:
            return 1

    with ub.QuantumSystem() as system:
        client, function = Client(), ub.protect("function", system=system)(ask)
        system.adopt(client.ask)
        wrapped = ub.protect("inner", system=system)(ask)
        outer = [lambda: wrapped() + function()]
        gc.collect()

        assert ["function", "method", "inner"] == names(system)
        assert 2 == outer[0]()


def test_whoever_holds_the_node_of_a_function_uses_it_again():
    """The door is gone, the node is not."""
    with ub.QuantumSystem() as system:
        node = ub.protect("partner", system=system)(ask).node
        gone = names(system)
        node.execute_sync(ask)

        assert ([], ["partner"]) == (gone, names(system))


def test_a_node_that_a_workflow_uses_stays_with_it():
    """Its owner may close it between two runs; when the workflow is gone as well it is let go of."""
    with ub.QuantumSystem() as system:
        shared = ub.CacheNode(loader=str, name="shared", system=system)
        steps = {"steps": [{"id": "a", "operation": lambda ctx: ctx.nodes["shared"].get_sync("key")}]}
        workflow = system.create_quantum_workflow_sync("w", nodes=[shared], workflow=steps)
        shared.aclose_sync()
        between = names(system)
        workflow.run_once_sync()
        shared.aclose_sync()
        workflow.aclose_sync()

        assert (["shared"], []) == (between, names(system))


def test_a_closed_node_is_adopted_as_one_in_use():
    """Whoever hands it in means to use it."""
    with ub.QuantumSystem() as system:
        node = ub.FractalNode("node", ask, system=system)
        node.aclose_sync()
        system.adopt(node)
        node.execute_sync()

        assert (["node"], 1) == (names(system), executions(system))


def test_an_engine_lets_go_as_a_system_does(virtual):
    """Without any system: what it has adopted counts, and is held, while it is in use."""
    engine = ub.QuantumSimulationEngine()

    def use_once() -> weakref.ref[Any]:
        partner = ub.protect("partner")(ask)
        engine.adopt(partner)
        partner()
        return weakref.ref(partner.node)

    nodes = [copy_context().run(use_once) for _ in range(3)]

    assert 3 == engine.get_quantum_stats().total_executions
    gc.collect()
    assert [None] * 3 == [node() for node in nodes]


def test_a_closed_engine_forgets_no_execution():
    """What was adopted is let go of, and not counted when it goes on."""
    engine, node = ub.QuantumSimulationEngine(), ub.FractalNode("node", ask)
    engine.adopt(node)
    node.execute_sync()
    engine.aclose_sync()
    node.execute_sync()
    node.aclose_sync()
    node.execute_sync()

    assert 1 == engine.get_quantum_stats().total_executions


@pytest.mark.real
def test_threads_that_close_and_use_a_node_lose_no_execution():
    """Whatever comes first, each call counts once, and the sum never falls."""
    with ub.QuantumSystem() as system:
        node, seen = ub.FractalNode("node", ask, system=system), []

        def use() -> None:
            for _ in range(300):
                node.execute_sync()

        def close() -> None:
            for _ in range(300):
                node.aclose_sync()
                seen.append(executions(system))

        threads = [threading.Thread(target=each) for each in (use, use, close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        node.execute_sync()

        assert 601 == executions(system)
        assert sorted(seen) == seen
