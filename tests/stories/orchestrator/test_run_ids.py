"""A run id names one run, for ever."""

from __future__ import annotations

import asyncio

import pytest

from unbreakable.errors import ConfigurationError, GraphError, RunInProgress
from unbreakable.runtime import ASYNCIO
from unbreakable.workflows import RunStatus


def test_a_finished_run_is_not_run_again(stage, state):
    """Its result is returned; nothing is executed."""
    orchestrator = stage.orchestrator(state=state)
    steps = [stage.step("a"), stage.step("b", "a")]
    first = stage.run(orchestrator, steps, {"n": 1}, run_id="order-17")
    stage.story.clear()
    second = stage.run(orchestrator, steps, {"n": 1}, run_id="order-17")

    assert [] == stage.story
    assert first == second


def test_an_undone_run_is_not_run_again_either(stage, state):
    """Its end is known, with the text of what made it turn back."""
    orchestrator = stage.orchestrator(state=state)
    steps = [stage.step("a", fails=[ValueError("sold out")] * 3)]
    stage.run(orchestrator, steps, run_id="order-17")
    stage.story.clear()
    again = stage.run(orchestrator, steps, run_id="order-17")

    assert [] == stage.story
    assert (RunStatus.COMPENSATED, "ValueError: sold out") == (again.status, str(again.error))


def test_finished_runs_outlive_the_process_that_ran_them(stage, tmp_path):
    """Another process on the same file gives the same answer."""
    before = stage.orchestrator(state=tmp_path)
    steps = [stage.step("a")]
    first = stage.run(before, steps, run_id="order-17", workflow="Booking")
    before.aclose_sync()

    assert first == stage.run(stage.orchestrator(state=tmp_path), [stage.step("a")], run_id="order-17")


def test_another_context_under_the_same_id_is_refused(stage, state):
    """An order must not get another order's result."""
    orchestrator = stage.orchestrator(state=state)
    stage.run(orchestrator, [stage.step("a")], {"order": 17}, run_id="r")
    with pytest.raises(ConfigurationError, match="context must be left out, or be what run 'r' was begun with"):
        stage.run(orchestrator, [stage.step("a")], {"order": 18}, run_id="r")

    assert stage.run(orchestrator, [stage.step("a")], run_id="r").ok


def test_the_same_context_with_its_keys_in_another_order_is_the_same(stage, state):
    """A client that builds its order anew is told what became of it."""
    orchestrator, steps = stage.orchestrator(state=state), [stage.step("a")]
    first = stage.run(orchestrator, steps, {"a": 1, "b": {2: "x", (3, 4): ["y", {"c": 5, "d": 6}]}}, run_id="r")
    stage.story.clear()
    again = stage.run(orchestrator, steps, {"b": {(3, 4): ["y", {"d": 6, "c": 5}], 2: "x"}, "a": 1}, run_id="r")

    assert ([], first) == (stage.story, again)


@pytest.mark.parametrize(
    "other",
    [{"n": 1.0, "at": (1,)}, {"n": True, "at": (1,)}, {"n": 1, "at": [1]}, {"n": 1, "at": (1.0,)}, {"n": 1, "at": {1}}],
    ids=repr,
)
def test_a_context_of_other_types_is_another_one(stage, tmp_path, other):
    """On record 1, 1.0 and True are three things, and so are a list, a tuple and a set."""
    orchestrator = stage.orchestrator(state=tmp_path)
    stage.run(orchestrator, [stage.step("a")], {"at": (1,), "n": 1}, run_id="r")
    with pytest.raises(ConfigurationError, match="context must be left out"):
        stage.run(orchestrator, [stage.step("a")], other, run_id="r")


def test_a_context_that_cannot_be_recorded_is_refused(stage, tmp_path):
    """The culprit is named before anything runs."""
    with pytest.raises(ConfigurationError, match=r"context\['at'\] is a object"):
        stage.run(stage.orchestrator(state=tmp_path), [stage.step("a")], {"at": object()})

    assert [] == stage.story


@pytest.mark.parametrize("run_id", ["", "two\nlines", "x" * 201, 17])
def test_an_id_that_is_no_name_is_refused(stage, run_id):
    """Ids are read by people."""
    with pytest.raises(ConfigurationError, match="run_id must be 1 to 200 printable characters"):
        stage.run(stage.orchestrator(), [stage.step("a")], run_id=run_id)


def test_drawn_ids_differ(stage):
    """Runs without a given id do not meet."""
    orchestrator = stage.orchestrator()

    assert 5 == len({stage.run(orchestrator, [stage.step("a")]).run_id for _ in range(5)})


def test_who_asks_for_a_run_at_work_waits_for_its_end(async_stage, state):
    """Two requests for the same order are one run."""
    orchestrator = async_stage.orchestrator(state=state)
    steps = [async_stage.step("a")]

    async def story():
        return await asyncio.gather(*(orchestrator.orchestrate(steps, run_id="r") for _ in range(3)))

    results = asyncio.run(story())

    assert ["a", "a done"] == async_stage.heard()
    assert results[0] is results[1] is results[2]


