"""Whoever cancels a run gets it undone, and nothing interrupts an undo."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

import unbreakable as ub
from unbreakable.errors import RunCancelled
from unbreakable.runtime import ASYNCIO
from unbreakable.workflows import RunStatus, Step


def two_steps(stage, **settings):
    return [stage.step("a"), stage.step("b", "a", seconds=10.0, **settings)]


def test_cancelling_cuts_what_runs_and_undoes_it(async_stage, state):
    """The caller gets its CancelledError when everything is undone."""
    orchestrator = async_stage.orchestrator(state=state)

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(two_steps(async_stage), run_id="r"))
        await ASYNCIO.sleep(3)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        async_stage.note("cancelled")
        return await orchestrator.orchestrate(two_steps(async_stage), run_id="r")

    result = asyncio.run(story())

    assert [(3, "undo b"), (3.1, "undo b done"), (3.1, "undo a"), (3.2, "undo a done")] == async_stage.story[3:7]
    assert [(3.2, "cancelled")] == async_stage.story[7:]
    assert RunStatus.COMPENSATED == result.status
    assert "RunCancelled: run 'r' was cancelled" in str(result.error)
    assert not async_stage.contexts["undo b"].state["certain"]
    assert async_stage.contexts["undo a"].state["certain"]


def test_a_time_limit_around_a_run_undoes_it(async_stage):
    """Giving up in asyncio's own way is a cancellation."""
    orchestrator = async_stage.orchestrator()

    async def story():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await orchestrator.orchestrate(two_steps(async_stage))

    asyncio.run(story())

    assert (2.2, "undo a done") == async_stage.story[-1]


def test_cancelling_twice_does_not_interrupt_the_undo(async_stage):
    """The caller waits for it as after the first time, for a time limit around another one cancels twice."""
    orchestrator = async_stage.orchestrator()

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(two_steps(async_stage)))
        await ASYNCIO.sleep(2)
        run.cancel()
        await ASYNCIO.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        async_stage.note("gone")
        await orchestrator.aclose()

    asyncio.run(story())

    assert [(2.1, "undo b done"), (2.1, "undo a"), (2.2, "undo a done"), (2.2, "gone")] == async_stage.story[-4:]


def test_two_time_limits_around_a_run_undo_it(async_stage):
    """Each of them gets its own TimeoutError in the end, and the undo its time."""
    orchestrator = async_stage.orchestrator()

    async def story():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.15), asyncio.timeout(2):
                await orchestrator.orchestrate(two_steps(async_stage))
        assert not asyncio.current_task().cancelling()

    asyncio.run(story())

    assert (2.2, "undo a done") == async_stage.story[-1]


def test_grace_bounds_how_long_a_cancelled_caller_waits(async_stage):
    """A compensation that takes for ever does not hold the caller; it is not cut either."""
    orchestrator = async_stage.orchestrator(grace=5.0)
    steps = [stage_step_with_slow_undo(async_stage), async_stage.step("b", "a", seconds=10.0, undo=False)]

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(steps))
        await ASYNCIO.sleep(2)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        async_stage.note("gone")
        await ASYNCIO.sleep(30)

    asyncio.run(story())

    assert [(2, "undo a"), (7, "gone"), (22, "undo a done")] == async_stage.story[-3:]


def stage_step_with_slow_undo(stage):
    return Step("a", stage.act("a", 1.0, [], 1), depends_on=[], compensate=stage.act("undo a", 20.0, [], None))


def test_a_run_that_is_past_the_pivot_is_finished(async_stage):
    """A cancellation that comes too late only makes the caller go."""
    orchestrator = async_stage.orchestrator()
    steps = [
        async_stage.step("pay", undo=False, kind="pivot"),
        async_stage.step("mail", "pay", undo=False, kind="retriable", seconds=3.0),
    ]

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(steps))
        await ASYNCIO.sleep(2)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(story())

    assert [(4, "mail done")] == async_stage.story[-1:]
    assert 1 == orchestrator.get_status().runs["committed"]


def test_a_run_cancelled_before_its_first_step_began_does_nothing(async_stage, state):
    """What never began is not undone."""
    orchestrator = async_stage.orchestrator(state=state)

    async def story():
        run = asyncio.ensure_future(orchestrator.orchestrate(two_steps(async_stage), run_id="r"))
        await ASYNCIO.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return await orchestrator.orchestrate(two_steps(async_stage), run_id="r")

    result = asyncio.run(story())

    assert [] == async_stage.story
    assert {"a": "not_begun", "b": "not_begun"} == result.ledger


