"""What a node of a kind, or a function's, says of its own work is not said of a step that it runs."""

from __future__ import annotations

import asyncio
import functools

import pytest
from tests.dense import crossed

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.workflows import RunStatus, Step, StepState

NOWHERE = "http://127.0.0.1:9"
KINDS = {
    "api": lambda **said: ub.APINode(NOWHERE, **said),
    "api that posts": lambda **said: ub.APINode(NOWHERE, "POST", **said),
    "database": lambda **said: ub.DatabaseNode("sqlite+aiosqlite://", **said),
    "agent": lambda **said: ub.AgentNode(knowledge={"Egypt": "pyramids"}, **said),
    "stream": ub.StreamNode,
    "function": lambda **said: ub.protect("rates", **{"effects": "none", **said})(lambda: 7).node,
    "cache": lambda **said: ub.CacheNode(**said).node,
}
SAID = [
    {},
    {"effects": "none"},
    {"effects": "idempotent"},
    {"fallback": lambda failure: "as usual"},
]


@pytest.fixture(params=KINDS)
def make(request):
    """Return what makes a node of each kind."""
    return KINDS[request.param]


class Till:
    """Take money in the stage's colour, by a call that is declared, and give it back."""

    def __init__(self, stage):
        self.stage, self.taken, self.given_back = stage, 0, 0
        protect = ub.protect("charge", effects="once")

        async def charge():
            self.taken += 1

        async def pay(ctx):
            await charged()
            raise RuntimeError("the mail server is down")

        def charge_sync():
            self.taken += 1

        def pay_sync(ctx):
            charged()
            raise RuntimeError("the mail server is down")

        charged = protect(charge if stage.is_async else charge_sync)
        self.pay = pay if stage.is_async else pay_sync

    def refund(self, ctx):
        self.given_back += 1


@pytest.mark.parametrize(("kind", "said"), crossed(KINDS, SAID))
def test_a_payment_in_a_step_is_made_once_and_undone(stage, kind, said):
    """The step ends as it does without a node of its own, whatever that node does itself."""
    till = Till(stage)
    result = stage.run(stage.orchestrator(), [Step("pay", till.pay, compensate=till.refund, node=KINDS[kind](**said))])

    assert (1, 1) == (till.taken, till.given_back)
    assert (RunStatus.COMPENSATED, {"pay": StepState.UNDONE}) == (result.status, result.ledger)


@pytest.mark.parametrize(("kind", "said"), crossed(KINDS, [*SAID, {"schema": dict}, {"verify": lambda answer: False}]))
def test_a_steps_result_is_the_steps(stage, kind, said):
    """What the node's own answers look like, and what stands in for them, is not said of the step's."""
    steps = [stage.step("a", value="A", node=KINDS[kind](**said)), stage.step("b", "a", fails=[ValueError("no")] * 3)]
    result = stage.run(stage.orchestrator(), steps)

    assert ({"a": "A"}, True) == (stage.contexts["b"].results, stage.contexts["undo a"].state["certain"])
    assert {"a": "undone", "b": "undone"} == result.ledger


@pytest.mark.parametrize(("kind", "said"), crossed(KINDS, SAID))
def test_a_step_of_which_nothing_is_known_is_not_begun_again(async_stage, leave, kind, said):
    """That the node itself only reads does not allow to pay again where the process died over a payment."""
    steps = [async_stage.step("pay", seconds=9.0, node=KINDS[kind](**said))]
    second = leave(steps, 2.0)
    result = async_stage.run(second, steps, run_id="r")

    assert ["undo pay", "undo pay done"] == async_stage.heard()
    assert (RunStatus.COMPENSATED, False) == (result.status, async_stage.contexts["undo pay"].state["certain"])


def test_what_the_operation_says_of_itself_holds_on_any_node(async_stage, leave, make):
    """Who protects the function declares what may be done with it."""

    @ub.protect("pay", effects="idempotent")
    async def pay(ctx):
        async_stage.note("pay")
        await ASYNCIO.sleep(9.0)

    steps = [Step("pay", pay, node=make())]
    second = leave(steps, 2.0)

    assert async_stage.run(second, steps, run_id="r").ok


def test_a_function_that_wraps_a_declared_one_has_declared_nothing(async_stage, leave):
    """``functools.wraps`` copies what the declared one holds, and not what it has declared."""

    @ub.protect("charge", effects="idempotent")
    async def charge():
        """Be at the bank."""

    @functools.wraps(charge)
    async def pay():
        async_stage.note("pay")
        await charge()
        await ASYNCIO.sleep(9.0)

    steps = [Step("pay", pay)]
    second = leave(steps, 2.0)

    assert not async_stage.run(second, steps, run_id="r").ok


def test_an_operation_that_is_handed_to_a_node_is_nobodys_but_the_users(stage, make):
    """``execute`` repeats no payment, races none, and answers for none."""
    till, node = Till(stage), make(fallback=lambda failure: "as usual")
    outcome = asyncio.run(node.execute(till.pay)) if stage.is_async else node.execute_sync(till.pay)

    assert (1, ub.Status.FAILED) == (till.taken, outcome.status)


def test_calls_of_guests_are_the_nodes_calls(stage, make):
    """They count in its status, and meet its circuit."""
    node = make()
    stage.run(stage.orchestrator(), [stage.step("a", node=node)])
    node.breaker.force_open()
    result = stage.run(stage.orchestrator(retry=False), [stage.step("b", node=node)])

    assert 1 == node.get_status().success_count
    assert {"b": "not_begun"} == result.ledger