def test_who_waits_may_go_without_cancelling_the_run(async_stage):
    """Only who began it can turn it back."""
    orchestrator = async_stage.orchestrator()
    steps = [async_stage.step("a", seconds=5.0)]

    async def story():
        first = asyncio.ensure_future(orchestrator.orchestrate(steps, run_id="r"))
        second = asyncio.ensure_future(orchestrator.orchestrate(steps, run_id="r"))
        await ASYNCIO.sleep(1)
        second.cancel()
        return await first

    assert asyncio.run(story()).ok


def test_a_run_cannot_wait_for_itself(stage):
    """A step that orchestrates its own run is refused instead of waiting for ever."""
    orchestrator = stage.orchestrator(retry=False)

    async def inner():
        await orchestrator.orchestrate([stage.step("b")], run_id="r")

    def inner_sync():
        orchestrator.orchestrate_sync([stage.step("b")], run_id="r")

    operation = inner if stage.is_async else inner_sync
    result = stage.run(orchestrator, [{"id": "a", "operation": operation}], run_id="r")

    assert isinstance(result.error, RunInProgress)


def test_sync_code_cannot_wait_for_a_run_of_an_event_loop(async_stage):
    """It would block the very loop that carries the run."""
    orchestrator = async_stage.orchestrator()

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate([async_stage.step("a")], run_id="r"))
        await ASYNCIO.sleep(0.5)
        with pytest.raises(RunInProgress, match="run 'r' is at work already"):
            orchestrator.orchestrate_sync([async_stage.step("a")], run_id="r")
        return await run

    assert asyncio.run(story()).ok


def test_sync_code_does_not_begin_what_it_cannot_call(async_stage, state):
    """An async compensation would be found out only when it is needed."""
    orchestrator = async_stage.orchestrator(state=state)
    done = []
    steps = [{"id": "a", "operation": lambda: done.append("a"), "compensate": async_stage.act("undo a", 0.1, [], None)}]
    with pytest.raises(ConfigurationError, match=r"^steps\[0\].compensate must be a plain function"):
        orchestrator.orchestrate_sync(steps, run_id="r")

    assert ([], ()) == (done, orchestrator.pending())


def test_a_run_whose_event_loop_was_closed_under_it_can_be_gone_on_with(async_stage, state):
    """Nobody carries it any more: it is pending, not at work for ever."""
    orchestrator = async_stage.orchestrator(state=state, effects="idempotent")
    loop = asyncio.new_event_loop()
    run = loop.create_task(orchestrator.orchestrate([async_stage.step("a")], run_id="r"))
    loop.run_until_complete(ASYNCIO.sleep(0.5))
    loop.close()

    assert ["r"] == [left.run_id for left in orchestrator.pending()]
    assert 0 == orchestrator.get_status().in_flight
    assert async_stage.run(orchestrator, [async_stage.step("a")], run_id="r").ok
    assert not run.done()


@pytest.mark.parametrize("workflow", ["", 7, "caf\udce9"])
def test_a_workflow_that_is_no_name_is_refused(stage, workflow, tmp_path):
    """It is refused before anything is recorded."""
    orchestrator = stage.orchestrator(state=tmp_path)
    with pytest.raises(ConfigurationError, match="workflow must be 1 to 200 printable characters"):
        stage.run(orchestrator, [stage.step("a")], workflow=workflow)

    assert [] == stage.story


def test_a_run_at_work_is_not_pending(async_stage, state):
    """Only what nobody carries is listed."""
    orchestrator = async_stage.orchestrator(state=state)

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate([async_stage.step("a")], run_id="r"))
        await ASYNCIO.sleep(0.5)
        pending, status = orchestrator.pending(), orchestrator.get_status()
        await run
        return pending, status.in_flight

    assert ((), 1) == asyncio.run(story())
    assert 0 == orchestrator.get_status().in_flight


def test_the_id_of_a_run_at_work_with_another_context_or_other_steps_is_refused(async_stage, state):
    """As it is a moment later: nobody is told that his order was carried out when another one was."""
    orchestrator = async_stage.orchestrator(state=state)
    steps, others = [async_stage.step("charge")], [async_stage.step("refund")]

    async def story():
        first = asyncio.ensure_future(orchestrator.orchestrate(steps, {"amount": 5}, run_id="r"))
        await ASYNCIO.sleep(0.5)
        with pytest.raises(ConfigurationError, match="context must be left out"):
            await orchestrator.orchestrate(steps, {"amount": 500}, run_id="r")
        with pytest.raises(GraphError, match="was begun with other steps"):
            await orchestrator.orchestrate(others, {"amount": 5}, run_id="r")
        same = await asyncio.gather(
            first,
            orchestrator.orchestrate(steps, run_id="r"),
            orchestrator.orchestrate(steps, {"amount": 5}, run_id="r"),
        )
        return [result.status for result in same]

    assert [RunStatus.COMMITTED] * 3 == asyncio.run(story())
    assert ["charge", "charge done"] == async_stage.heard()