def test_a_deadline_for_the_whole_run_turns_it_back(stage):
    """When it passes, the step is cut or refused, and the undo has all the time that it needs."""
    steps = [stage.step("a", seconds=4.0), *(stage.step(id, last, seconds=4.0) for last, id in ("ab", "bc", "cd"))]
    result = stage.run(stage.orchestrator(deadline=10.0), steps)

    assert RunStatus.COMPENSATED == result.status
    assert isinstance(result.error, ub.errors.DeadlineExceeded)
    assert "undo a done" == stage.heard()[-1]


def test_a_run_that_is_begun_while_an_error_is_handled_has_no_more_time(stage):
    """What is handled outside is no clean-up of the run: a step whose time is over is not begun."""
    steps = [stage.step("a", seconds=4.0), *(stage.step(id, last, seconds=4.0) for last, id in ("ab", "bc", "cd"))]
    try:
        raise FileNotFoundError("what the run is a backup for")
    except FileNotFoundError:
        result = stage.run(stage.orchestrator(deadline=10.0), steps)

    assert RunStatus.COMPENSATED == result.status
    assert "d" not in stage.heard()


def test_an_undo_may_take_longer_than_a_run(stage):
    """The deadline is for going forward."""
    steps = [stage_step_with_slow_undo(stage), stage.step("b", "a", fails=[ValueError("no")] * 3)]
    stage.run(stage.orchestrator(deadline=5.0), steps)

    assert ["undo a", "undo a done"] == stage.heard()[-2:]


def test_the_deadline_of_a_run_is_no_fault_of_the_step_that_it_meets(async_stage):
    """Its circuit stays closed: the time that it was left is not what it was meant to have."""
    stage = async_stage
    orchestrator = stage.orchestrator(deadline=3.0, breaker=ub.CircuitBreaker(1))
    result = stage.run(orchestrator, [stage.step("a", seconds=2.0), stage.step("b", "a", seconds=90.0)])

    assert RunStatus.COMPENSATED is result.status
    assert [ub.State.CLOSED] * 2 == [child.breaker.state for child in orchestrator.node.children[:2]]


def test_past_the_pivot_no_deadline_counts(stage):
    """What only goes forward is given the time that it takes."""
    steps = [
        stage.step("pay", undo=False, kind="pivot", seconds=9.0),
        stage.step("mail", "pay", undo=False, kind="retriable", seconds=5.0),
        stage.step("file", "mail", undo=False, kind="retriable", seconds=5.0),
    ]
    orchestrator = stage.orchestrator(deadline=10.0)
    result = stage.run(orchestrator, steps)

    assert RunStatus.COMMITTED == result.status
    assert ["mail", "mail done", "file", "file done"] == stage.heard()[2:]


def test_a_run_inside_a_protected_call_has_its_deadline(async_stage):
    """Time that the caller does not have is not spent; undoing takes what it takes."""
    orchestrator = async_stage.orchestrator()

    @ub.protect("door", deadline=3.0, retry=False)
    async def door():
        return await orchestrator.orchestrate(two_steps(async_stage))

    outcome = asyncio.run(door.outcome())

    assert "undo a done" == async_stage.heard()[-1]
    assert {"compensated": 1, "committed": 0, "needs_attention": 0} == orchestrator.get_status().runs
    assert outcome.elapsed < 4


# ── people who interrupt ────────────────────────────────────────────────────────────────────────────────────────────


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)  # which the system gives to the main thread


def leave(number, frame):
    sys.exit(3)


def test_an_interrupt_in_a_step_is_raised_when_everything_is_undone(stage, state):
    """Ctrl-C is no reason to leave half a booking behind."""
    orchestrator = stage.orchestrator(state=state)
    steps = [stage.step("a"), stage.step("b", "a", fails=[press_ctrl_c])]
    with pytest.raises(KeyboardInterrupt):
        stage.run(orchestrator, steps, run_id="r")

    assert ["undo b", "undo b done", "undo a", "undo a done"] == stage.heard()[-4:]
    assert RunStatus.COMPENSATED == stage.run(orchestrator, steps, run_id="r").status


