"""A node's operation may itself be a node."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


def fails() -> None:
    raise OSError("down")


async def fails_async() -> None:
    raise OSError("down")


def execute(node, *given):
    return node.execute_sync(*given)


def execute_async(node, *given):
    return asyncio.run(node.execute(*given))


COLOURS = pytest.mark.parametrize("run", [execute, execute_async])


@COLOURS
def test_the_inner_node_s_value_is_the_outer_one_s(run):
    """It runs with the same input, as the node's own operation or as one call's, and counts its own calls."""
    inner = ub.FractalNode("inner", lambda ctx: ctx["city"])

    assert "CAI" == run(ub.FractalNode("outer", operation=inner), None, {"city": "CAI"}).value
    assert "LXR" == run(ub.FractalNode("outer"), inner, {"city": "LXR"}).value
    assert 2 == inner.get_status().success_count


@pytest.mark.parametrize(("run", "operation"), [(execute, fails), (execute_async, fails), (execute_async, fails_async)])
def test_the_inner_node_s_failure_is_raised_and_not_repeated(run, operation):
    """What the inner node has repeated in vain is not repeated again around it: three attempts stay three."""
    inner = ub.FractalNode("inner", operation)
    outcome = run(ub.FractalNode("outer", operation=inner))

    assert ("OSError", 1) == (type(outcome.error).__name__, outcome.attempts)
    assert "inner failed after 3 attempts" in "".join(outcome.error.__notes__)


def test_the_inner_node_keeps_the_outer_one_s_deadline():
    """Time is shared as it is with every protected call inside another."""

    async def hangs() -> None:
        await asyncio.sleep(100)  # noqa: TID251 - virtual

    outcome = execute_async(ub.FractalNode("outer", operation=ub.FractalNode("inner", hangs), deadline=2.0))

    assert isinstance(outcome.error, ub.errors.DeadlineExceeded)
    assert 2.0 == pytest.approx(outcome.elapsed, abs=0.1)


def test_work_keeps_its_name():
    """The idempotency key is the same in both: it is one piece of work."""
    keys = []
    inner = ub.FractalNode("inner", lambda ctx: keys.append(ctx.idempotency_key))

    asyncio.run(ub.FractalNode("outer", operation=inner).execute(idempotency_key="order-17"))
    assert ["order-17"] == keys


def test_a_remedy_of_the_outer_node_changes_the_inner_one_s_arguments():
    """What a remedy changes reaches the operation through every node between."""

    def ask(size: int = 100) -> int:
        if size > 10:
            raise ValueError("too big")
        return size

    outer = ub.FractalNode("outer", operation=ub.FractalNode("inner", ask, retry=False))
    outer.remedy(ValueError)(lambda failure: {"size": 5})
    assert 5 == outer.execute_sync().value


async def answers() -> str:
    return "ok"


@pytest.mark.parametrize("operation", [lambda: "ok", answers])
def test_steps_loops_and_simulations_take_nodes_too(operation):
    """Wherever an operation is asked for, a node of either colour will do."""
    inner = ub.FractalNode("inner", operation)

    async def story() -> None:
        result = await ub.OrchestratorNode().orchestrate([ub.Step("one", inner)])
        assert {"one": "ok"} == dict(result.results)
        assert "ok" == await ub.QuantumSimulationEngine().execute_quantum(inner)
        loop = ub.QuantumLoopEngine().create_loop(inner, interval=0, max_iterations=2)
        loop.start()
        await loop.wait()
        assert 1.0 == loop.get_status().performance.success_rate

    asyncio.run(story())
    assert 4 == inner.get_status().success_count


def test_a_node_needs_no_protection():
    """It takes a context and no arguments, so it is not taken for a function."""
    with pytest.raises(TypeError, match="inner is a node"):
        ub.protect(ub.FractalNode("inner", fails))


def test_a_protected_function_is_an_operation_like_any_other():
    """It is called with the context if it takes one, behind both nodes."""

    @ub.protect("inner")
    def ask(ctx: ub.Context) -> str:
        return ctx.input

    assert "CAI" == ub.FractalNode("outer", operation=ask).execute_sync(context="CAI").value
    assert 1 == ask.node.get_status().success_count
