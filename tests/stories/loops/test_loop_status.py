"""What a loop tells, and what it refuses."""

from __future__ import annotations

import json
import math

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.loops import LoopState, QuantumLoopEngine

# ── what is seen ────────────────────────────────────────────────────────────────────────────


def test_tells_how_it_is_doing(play):
    """The status holds what was measured, in seconds and shares."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(0.5)
            if ctx.iteration == 4:
                raise OSError("down")

        loop = stage.loop(work, interval=2.0, effects="once")
        new = loop.get_status()
        loop.start()
        await stage.sleep(7.0)
        return new, loop.get_status()

    new, status = play(story)

    assert (LoopState.NEW, False, 0, None, 1.0) == (
        new.state,
        new.is_running,
        new.current_iteration,
        new.next_run,
        new.performance.success_rate,
    )
    assert (LoopState.RUNNING, True, 4, 1, 1.0) == (
        status.state,
        status.is_running,
        status.current_iteration,
        status.consecutive_errors,
        status.next_run,
    )
    assert (0.75, 0.0, 0.5, 0.5) == (
        status.performance.success_rate,
        status.performance.heal_rate,
        pytest.approx(status.performance.avg_iteration_time),
        pytest.approx(status.performance.last_iteration_time),
    )
    assert 4 / 7 == pytest.approx(status.performance.iterations_per_second)
    assert "running" == json.loads(json.dumps(status.to_dict()))["state"]


def test_the_engine_tells_of_all_its_loops(play):
    """Totals and each loop's own status, JSON-ready."""

    async def story(stage):
        async def work(ctx):
            pass

        first = stage.loop(work, name="first")
        stage.loop(work, name="second")
        first.start()
        await stage.sleep(0.5)
        return stage.engine.get_status()

    status = play(story)

    assert (2, 1) == (status.total_loops, status.active_loops)
    assert ["first", "second"] == [loop["name"] for loop in json.loads(json.dumps(status.to_dict()))["loops"]]


def test_a_closed_loop_is_forgotten_and_its_name_free(play):
    """An engine that makes loops for ever does not grow for ever."""

    async def story(stage):
        async def work(ctx):
            pass

        for _ in range(3):
            loop = stage.loop(work, name="again")
            loop.start()
            await loop.aclose() if stage.is_async else loop.aclose_sync()
        return stage.engine.get_status().total_loops, loop.state

    assert (0, LoopState.STOPPED) == play(story)


def never_runs():
    yield


# ── settings ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interval": -1}, "interval must be 0 or more seconds, not -1"),
        ({"interval": math.nan}, "interval must be 0 or more seconds, not nan"),
        ({"interval": math.inf}, "interval must be 0 or more seconds, not inf"),
        ({"interval": "1 s"}, "interval must be 0 or more seconds, not '1 s'"),
        ({"interval": True}, "interval must be 0 or more seconds, not True"),
        ({"max_iterations": 0}, "max_iterations must be a whole number from 1 up, None or math.inf, not 0"),
        ({"max_iterations": 2.5}, "max_iterations must be a whole number from 1 up, None or math.inf, not 2.5"),
        ({"max_iterations": True}, "max_iterations must be a whole number from 1 up, None or math.inf, not True"),
        ({"name": ""}, "name must be a text that names the loop, not ''"),
        ({"name": 7}, "name must be a text that names the loop, not 7"),
        ({"name": "taken"}, "name must be one that no other loop of this engine has, not 'taken'"),
        ({"operation": None}, "operation must be a function that takes the context or nothing, not None"),
        ({"operation": lambda a, b: a}, "operation must be a function that takes the context or nothing"),
        ({"operation": lambda *, key: key}, "operation must be a function that takes the context or nothing"),
        ({"operation": never_runs}, "operation must be a function that returns: calling a generator does nothing"),
        ({"effects": "some"}, "effects must be one of 'none', 'idempotent', 'unknown', 'once', not 'some'"),
        ({"deadline": 0}, "deadline must be more than 0 seconds"),
        ({"isolation": "container"}, "isolation must be one of 'inline', 'thread', 'process', not 'container'"),
        ({"quantum_mode": "on"}, "quantum_mode must be True or False, not 'on'"),
        ({"on_survival": 3}, "on_survival must be a function that takes the context or nothing, not 3"),
        ({"schedule": "@hourly", "interval": 5.0}, "schedule must be None where an interval is given"),
        ({"schedule": "four"}, "schedule must be None, or a cron expression such as"),
        (
            {"overlap": "buffer"},
            "overlap must be 'skip' or 'buffer_one' or 'buffer_all' or 'cancel_other' or 'terminate_other' or ",
        ),
        ({"missed": "run"}, "missed must be 'skip' or 'run_once_now' or 'replay_all', not 'run'"),
        ({"jitter": -1}, "jitter must be 0 or more seconds, not -1"),
        (
            {"jitter": 1.5},
            "jitter must be at most the interval, 1 seconds: a tick stays before the next one, not 1.5",
        ),
        ({"durability": "disk"}, 'durability must be None, "none", "process" or "durable", not \'disk\''),
        ({"isolation": "process", "operation": lambda: None}, "operation must be a function at the top of a module"),
        ({"isolation": "process", "operation": print, "on_survival": lambda: None}, "on_survival must be a function"),
    ],
)
def test_wrong_settings_are_refused_when_the_loop_is_made(settings, message):
    """The message names the setting, what was expected and what was found; the engine keeps no half-made loop."""
    engine = QuantumLoopEngine()
    engine.create_loop(print, name="taken")
    with pytest.raises(ConfigurationError) as refused:
        engine.create_loop(**{"operation": print, **settings})

    assert message in str(refused.value)
    assert 1 == engine.get_status().total_loops


def test_a_loop_without_a_name_has_that_of_its_operation():
    """Names are found, and stay apart."""
    engine = QuantumLoopEngine()

    def sweep():
        pass

    assert ["sweep", "sweep-2", "sweep-3"] == [engine.create_loop(sweep).name for _ in range(3)]
