"""What a loop tells of trouble that it healed."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub
from unbreakable.lock import holds_a_lock
from unbreakable.loops.events import IterationEnded, RungTried, TicksEnded


def test_healed_trouble_is_told(play):
    """Every third call fails and is repeated within its iteration: no iteration failed, and what was healed is told."""

    async def story(stage):
        calls = []

        async def work(ctx):
            calls.append(1)
            if len(calls) % 3 == 0:
                raise RuntimeError("third")

        loop = stage.loop(work, interval=1.0, max_iterations=9)
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)
    assert (1.0, 1.0) == (status.performance.success_rate, status.performance.heal_rate)
    assert "RuntimeError: third" == status.last_error
    assert (4, 4) == status.healing.known_remedy == status.healing["known_remedy"]


def test_the_rungs_are_a_mapping_too():
    """The rungs may be asked for by name, and counted over."""
    healing = ub.QuantumLoopEngine().create_loop(lambda: 1).get_status().healing

    assert (0, 0) == healing["survival_mode"]
    assert {"known_remedy", "adaptive_backoff", "safe_state_reset", "quantum_refresh", "survival_mode"} == set(healing)
    with pytest.raises(KeyError):
        healing["get"]


def test_states_are_words():
    """A state may be compared with its word, as the documents write it."""
    loop = ub.QuantumLoopEngine().create_loop(lambda: 1)

    assert "new" == loop.state == ub.LoopState.NEW
    assert "closed" == ub.FractalNode("n").breaker.state == ub.State.CLOSED


@pytest.mark.parametrize(("given", "kept"), [(5.0, 5.0), (5, 5.0), (math.inf, math.inf), (None, math.inf)])
def test_iterations_may_be_counted_in_whole_floats(given, kept):
    """Since ``math.inf`` is a float, 5.0 is as good as 5."""
    assert kept == ub.QuantumLoopEngine().create_loop(lambda: 1, max_iterations=given).max_iterations


def test_a_workflow_s_runs_are_asked_for_either_way():
    """``runs`` has attributes and items."""
    with ub.QuantumSystem() as system:
        workflow = system.create_quantum_workflow_sync("trip", workflow=[ub.Step("one", lambda: 1)])
        workflow.run_once_sync()
        runs = workflow.get_status().runs

    assert (1, 1, 0) == (runs.committed, runs["committed"], runs.needs_attention)
    assert {"committed": 1, "compensated": 0, "needs_attention": 0} == runs == dict(runs)


def test_who_is_told_of_it_may_ask_for_the_end_of_other_loops(play):
    """No lock is held meanwhile, which whoever waits in plain code would be refused for."""

    async def story(stage):
        async def work(ctx):
            raise ValueError("broken")

        held = []
        loop = stage.loop(work, interval=1.0, effects="once")
        loop.node.on(RungTried, lambda event: held.append(holds_a_lock()))
        loop.start()
        await stage.sleep(60.0)
        await stage.stop(loop)
        return held

    held = play(story)

    assert held
    assert not any(held)


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError])
def test_a_listener_that_raises_whatever_it_may_be_is_dropped(play, error):
    """The result of a future that was cancelled, say: that is no ordinary exception, and cost a second each time."""

    async def story(stage):
        def listen(event):
            heard.append(event.number)
            raise error

        async def work(ctx):
            pass

        heard = []
        loop = stage.loop(work, interval=0.125)
        loop.node.on(IterationEnded, listen)
        loop.start()
        await stage.sleep(9.9)
        await stage.stop(loop)
        return heard, loop.get_status().ledger

    heard, ledger = play(story)

    assert [1] == heard
    assert ledger.run >= 70


def test_a_thousand_ticks_that_wait_are_told_when_the_loop_ends(play):
    """What was done just before that is told, too."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(1_100.0)

        told = []
        loop = stage.loop(work, interval=1.0, overlap="buffer_all", deadline=math.inf)
        loop.node.on(TicksEnded, lambda event: told.append(event.last - event.first + 1))
        loop.start()
        await stage.sleep(1_050.0)
        await stage.stop(loop, grace=100.0)
        return sum(told), loop.get_status().ledger

    told, ledger = play(story)

    assert ledger.dropped > 1_000
    assert told == ledger.total
