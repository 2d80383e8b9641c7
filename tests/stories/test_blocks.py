"""Whatever has to be closed is a block of either colour."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub

MAKERS = {
    "node": lambda: ub.FractalNode("node"),
    "api": lambda: ub.APINode("https://partner.invalid"),
    "cache": ub.CacheNode,
    "agent": ub.AgentNode,
    "database": lambda: ub.DatabaseNode("sqlite+aiosqlite://"),
    "stream": lambda: ub.StreamNode(lambda item: None),
    "orchestrator": ub.OrchestratorNode,
    "loop": lambda: ub.QuantumLoopEngine().create_loop(lambda: None),
    "loops": ub.QuantumLoopEngine,
    "simulation": ub.QuantumSimulationEngine,
    "system": ub.QuantumSystem,
    "workflow": lambda: ub.QuantumSystem().create_quantum_workflow_sync(
        "trip", workflow=[ub.Step("one", lambda: None)]
    ),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_it_is_closed_at_the_end_of_either_block(make):
    """Plain code writes ``with`` where async code writes ``async with``; both hand over the thing itself."""
    with make() as made:
        assert type(made) is type(make())

    async def story() -> None:
        async with make() as made:
            assert type(made) is type(make())

    asyncio.run(story())


def test_a_loop_runs_as_long_as_its_block():
    """The block of a loop starts it, in plain code too."""
    with ub.QuantumLoopEngine().create_loop(lambda: None) as loop:
        assert loop.is_running

    assert not loop.is_running


def test_a_stream_works_as_long_as_its_block(tmp_path):
    """The block of a stream begins with what an earlier one left, and opens what was closed, in plain code too."""
    with ub.StreamNode(overflow=tmp_path, durability="process") as left:
        left.put_sync("left")
    handled = []
    stream = ub.StreamNode(handled.append, overflow=tmp_path, durability="process")

    for item in ("first", "second"):
        with stream:
            assert stream.get_status().is_consuming
            stream.put_sync(item)
            stream.drain_sync()
    assert ["left", "first", "second"] == handled
