"""Steps are called through nodes of their own."""

from __future__ import annotations

import pytest

from unbreakable.errors import BulkheadFull, Kind, NotSent
from unbreakable.fractal import FractalNode
from unbreakable.outcome import Failure
from unbreakable.policies import Context
from unbreakable.policies.deeds import failed
from unbreakable.workflows.calling import MOST_NODES, StepNodes, _doubt
from unbreakable.workflows.ending import Doubt
from unbreakable.workflows.step import Step


@pytest.fixture
def nodes():
    return StepNodes(FractalNode("booking"), {"effects": "idempotent"})


def test_a_step_keeps_its_node(nodes):
    """What was learned about it counts for the next run."""
    assert nodes.of(Step("pay", print)) is nodes.of(Step("pay", print))
    assert nodes.of(Step("pay", print)) is not nodes.of(Step("pay", print, timeout=3.0))
    assert "booking.pay" == nodes.of(Step("pay", print)).name


def test_a_compensation_has_a_node_apart(nodes):
    """Neither a circuit nor a budget nor the steps' deadline keeps an undo from being tried."""
    undo = nodes.for_undo(Step("pay", print))

    assert "booking.pay.undo" == undo.name
    assert "disabled" in repr(undo.breaker.state)


def test_a_step_named_like_a_compensation_is_not_called_as_one(nodes):
    """A compensation is never answered by a fallback that was meant for steps, whatever the steps are called."""
    assert nodes.of(Step("pay.undo", print)) is not nodes.for_undo(Step("pay", print))


def test_nodes_that_were_not_used_for_longest_make_room(nodes):
    """Steps with made-up ids do not fill the memory; what they did still counts."""
    first = nodes.of(Step("first", print))
    first.execute_sync(lambda: 1)
    for number in range(MOST_NODES):
        nodes.of(Step(f"step {number}", print))

    assert MOST_NODES == len(nodes.parent.children)
    assert first is not nodes.of(Step("first", print))
    assert 1 == nodes.parent.successes()


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((), Doubt.NEVER_BEGAN),
        ((Failure(BulkheadFull("full"), Kind.REJECTED, refused=True),), Doubt.NEVER_BEGAN),
        ((Failure(NotSent("no route")),), Doubt.NEVER_BEGAN),
        ((Failure(ConnectionRefusedError(), Kind.UNREACHABLE),) * 3, Doubt.NEVER_BEGAN),
        ((Failure(NotSent("no route"), acted=True),), Doubt.NOBODY_KNOWS),
        ((Failure(ValueError("sold out"), acted=True),), Doubt.REPORTED),
        ((Failure(NotSent("no route"), doubtful=True),), Doubt.NOBODY_KNOWS),
        ((Failure(ConnectionResetError(), Kind.UNREACHABLE),), Doubt.NOBODY_KNOWS),
        ((Failure(TimeoutError(), Kind.TIMEOUT),), Doubt.NOBODY_KNOWS),
        ((Failure(ValueError(), cut=True),), Doubt.NOBODY_KNOWS),
        ((Failure(ValueError("sold out")),) * 3, Doubt.REPORTED),
        ((Failure(TimeoutError(), Kind.TIMEOUT), Failure(ValueError("sold out"))), Doubt.NOBODY_KNOWS),
    ],
)
def test_how_much_is_known_follows_from_the_worst_attempt(failures, expected):
    """Only what provably never left had no effect."""
    ctx = Context()
    ctx.plan = FractalNode("pay").target.plan
    for failure in failures:
        failed(ctx.scope(), failure)

    assert expected is _doubt(ctx)
