"""A loop that fails for long survives, and is itself again as soon as it can be."""

from __future__ import annotations

import gc
import json
import weakref

import pytest
from tests.dense import DENSE, most

from unbreakable.loops.events import SurvivalEntered, SurvivalLeft


def down_until(stage, iteration, **settings):
    """Return a loop that fails up to that iteration, and the moments at which it ran."""
    moments = []

    async def work(ctx):
        moments.append(stage.now())
        if ctx.iteration <= iteration:
            raise ConnectionError("down")

    return stage.loop(work, **{"effects": "once", "interval": 1.0, **settings}), moments


def test_a_loop_that_keeps_failing_survives_and_is_itself_again_by_itself(play):
    """Thirteen failures bring it into survival mode, three good probes out of it."""

    async def story(stage):
        loop, moments = down_until(stage, 14, max_iterations=20)
        heard = []
        for kind in (SurvivalEntered, SurvivalLeft):
            loop.node.on(kind, heard.append)
        loop.start()
        await stage.sleep(150.0)
        during = loop.get_status()
        await stage.wait(loop)
        return moments, during, loop.get_status(), heard

    moments, during, after, heard = play(story)

    assert (True, False) == (during.surviving, after.surviving)
    assert (1, 0) == during.healing.survival_mode
    assert (1, 1) == after.healing.survival_mode
    assert [128.0, 144.0, 160.0, 161.0, 162.0, 163.0, 164.0, 165.0] == moments[12:]
    assert [SurvivalEntered, SurvivalLeft] == [type(event) for event in heard]
    assert (13, 34.0) == (heard[0].failures, pytest.approx(heard[1].seconds))


def test_survival_is_for_the_substitute_in_turn_with_probes(play):
    """The substitute keeps the service up, and every other time the operation is asked whether it is well."""

    async def story(stage):
        ran = []

        async def work(ctx):
            ran.append("work")
            if ctx.iteration <= 18:
                raise ConnectionError("down")

        async def care(ctx):
            ran.append("care")

        loop = stage.loop(work, effects="once", max_iterations=24, on_survival=stage.operation(care))
        loop.start()
        await stage.wait(loop)
        return ran, loop.get_status()

    ran, status = play(story)

    assert ["work"] * 13 + ["care", "work"] * 2 + ["care", "work"] + ["work"] * 5 == ran
    assert (False, 0) == (status.surviving, status.consecutive_errors)
    assert 6 / 24 == status.performance.success_rate


def test_a_trigger_in_survival_mode_runs_the_operation_itself(play):
    """Past the rest, and not the substitute."""

    async def story(stage):
        loop, ran = stage.down()
        await stage.sleep(135.0)  # when the substitute is next
        before = len(ran)
        loop.trigger()
        await stage.sleep(0.1)
        return loop.get_status().surviving, ran[before:]

    assert (True, ["work"]) == play(story)


def test_a_substitute_that_fails_ends_nothing(play):
    """It is a failed iteration like any other."""

    async def story(stage):
        async def work(ctx):
            raise ConnectionError("down")

        async def care(ctx):
            raise SystemExit(3)

        loop = stage.loop(work, effects="once", max_iterations=16, on_survival=stage.operation(care))
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert (16, 16, True) == (status.current_iteration, status.consecutive_errors, status.surviving)


def test_a_day_of_failures_leaves_the_loop_ready_for_a_better_one(play):
    """It probes at a bounded rate for 24 hours, and needs less than a minute to be itself again."""
    hours = []

    async def story(stage):
        down, moments = [True], []

        async def work(ctx):
            moments.append(stage.now())
            if down:
                raise ConnectionError("down")

        loop = stage.loop(work, effects="once", interval=1.0)
        loop.start()
        hours.append(
            24 if DENSE else 8 if stage.is_async else 2
        )  # the clock of threads is slow; the ladder is the same
        await stage.sleep(3_600.0 * hours[0])
        during, probes = loop.get_status(), len(moments)
        down.clear()
        await stage.sleep(60.0)
        return during, probes, loop.get_status()

    during, probes, after = play(story)

    assert during.surviving
    assert pytest.approx(225 * hours[0], abs=100 * hours[0] / 24) == probes
    assert (False, 0) == (after.surviving, after.consecutive_errors)
    assert 1.0 == pytest.approx(after.next_run, abs=1.0)


@pytest.mark.parametrize("play", ["event loop"], indirect=True)
def test_failing_for_ever_takes_no_more_room(play):
    """A hundred thousand failures, each another one, with state, remedies and a substitute, leave nothing behind."""

    async def story(stage):
        async def work(ctx):
            ctx.state[ctx.iteration] = "unfinished"
            raise ConnectionError(f"down for the {ctx.iteration}th time")

        async def care(ctx):
            raise TimeoutError

        loop = stage.loop(work, effects="idempotent", deadline=600.0, on_survival=stage.operation(care))
        loop.node.remedy(ConnectionError)(lambda failure: None)
        loop.start()
        sizes = []
        for _ in range(2):
            await stage.sleep(most(800_000.0, 12_000.0))
            gc.collect()
            # The registry of locks keeps some references to what is gone, as many as the rest of this process suggests.
            sizes.append(sum(type(each) is not weakref.ref for each in gc.get_objects()))
        return sizes, loop.get_status().current_iteration

    (before, after), iterations = play(story)

    assert iterations > most(99_000, 1_400)
    assert after - before < 50  # however many iterations lie in between


def test_started_again_it_has_all_patience(play):
    """A new start is a new try; what was counted is kept."""

    async def story(stage):
        loop, moments = down_until(stage, 10**6)
        loop.start()
        await stage.sleep(150.0)
        await stage.stop(loop)
        before = len(moments)
        loop.start()
        await stage.sleep(1.5)
        return len(moments) - before, loop.get_status()

    again, status = play(story)

    assert (2, False) == (again, status.surviving)
    assert (1, 0) == status.healing.survival_mode


def test_the_status_tells_of_healing_in_json(play):
    """Five pairs of tried and worked."""

    async def story(stage):
        loop, _ = down_until(stage, 3, max_iterations=6)
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)
    told = json.loads(json.dumps(status.to_dict()))

    assert told["healing"] == json.loads(json.dumps(status.healing.to_dict()))
    assert {
        "known_remedy": [0, 0],
        "adaptive_backoff": [1, 1],
        "safe_state_reset": [0, 0],
        "quantum_refresh": [0, 0],
        "survival_mode": [0, 0],
    } == told["healing"]
    assert (False, 1, 0) == (told["surviving"], told["path"], told["left_behind"])
