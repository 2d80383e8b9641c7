"""Whatever a step raises, even what ends a program or a task, is a failure of that step and of nobody else."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import RunUnfinished, StrayExit
from unbreakable.nodes import OrchestratorNode
from unbreakable.runtime import ASYNCIO
from unbreakable.workflows import RunStatus, Step


class Odd(BaseException):
    """No Exception."""


STRAYS = [GeneratorExit, SystemExit, KeyboardInterrupt, asyncio.CancelledError, Odd]


@pytest.mark.parametrize("stray", STRAYS)
def test_a_step_that_raises_what_is_no_exception_has_failed(stage, state, stray):
    """The run is undone and says what it was; nothing hangs, and no event loop ends."""
    steps = [stage.step("a"), stage.step("b", "a", fails=[stray()] * 9)]
    result = stage.run(stage.orchestrator(state=state, retry=False), steps, run_id="r")

    assert RunStatus.COMPENSATED == result.status
    assert isinstance(result.error, StrayExit)
    assert isinstance(result.error.__cause__, stray)
    assert ["undo b", "undo b done", "undo a", "undo a done"] == stage.heard()[-4:]


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_beside_others_is_told_too(stage, stray):
    """Where each step has a thread, or a task, of its own."""
    steps = [stage.step("a"), stage.step("b", fails=[stray()] * 9)]
    result = stage.run(stage.orchestrator(retry=False), steps)

    assert RunStatus.COMPENSATED == result.status


@pytest.mark.parametrize("stray", STRAYS)
def test_a_compensation_that_raises_what_is_no_exception_has_failed(stage, state, stray):
    """It is tried again, and when that does not help a person is asked for; who shares the event loop goes on."""
    steps = [stage.step("a", undo_fails=[stray()] * 99), stage.step("b", "a", fails=[ValueError()] * 9)]
    result = stage.run(stage.orchestrator(state=state), steps)

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert "undo_failed" == result.ledger["a"]
    assert 8 == stage.heard().count("undo a")


@pytest.mark.parametrize("stray", STRAYS)
def test_a_compensation_that_raised_a_stray_once_is_tried_again(stage, stray):
    """The second try undoes it."""
    steps = [stage.step("a", undo_fails=[stray()]), stage.step("b", "a", fails=[ValueError()] * 9)]

    assert RunStatus.COMPENSATED == stage.run(stage.orchestrator(), steps).status


def test_whoever_cancels_what_a_step_waits_for_has_not_cancelled_the_caller(async_stage):
    """The step has failed; the caller is told so by the result."""

    async def story():
        shared = asyncio.ensure_future(ASYNCIO.sleep(10))

        async def wait(ctx):
            return await shared

        asyncio.get_running_loop().call_later(1, shared.cancel)
        return await async_stage.orchestrator().orchestrate([Step("a", wait)])

    result = asyncio.run(story())

    assert RunStatus.COMPENSATED == result.status
    assert isinstance(result.error, StrayExit)


def test_a_plain_function_may_return_what_raises_a_stray(async_stage):
    """What it returns is awaited under the same guard."""

    async def end():
        raise GeneratorExit

    async def story():
        return await async_stage.orchestrator(retry=False).orchestrate([Step("a", lambda ctx: end())])

    assert isinstance(asyncio.run(story()).error, StrayExit)


def test_a_fallback_that_raises_a_stray_hangs_nobody(stage):
    """Its step has failed as well."""

    def fall(failure):
        raise GeneratorExit

    steps = [stage.step("a", fails=[ValueError()])]
    result = stage.run(stage.orchestrator(retry=False, fallback=fall), steps)

    assert (RunStatus.COMPENSATED, StrayExit) == (result.status, type(result.error))
    assert "undo a done" == stage.heard()[-1]


def test_a_step_that_cancels_its_own_task_has_not_cancelled_the_caller(async_stage):
    """It was cut by nobody else."""

    async def story():
        async def give_up(ctx):
            asyncio.current_task().cancel()
            await ASYNCIO.sleep(1)

        return await async_stage.orchestrator().orchestrate([Step("a", give_up)])

    result = asyncio.run(story())

    assert (RunStatus.COMPENSATED, StrayExit) == (result.status, type(result.error))


def test_a_workflow_whose_step_raises_generator_exit_goes_on(async_stage):
    """Its loop has had a failed iteration."""

    async def leave(ctx):
        raise GeneratorExit

    async def story():
        async with ub.QuantumSystem() as system:
            workflow = await system.create_quantum_workflow(
                name="w", interval=1.0, workflow={"steps": [{"id": "a", "operation": leave}]}
            )
            result = await workflow.run_once()
            return result.status

    assert RunStatus.COMPENSATED == asyncio.run(story())


# ── closed under it ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_waits_for_a_run_that_is_left_at_closing_is_told(async_stage, state):
    """By an error that says so: nobody cancelled the callers."""

    async def story():
        orchestrator = OrchestratorNode(state=state, grace=2.0)
        steps = [async_stage.step("a", seconds=100.0)]
        both = [asyncio.ensure_future(orchestrator.orchestrate(steps, run_id="r")) for _ in range(2)]
        await ASYNCIO.sleep(1)
        await orchestrator.aclose()
        ends = await asyncio.gather(*both, return_exceptions=True)
        pending = [run.run_id for run in orchestrator.pending()]
        await orchestrator.aclose()
        return ends, pending

    ends, pending = asyncio.run(story())

    assert [RunUnfinished, RunUnfinished] == [type(end) for end in ends]
    assert "run 'r' was left unfinished: 'orchestrator' was closed" in str(ends[0])
    assert ([] if state is None else ["r"]) == pending


def test_a_caller_who_is_cancelled_as_the_orchestrator_is_closed_is_cancelled(async_stage):
    """Its own cancellation is what it gets."""

    async def story():
        orchestrator = OrchestratorNode(grace=0.0)
        run = asyncio.ensure_future(orchestrator.orchestrate([async_stage.step("a", seconds=100.0)]))
        await ASYNCIO.sleep(1)
        run.cancel()
        await orchestrator.aclose()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(story())
