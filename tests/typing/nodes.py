"""Nodes inside nodes, and what is read of them, as users write it: never run, only read by type checkers."""

from __future__ import annotations

from typing import Any, assert_type

import unbreakable as ub


def city_of(ctx: ub.Context) -> str:
    """Ask the context for what was passed."""
    return str(ctx["city"])


def mend(failure: ub.Failure) -> None:
    """Do what helps."""


def nodes_in_nodes() -> None:
    """Give a node wherever an operation is asked for."""
    inner = ub.FractalNode("inner", city_of, system=ub.QuantumSystem())
    outer = ub.FractalNode("outer", operation=inner)
    outer.remedy((KeyError, IndexError), PermissionError)(mend)

    ub.Step("one", inner)
    loop = ub.QuantumLoopEngine().create_loop(inner, max_iterations=5.0)
    with outer as node, loop as running:
        assert_type(node, ub.FractalNode)
        assert_type(running, ub.QuantumLoop)
    assert_type(inner.execute_sync(), ub.Outcome[Any])
    assert_type(outer.breaker.state, ub.State)
    assert_type(loop.state, ub.LoopState)
    assert_type(loop.get_status().healing["survival_mode"].tried, int)
    ub.protect("x", system=None, limit=None, throttle=False)(len)


def what_is_told(workflow: ub.QuantumWorkflow, failure: ub.Failure) -> None:
    """Every record turns into a dictionary."""
    runs = workflow.get_status().runs
    assert_type(runs.committed, int)
    assert_type(runs["committed"], int)
    decision = ub.QuantumSimulationEngine().simulate(
        "partner",
    )
    best: ub.Universe = max(decision.universes, key=lambda each: each.score)
    print(decision.to_dict(), best.to_dict(), failure.to_dict())


async def each_city_by_itself() -> str:
    """Partition a job by what it is given."""
    engine = ub.QuantumSimulationEngine()
    return await engine.execute_quantum(city_of, {"city": "CAI"}, key=city_of)