def test_the_first_interrupt_in_a_compensation_is_raised_when_everything_is_undone(sync_stage, state):
    """It is no reason to leave half a booking behind, either: without a state nobody would go on with it."""
    stage = sync_stage
    orchestrator = stage.orchestrator(state=state)
    steps = [stage.step("a", undo_fails=[press_ctrl_c]), stage.step("b", "a", fails=[ValueError()] * 3)]
    with pytest.raises(KeyboardInterrupt):
        stage.run(orchestrator, steps, run_id="r")

    assert ["undo b done", "undo a", "undo a", "undo a done"] == stage.heard()[-4:]
    assert not orchestrator.pending()


def test_the_second_interrupt_leaves_the_run_to_its_journal(sync_stage, state):
    """Whoever insists gets out at once; the run can be gone on with."""
    stage = sync_stage
    orchestrator = stage.orchestrator(state=state)
    steps = [stage.step("a", undo_fails=[press_ctrl_c] * 2), stage.step("b", "a", fails=[ValueError()] * 3)]
    with pytest.raises(KeyboardInterrupt):
        stage.run(orchestrator, steps, run_id="r")
    (pending,) = orchestrator.pending()

    assert (True, {"a": "done", "b": "undone"}) == (pending.turned_back, pending.ledger)
    stage.story.clear()
    assert RunStatus.COMPENSATED == stage.run(orchestrator, steps, run_id="r").status
    assert ["undo a", "undo a done"] == stage.heard()


def test_an_interrupt_in_a_compensation_waits_for_it_on_an_event_loop(async_stage):
    """There Ctrl-C is a cancellation, and nothing interrupts an undo."""
    steps = [async_stage.step("a", undo_fails=[press_ctrl_c]), async_stage.step("b", "a", fails=[ValueError()] * 3)]
    with pytest.raises(KeyboardInterrupt):
        async_stage.run(async_stage.orchestrator(), steps)

    assert "undo a done" == async_stage.heard()[-1]


def test_what_is_at_work_beside_an_interrupt_is_undone_too(async_stage):
    """As with any cancellation."""
    steps = [async_stage.step("a", fails=[press_ctrl_c]), async_stage.step("b", seconds=5.0)]
    with pytest.raises(KeyboardInterrupt):
        async_stage.run(async_stage.orchestrator(), steps)

    assert {"undo a done", "undo b done"} <= set(async_stage.heard())


def test_steps_in_threads_are_waited_for_after_a_failure(stage):
    """A thread cannot be cut; what it did is undone when it ended."""
    steps = [stage.step("a", fails=[SystemExit(3)]), stage.step("b", seconds=5.0)]
    result = stage.run(stage.orchestrator(retry=False), steps)

    assert RunStatus.COMPENSATED == result.status
    assert {"undo a done", "undo b done"} <= set(stage.heard())


def test_a_signal_that_ends_the_program_undoes_the_run_first(sync_stage):
    """What its handler raises is not the step's own, whoever was at work."""
    before = signal.signal(signal.SIGTERM, leave)
    try:
        steps = [sync_stage.step("a", fails=[lambda: signal.raise_signal(signal.SIGTERM)])]
        with pytest.raises(SystemExit):
            sync_stage.run(sync_stage.orchestrator(), steps)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert ["undo a", "undo a done"] == sync_stage.heard()[-2:]


def test_the_error_of_a_cancelled_run_says_so(async_stage):
    """Whoever waits for the same run learns why it was undone."""
    orchestrator = async_stage.orchestrator()

    async def story():
        first = asyncio.ensure_future(orchestrator.orchestrate(two_steps(async_stage), run_id="r"))
        second = asyncio.ensure_future(orchestrator.orchestrate(two_steps(async_stage), run_id="r"))
        await ASYNCIO.sleep(2)
        first.cancel()
        return await second

    result = asyncio.run(story())

    assert RunStatus.COMPENSATED == result.status
    assert isinstance(result.error, RunCancelled)


def test_what_the_end_of_the_event_loop_cuts_is_told(async_stage, state, caplog):
    """A warning names what is left if no state file knows of it; in this process it can be taken up in any case."""
    orchestrator = async_stage.orchestrator(state=state)
    runs = []

    async def story():
        runs.append(asyncio.ensure_future(orchestrator.orchestrate(two_steps(async_stage), run_id="r")))
        await ASYNCIO.sleep(3)

    asyncio.run(story())

    told = [record.getMessage() for record in caplog.records if record.name == "unbreakable"]
    assert ["run 'r' was cut by the end of its event loop, and not undone: a, b"] * (state is None) == [
        message.partition(";")[0] for message in told
    ]
    assert ["r"] == [run.run_id for run in orchestrator.pending()]
