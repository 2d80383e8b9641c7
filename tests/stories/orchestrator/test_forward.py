"""Steps run as soon as what they need is done."""

from __future__ import annotations

import pytest

from unbreakable.errors import ConfigurationError, GraphError
from unbreakable.events import Event
from unbreakable.fractal import FractalNode
from unbreakable.workflows import RunStatus, Step, StepState
from unbreakable.workflows.events import RunFinished, RunStarted, StepDone

pytestmark = pytest.mark.usefixtures("looks_take_no_time")


def diamond(stage, **settings):
    return [
        stage.step("search", seconds=1.0, **settings),
        stage.step("flight", "search", seconds=2.0),
        stage.step("hotel", "search", seconds=3.0),
        stage.step("pay", "flight", "hotel", seconds=1.0),
    ]


def test_independent_steps_run_side_by_side(stage, state):
    """The whole takes as long as its longest path, in both colours, in memory and on file."""
    result = stage.run(stage.orchestrator(state=state), diamond(stage))

    assert RunStatus.COMMITTED == result.status
    assert {"search": "SEARCH", "flight": "FLIGHT", "hotel": "HOTEL", "pay": "PAY"} == result.results
    assert {StepState.DONE} == set(result.ledger.values())
    assert [(0, "search"), (1, "search done")] == stage.story[:2]
    assert {(1, "flight"), (1, "hotel")} == set(stage.story[2:4])
    assert [(3, "flight done"), (4, "hotel done"), (4, "pay"), (5, "pay done")] == stage.story[4:]


def test_a_slow_sibling_holds_up_nobody_else(stage):
    """There is no barrier between rounds of steps."""
    steps = [stage.step("a"), stage.step("slow", seconds=10.0), stage.step("b", "a"), stage.step("c", "b")]
    stage.run(stage.orchestrator(), steps)

    assert (3, "c done") in stage.story


def test_the_limit_bounds_what_runs_at_once(stage):
    """One at a time is a queue."""
    result = stage.run(stage.orchestrator(concurrency_limit=1), [stage.step("a"), stage.step("b"), stage.step("c")])

    assert ["a", "a done", "b", "b done", "c", "c done"] == stage.heard()
    assert result.ok


def test_a_step_knows_what_it_needs_to_know(stage, state):
    """Its context has the input, the results of what came before it, and a key that stays the same."""
    stage.run(stage.orchestrator(state=state), [*diamond(stage), stage.step("alone")], {"city": "CAI"}, run_id="r-17")
    pay, alone = stage.contexts["pay"], stage.contexts["alone"]

    assert {"city": "CAI"} == pay.input
    assert {"search": "SEARCH", "flight": "FLIGHT", "hotel": "HOTEL"} == pay.results
    assert {} == alone.results
    assert "r-17:pay" == pay.idempotency_key
    assert {"run_id": "r-17", "step": "pay", "step_key": "r-17:pay"} == pay.state


def test_steps_are_tried_again_by_their_nodes(stage):
    """A dropped answer is healed within the step; every attempt has the same key."""
    keys = []
    step = stage.step("a", fails=[ConnectionResetError("reset")])
    stage.run(stage.orchestrator(), [Step("a", lambda ctx: keys.append(ctx.idempotency_key) or step.operation(ctx))])

    assert ["a", "a", "a done"] == stage.heard()
    assert 2 == len(keys)
    assert 1 == len(set(keys))


def test_steps_may_be_written_as_dictionaries(stage):
    """The founding document's form runs as it is."""
    steps = [
        {"id": "step1", "name": "Search", "operation": stage.step("one").operation},
        {"id": "step2", "name": "Book", "operation": lambda: "booked"},
    ]
    result = stage.run(stage.orchestrator(), {"steps": steps})

    assert {"step1": "ONE", "step2": "booked"} == result.unwrap()


def test_a_step_may_bring_its_own_node(stage):
    """Its statistics are the node's."""
    node = FractalNode("payments")
    stage.run(stage.orchestrator(), [stage.step("pay", node=node)])

    assert 1 == node.get_status().total_executions


