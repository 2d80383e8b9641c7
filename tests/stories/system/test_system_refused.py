"""Wrong configurations are refused when they are created, with the path of the wrong setting."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, GraphError


def search() -> None:
    """Be a step."""


def two(ctx: ub.Context, city: str) -> None:
    """Be no step, since nobody would give the second argument."""


book = search

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
        ({"workflow": {"setps": []}}, r"workflow.setps is not a setting \(did you mean 'steps'"),
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
            r"workflow.steps\[0\].depends_on must not close a cycle: a → b → a",
        ),
        ({"workflow": [ub.Step("a", search), ub.Step("a", book)]}, r"workflow.steps\[1\].id must be its own"),
        ({"interval": -1}, "interval must be 0 or more seconds, not -1"),
        ({"interval": "often"}, "interval must be 0 or more seconds"),
        ({"universe_count": 0}, "universe_count must be a whole number from 1 up"),
        ({"universe_count": 9}, "universe_count must be at most 7"),
        ({"concurrency_limit": 0}, 'concurrency_limit must be "auto" or a whole number from 1 up'),
        ({"max_iterations": 0}, "max_iterations must be a whole number from 1 up"),
        ({"nodes": [{**API, "type": ["api"]}]}, r"nodes\[0\].type must be one of .*, not \['api'\]"),
        ({"nodes": [{**API, "type": {}}]}, r"nodes\[0\].type must be one of .*, not {}"),
        ({"nodes": [{**API, "type": None}]}, r"nodes\[0\].type must be one of [^(]*, not None; there are"),
        ({"nodes": [{**API, "id": None}]}, r"nodes\[0\].id must be 1 to 200 printable characters, not None"),
        ({"nodes": [{**API, "name": 7}]}, r"nodes\[0\].name must be 1 to 200 printable characters, not 7"),
        ({"nodes": [{**API, "system": None}]}, r"nodes\[0\].system is not a setting of api nodes"),
        ({"nodes": [{**API, 7: 7}]}, r"nodes\[0\].7 is not a setting of api nodes"),
        (
            {"nodes": [{**API, "name": "n"}, {**API, "id": "b", "name": "n"}]},
            r"nodes\[1\].name must be a name that no other node has, not 'n'",
        ),
        ({"nodes": {"x": {**API, "id": "y"}}}, r"nodes\['x'\].id must be 'x' or left out, not 'y'"),
        ({"nodes": {7: API}}, r"nodes\[7\].id must be 7 or left out|nodes\[7\].id must be 1 to 200"),
        ({"nodes": b"api"}, "nodes must be a list of nodes"),
        ({"nodes": None}, "nodes must be a list of nodes"),
        (
            {"nodes": [{"id": "o", "type": "orchestrator", "nodes": 3}]},
            r"nodes\[0\].nodes must be a dictionary of nodes by id, not 3",
        ),
        ({"nodes": [{**API, "remedies": 3}]}, r"nodes\[0\].remedies must be a list of pairs"),
        ({"remedies": 3}, "remedies must be a list of pairs of exception types, or a predicate, and a function, not 3"),
        ({"remedies": [3]}, "remedies must be a list of pairs"),
        ({"remedies": "ab"}, "remedies must be a list of pairs"),
        ({"remedies": [(ValueError, lambda one, two: None)]}, "a remedy must be a function that takes the failure"),
        ({"interval": 10**400}, "interval must be 0 or more seconds"),
        ({"interval": float("nan")}, "interval must be 0 or more seconds"),
        ({"grace": 10**400}, "grace must be 0 or more seconds"),
        ({"deadline": 10**400}, "deadline must be more than 0 seconds"),
        ({"max_iterations": 10**400}, "max_iterations must be a whole number from 1 up"),
        ({"concurrency_limit": ["auto"]}, 'concurrency_limit must be "auto" or a whole number'),
        ({"system": None}, "system is not a setting of workflows"),
        ({"workflow": [{"id": "a", "operation": two}]}, r"workflow.steps\[0\].operation must be a function that takes"),
        ({"workflow": [{"id": "a", "operation": search, "depends_on": None}]}, r"steps\[0\].depends_on must be a list"),
        ({"name": "n" * 201}, "name must be 1 to 200 printable characters"),
        ({"name": "a loop"}, "name must be one that no loop of this system has"),
        ({"name": ""}, "name must be 1 to 200 printable characters"),
        ({"name": "taken"}, "name must be one that no other workflow of this system has"),
        ({"intervall": 1}, r"intervall is not a setting of workflows \(did you mean 'interval'\?\)"),
        ({"deadline": -1}, "deadline must be more than 0 seconds"),
    ],
)
def test_a_wrong_configuration_is_refused_when_it_is_created(wrong, message, steps):
    """The error names the path, says what was expected, and nothing is left behind."""
    system = ub.QuantumSystem()
    system.create_quantum_workflow_sync("taken", workflow=steps)
    system.loops.create_loop(search, name="a loop")

    with pytest.raises(ConfigurationError, match=message):
        system.create_quantum_workflow_sync(**{"name": "w", "workflow": steps, **wrong})

    status = system.get_system_status()
    assert (0, 2) == (status.total_nodes, status.total_loops)


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
        ({"memory": 7}, "memory must be a ub.LocalMemory or a ub.SqliteMemory"),
    ],
)
def test_a_wrong_system_is_refused(wrong, message):
    """State and engine are checked where they are written."""
    with pytest.raises(ConfigurationError, match=message):
        ub.QuantumSystem(**wrong)


@pytest.mark.parametrize("wrong", [{"max_iterations": 0}, {"grace": -1}, {"retry": 3}, {"concurrency_limit": 0}])
def test_nothing_is_made_before_all_is_checked(wrong, steps, tmp_path):
    """Not even a node that would open its file at once."""
    knowledge = tmp_path / "new.db"
    with pytest.raises(ConfigurationError):
        ub.QuantumSystem().create_quantum_workflow_sync(
            "w", nodes=[{"id": "agent", "type": "agent", "knowledge": str(knowledge)}], workflow=steps, **wrong
        )

    assert [] == list(tmp_path.iterdir())


def test_what_was_made_before_a_wrong_node_is_closed(steps, monkeypatch):
    """The first node was right and is not left open."""
    closed = []
    monkeypatch.setattr(ub.CacheNode, "aclose_sync", lambda node: closed.append(node.name))
    with pytest.raises(ConfigurationError):
        ub.QuantumSystem().create_quantum_workflow_sync(
            "w", nodes=[{"id": "cache", "type": "cache"}, {**API, "endpoint": 7}], workflow=steps
        )

    assert ["w.cache"] == closed
