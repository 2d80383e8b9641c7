"""Children that are closed make room, and count at their parent all the same."""

from __future__ import annotations

import asyncio

import pytest
from tests.dense import DENSE

import unbreakable as ub
from unbreakable.fractal import family
from unbreakable.fractal.family import MOST_CHILDREN


def use_in_plain_code(parent: ub.FractalNode) -> None:
    with parent.create_child("child", lambda: 1) as child:
        child.execute_sync()


def use_in_async_code(parent: ub.FractalNode) -> None:
    async def use() -> None:
        async with parent.create_child("child", lambda: 1) as child:
            await child.execute()

    asyncio.run(use())


@pytest.mark.parametrize("use", [use_in_plain_code, use_in_async_code])
def test_a_closed_child_leaves_and_its_calls_stay(use):
    """The status shows nobody who is gone; the sum is that of all."""
    parent = ub.FractalNode("parent")
    for _ in range(3):
        use(parent)
    status = parent.get_status()

    assert ((), 3, 3) == (status.children, status.total_executions, parent.successes())


def test_there_is_room_for_any_number_of_children_one_after_another():
    """Only those in use count towards the most that a node may have."""
    assert 1_000 == MOST_CHILDREN
    parent = ub.FractalNode("parent")
    for _ in range(MOST_CHILDREN + 1):
        parent.create_child("child").aclose_sync()

    assert [] == parent.children


def test_too_many_children_in_use_are_refused_and_closed_ones_make_room(monkeypatch):
    """Also when they were closed with their parent, who shows them still."""
    most = MOST_CHILDREN if DENSE else 50
    monkeypatch.setattr(family, "MOST_CHILDREN", most)
    parent = ub.FractalNode("parent")
    for _ in range(most):
        parent.create_child("child", lambda: 1).execute_sync()
    with pytest.raises(ub.errors.ConfigurationError, match=f"parent has {most} children"):
        parent.create_child("child")
    parent.aclose_sync()
    shown = len(parent.get_status().children)
    parent.create_child("child")

    assert (most, 1) == (shown, len(parent.children))
    assert most == parent.get_status().total_executions


@pytest.mark.parametrize("with_parent", [False, True])
def test_a_child_that_is_used_again_is_back(with_parent):
    """Its calls count once, and its parent is in use with it."""
    engine, parent = ub.QuantumSimulationEngine(), ub.FractalNode("parent")
    engine.adopt(parent)
    child = parent.create_child("child", lambda: 1)
    for _ in range(3):
        child.execute_sync()
        (parent if with_parent else child).aclose_sync()
        assert parent.get_status().total_executions == engine.get_quantum_stats().total_executions
    child.execute_sync()

    assert ([child], 4) == (parent.children, parent.get_status().total_executions)
    assert 4 == engine.get_quantum_stats().total_executions


def test_a_dropped_child_never_comes_back():
    """Its parent has let go of it for good."""
    parent = ub.FractalNode("parent")
    child = parent.create_child("child", lambda: 1)
    child.execute_sync()
    parent.drop_child(child)
    child.aclose_sync()
    child.execute_sync()
    parent.drop_child(child)

    assert ([], 1) == (parent.children, parent.get_status().total_executions)


def test_who_makes_a_child_of_a_closed_node_uses_it():
    """A system knows the node again, counts what the child does, and closes both."""
    with ub.QuantumSystem() as system:
        node = ub.FractalNode("orders", system=system)
        for _ in range(3):
            with node:
                child = node.create_child("child", lambda: 1)
                for _ in range(10):
                    child.execute_sync()

        assert 30 == node.get_status().total_executions == system.simulation.get_quantum_stats().total_executions