def test_an_attempt_is_cut_at_the_steps_timeout(stage):
    """What is cut is not repeated when nobody knows what it did."""
    result = stage.run(stage.orchestrator(), [stage.step("a", seconds=100.0, timeout=2.0)])

    assert RunStatus.COMPENSATED == result.status
    assert [(0, "a"), (2, "undo a")] == [entry for entry in stage.story if "done" not in entry[1]]


def test_events_tell_the_run(stage, state):
    """Who listens hears each step once it is on record."""
    orchestrator = stage.orchestrator(state=state)
    told = stage.events(orchestrator)
    stage.run(orchestrator, [stage.step("a"), stage.step("b", "a")], run_id="r", workflow="Booking")

    assert [RunStarted, StepDone, StepDone, RunFinished] == list(map(type, told))
    assert ("r", "Booking", False) == (told[0].run_id, told[0].workflow, told[0].resumed)
    assert ["a", "b"] == [event.step for event in told[1:3]]
    assert "committed" == told[3].status


def test_listeners_hear_the_steps_nodes_too(stage):
    """Also those that are made later."""
    orchestrator, names = stage.orchestrator(), set()
    orchestrator.on(Event, lambda event: names.add(event.node))
    stage.run(orchestrator, [stage.step("a")])

    assert {"orchestrator", "orchestrator.a"} == names


def test_the_status_counts_what_became_of_runs(stage):
    """One number for each way to end."""
    orchestrator = stage.orchestrator(4, name="booking")
    stage.run(orchestrator, [stage.step("a")])
    stage.run(orchestrator, [stage.step("b", fails=[ValueError("no")] * 3)])
    status = orchestrator.get_status()

    assert ("booking", 4, 0) == (status.name, status.concurrency_limit, status.in_flight)
    assert {"committed": 1, "compensated": 1, "needs_attention": 0} == status.runs
    assert 3 == status.to_dict()["node"]["total_executions"]


def test_the_result_is_json_ready(stage):
    """A result can be logged as it is."""
    result = stage.run(stage.orchestrator(), [stage.step("a")], run_id="r")

    assert {
        "run_id": "r",
        "workflow": "workflow",
        "status": "committed",
        "results": {"a": "A"},
        "ledger": {"a": "done"},
        "error": None,
    } == result.to_dict()


@pytest.mark.parametrize("limit", [0, -1, 2.5, "many", True, None])
def test_a_wrong_limit_is_refused_when_it_is_set(limit):
    """The message says what was expected."""
    from unbreakable.nodes import OrchestratorNode

    with pytest.raises(ConfigurationError, match="concurrency_limit"):
        OrchestratorNode(limit)


def test_wrong_steps_are_refused_before_anything_runs(stage, state):
    """A cycle in the middle does not leave the beginning done."""
    orchestrator = stage.orchestrator(state=state)
    with pytest.raises(GraphError, match="cycle"):
        stage.run(orchestrator, [stage.step("a"), stage.step("b", "c"), stage.step("c", "b")])

    assert [] == stage.story
    assert () == orchestrator.pending()


def test_what_a_step_changes_in_what_it_is_given_changes_nothing_on_record(stage, state):
    """Neither the context nor the results of others, for whoever comes after it and whoever asks for the run again."""
    seen, given = [], {"cart": ["book"]}

    def change(ctx):
        ctx.input["cart"].append("pen")
        ctx.results.get("a", {})["n"] = 99
        return {"n": 1}

    def look(ctx):
        seen.append((ctx.input, dict(ctx.results)))

    steps = [
        Step("a", in_colour(stage, change)),
        Step("b", in_colour(stage, change)),
        Step("c", in_colour(stage, look)),
    ]
    orchestrator = stage.orchestrator(state=state)
    first = stage.run(orchestrator, steps, given, run_id="r")
    first.results["a"]["n"] = 7
    again = stage.run(orchestrator, steps, {"cart": ["book"]}, run_id="r")

    assert [({"cart": ["book"]}, {"a": {"n": 1}, "b": {"n": 1}})] == seen
    assert ({"a": {"n": 1}, "b": {"n": 1}, "c": None}, {"cart": ["book"]}) == (again.results, given)


def in_colour(stage, work):
    async def awaited(ctx):
        return work(ctx)

    return awaited if stage.is_async else work
