"""That a loop does not advance shows in its status: liveness is that iterations end and begin."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

from unbreakable.loops import QuantumLoopEngine
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

plain = pytest.mark.parametrize("play", ["thread"], indirect=True)


def block(seconds):
    """Hold the thread that long: nothing can end it."""
    time.sleep(seconds)  # noqa: TID251 - user code


@plain
def test_an_iteration_that_nothing_can_cut_shows(play):
    """A plain operation hangs past its deadline: since when, and that it is stuck, stands in the status."""

    async def story(stage):
        def work(ctx):
            if ctx.iteration == 3:
                block(60.0)

        loop = stage.engine.create_loop(work, name="work", interval=2.0, deadline=5.0)
        loop.start()
        told = []
        for moment in (3.0, 5.0, 9.0, 9.5, 9.7, 30.0, 65.0):
            await stage.sleep(moment - stage.now())
            status = loop.get_status()
            told.append((moment, status.in_progress, status.last_run, status.next_run, status.is_stuck))
            if moment == 30.0:
                why, whole = status.stuck, json.loads(json.dumps(stage.engine.get_status().to_dict()))
        return told, why, whole

    told, why, whole = play(story)

    assert told == [
        (3.0, None, 1.0, 1.0, False),
        (5.0, 1.0, 3.0, 1.0, False),
        (9.0, 5.0, 7.0, 1.0, False),
        (9.5, 5.5, 7.5, 0.5, False),
        (9.7, pytest.approx(5.7), pytest.approx(7.7), None, True),
        (30.0, 26.0, 28.0, None, True),
        (65.0, None, 1.0, 1.0, False),
    ]
    assert why == "the iteration in progress began 26 s ago, and should have ended 20.5 s ago"
    assert (whole["stuck_loops"], whole["loops"][0]["is_stuck"], whole["loops"][0]["stuck"]) == (1, True, why)


def test_an_iteration_without_a_deadline_is_not_stuck_but_shows(play):
    """Whoever may take for ever is only told about."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(1e5)

        loop = stage.loop(work, deadline=float("inf"))
        loop.start()
        await stage.sleep(10_000.0)
        return loop.get_status()

    status = play(story)

    assert (10_000.0, None, False) == (status.in_progress, status.last_run, status.is_stuck)


def test_a_blocked_event_loop_shows_in_the_loops_that_it_carries():
    """Nobody begins what is due for three intervals: seen from another thread."""
    told = []

    async def main(engine):
        engine.create_loop(lambda: None, name="quick", interval=0.01).start()
        engine.create_loop(lambda: None, name="slow", interval=3_600.0).start()
        daily = engine.create_loop(lambda: None, name="daily", schedule="0 4 * * *")
        daily.start()
        paused = engine.create_loop(lambda: None, name="paused", interval=0.01)
        paused.start()
        paused.pause()
        await ASYNCIO.sleep(10.0)
        block(20.0)
        told.append(engine.get_status().stuck_loops)
        await ASYNCIO.sleep(1.0)
        told.append(engine.get_status().stuck_loops)
        await engine.aclose()

    def watch(engine):
        block(10.5)
        told.append([loop.name for loop in engine.get_status().loops if loop.is_stuck])
        block(10.0)
        status = engine.get_status().loops
        told.append([loop.name for loop in status if loop.is_stuck])
        told.append(status[0].stuck)

    with virtual_time():
        engine = QuantumLoopEngine()
        threading.Thread(target=watch, args=(engine,), daemon=True).start()
        asyncio.run(main(engine))

    assert told[:2] == [[], ["quick"]]
    assert told[2] == "an iteration has been due for 10.5 s, and nobody begins it: what runs the loop is held up"
    assert told[3:] == [1, 0]


def test_a_loop_that_rests_is_paused_or_waits_is_not_stuck(play):
    """What has a reason not to run is not reported, for all of an hour."""

    async def story(stage):
        async def work(ctx):
            raise OSError("down")

        resting = stage.loop(work, name="resting", interval=1.0, effects="once")
        paused = stage.loop(work, name="paused", interval=0.0)
        rare = stage.loop(work, name="rare", schedule="0 4 1 1 *")
        new = stage.loop(work, name="new")
        for loop in (resting, paused, rare):
            loop.start()
        paused.pause()
        stuck = 0
        for _ in range(400):
            await stage.sleep(9.0)
            stuck += stage.engine.get_status().stuck_loops
        paused.resume()
        return stuck, paused.get_status().is_stuck, new.get_status().is_stuck

    assert (0, False, False) == play(story)
