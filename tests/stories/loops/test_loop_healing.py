"""A loop that fails is healed rung by rung."""

from __future__ import annotations

import threading

import pytest

from unbreakable.events import Event
from unbreakable.loops.events import LoopHealed, PathChanged, RungSkipped, RungTried

LADDER = (LoopHealed, RungTried, RungSkipped)


def listen(loop, *kinds):
    """Return a list that fills with the events of *loop*."""
    heard = []
    loop.node.on(Event, lambda event: heard.append(event) if isinstance(event, kinds or LADDER) else None)
    return heard


def down_until(stage, iteration, **settings):
    """Return a loop that fails up to that iteration, and the moments at which it ran."""
    moments = []

    async def work(ctx):
        moments.append(stage.now())
        if ctx.iteration <= iteration:
            raise ConnectionError("down")

    return stage.loop(work, **{"effects": "once", "interval": 1.0, **settings}), moments


# ── backing off ─────────────────────────────────────────────────────────────────────────────


def test_a_failing_loop_slows_down_along_its_grid_and_returns_to_it(play):
    """From the third failure on the pause doubles; three good iterations later the loop is where it was."""

    async def story(stage):
        loop, moments = down_until(stage, 5, max_iterations=11)
        loop.start()
        await stage.wait(loop)
        return moments, loop.get_status().healing

    moments, healing = play(story)

    assert [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 22.0, 23.0, 24.0, 25.0] == moments
    assert (1, 1) == healing.adaptive_backoff


def test_ticks_of_a_rest_are_told_as_missed(play):
    """The operation learns how many ticks it was not called for."""

    async def story(stage):
        missed = []

        async def work(ctx):
            missed.append(ctx.tick.missed)
            raise ConnectionError("down")

        loop = stage.loop(work, effects="once", interval=1.0, max_iterations=6)
        loop.start()
        await stage.wait(loop)
        return missed

    assert [0, 0, 0, 1, 3, 7] == play(story)


def test_a_trigger_is_not_held_up_by_backing_off(play):
    """Who asks for an iteration by hand gets it now."""

    async def story(stage):
        loop, moments = down_until(stage, 6)
        loop.start()
        await stage.sleep(17.0)
        resting = loop.get_status().next_run
        loop.trigger()
        await stage.sleep(0.5)
        return moments, resting

    assert ([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 17.0], 15.0) == play(story)


def test_the_status_keeps_telling_the_loop_s_own_interval(play):
    """A rest changes when the loop runs next, not what it is."""

    async def story(stage):
        loop, _ = down_until(stage, 5)
        loop.start()
        await stage.sleep(9.0)
        status = loop.get_status()
        return status.interval, status.next_run, status.state.value

    assert (1.0, 7.0, "running") == play(story)


# ── remedies ────────────────────────────────────────────────────────────────────────────────


def test_a_remedy_that_mends_within_the_iteration_counts_as_known(play):
    """Tried once, and worked, for the operation was good when it was asked again."""

    async def story(stage):
        tokens = ["stale"]

        async def work(ctx):
            if tokens[-1] == "stale":
                raise PermissionError(tokens[-1])

        loop = stage.loop(work, interval=60.0, max_iterations=1, effects="idempotent")
        loop.node.remedy(PermissionError)(lambda failure: tokens.append("fresh"))
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert (1, 1) == status.healing.known_remedy
    assert 1.0 == status.performance.success_rate


def test_a_remedy_that_mends_nothing_has_not_worked(play):
    """Applying it is not yet a success, however often."""

    async def story(stage):
        async def work(ctx):
            raise PermissionError("for ever")

        loop = stage.loop(work, interval=60.0, max_iterations=2, effects="idempotent")
        loop.node.remedy(PermissionError)(lambda failure: None)
        loop.start()
        await stage.wait(loop)
        return loop.get_status().healing.known_remedy

    assert (2, 0) == play(story)


def test_a_remedy_for_what_may_not_be_repeated_is_judged_by_the_next_iteration(play):
    """With effects that happen once, only the next iteration can tell whether it helped."""

    async def story(stage):
        tokens = ["stale"]

        async def work(ctx):
            if tokens[-1] == "stale":
                raise PermissionError(tokens[-1])

        loop = stage.loop(work, interval=60.0, max_iterations=2, effects="once")
        loop.node.remedy(PermissionError)(lambda failure: tokens.append("fresh"))
        loop.start()
        await stage.sleep(1.0)
        before = loop.get_status().healing.known_remedy
        await stage.wait(loop)
        return before, loop.get_status().healing.known_remedy

    assert ((1, 0), (1, 1)) == play(story)


def test_remedies_help_on_every_path(play):
    """They are registered with the loop's node, and known to each of its paths."""

    async def story(stage):
        broken = [True] * 3

        async def work(ctx):
            if broken:
                raise ConnectionError("down")

        loop = stage.loop(work, interval=60.0, max_iterations=5, effects="idempotent")
        heard = listen(loop, PathChanged)
        loop.node.remedy(ConnectionError)(lambda failure: broken.pop())
        loop.start()
        await stage.wait(loop)
        return len(broken), [event.path for event in heard], loop.node.get_status().heal_count

    left, paths, healed = play(story)

    assert (0, [2]) == (left, paths)
    assert 1 == healed


# ── state ───────────────────────────────────────────────────────────────────────────────────


def test_the_state_is_the_operation_s_own_from_one_iteration_to_the_next(play):
    """A dictionary that nobody else writes in."""

    async def story(stage):
        async def work(ctx):
            ctx.state["runs"] = ctx.state.get("runs", 0) + 1
            seen.append(ctx.state["runs"])

        seen = []
        loop = stage.loop(work, max_iterations=3)
        loop.start()
        await stage.wait(loop)
        loop.start()
        await stage.wait(loop)
        return seen

    assert [1, 2, 3, 4, 5, 6] == play(story)


def poisoned(ctx):
    """Fail by what the state holds: a number that a bad day, iteration 3, has put into it."""
    numbers = ctx.state.setdefault("numbers", [])
    if ctx.iteration == 3:
        numbers.append("three")
    if sum(numbers) < 0:
        raise ValueError
    numbers.append(ctx.iteration)


def test_a_poisoned_state_is_reset_to_what_it_was_when_all_was_well(play):
    """Deep inside, too: what a failing iteration has changed is taken back with the fifth failure."""

    async def story(stage):
        states = []

        async def work(ctx):
            try:
                poisoned(ctx)
            finally:
                states.append(list(ctx.state["numbers"]))

        loop = stage.loop(work, effects="once", max_iterations=11)
        heard = listen(loop)
        loop.start()
        await stage.wait(loop)
        return states, heard, loop.get_status()

    states, heard, status = play(story)

    assert [[1, 2, "three"]] * 5 + [[1, 2, 8], [1, 2, 8, 9]] == states[2:9]
    assert (1, 1) == status.healing.safe_state_reset
    assert (0, 0) == status.healing.quantum_refresh
    assert ["adaptive_backoff", "safe_state_reset"] == [event.rung for event in heard if isinstance(event, RungTried)]
    assert ["safe_state_reset"] == [event.rung for event in heard if isinstance(event, LoopHealed)]


def test_a_state_that_cannot_be_copied_is_not_reset_and_the_loop_says_so(play):
    """The rung is skipped, and not counted as tried."""

    async def story(stage):
        async def work(ctx):
            ctx.state.setdefault("lock", threading.Lock())
            if ctx.iteration > 2:
                raise ConnectionError("down")

        loop = stage.loop(work, effects="once", max_iterations=8)
        heard = listen(loop, RungSkipped)
        loop.start()
        await stage.wait(loop)
        return heard, loop.get_status().healing.safe_state_reset

    heard, tries = play(story)

    assert (0, 0) == tries
    assert ["safe_state_reset"] * 2 == [event.rung for event in heard]
    assert all("TypeError when ctx.state was copied" == event.reason for event in heard)


def test_a_loop_without_a_state_has_none_to_reset(play):
    """A rung that would change nothing is not said to have been tried."""

    async def story(stage):
        loop, _ = down_until(stage, 7, max_iterations=10)
        loop.start()
        await stage.wait(loop)
        return loop.get_status().healing

    healing = play(story)

    assert ((0, 0), (1, 1)) == (healing.safe_state_reset, healing.adaptive_backoff)


class Leaves:
    """Something that ends the program when it is copied."""

    def __deepcopy__(self, memo):
        raise SystemExit(3)


@pytest.mark.parametrize("where", ["listener", "state"])
def test_what_would_end_a_program_between_iterations_ends_no_loop(play, where):
    """Listeners and what is kept are the user's code, too: a SystemExit of theirs costs a second."""

    async def story(stage):
        def leave(event):
            raise SystemExit(3)

        async def work(ctx):
            moments.append(stage.now())
            if ctx.iteration <= 3:
                raise ConnectionError("down")
            if where == "state":
                ctx.state["leaves"] = Leaves()

        moments = []
        loop = stage.loop(work, effects="once", interval=0.25, max_iterations=5)
        if where == "listener":
            loop.node.on(RungTried, leave)
        loop.start()
        await stage.wait(loop)
        return moments, loop.get_status()

    moments, status = play(story)

    assert [0.0, 0.25, 0.5, 1.5, 1.75] == moments if where == "listener" else [0.0, 0.25, 0.5, 1.0, 2.0] == moments
    assert "the loop itself: SystemExit: 3" in status.last_error
    assert 2 / 5 == status.performance.success_rate


# ── paths ───────────────────────────────────────────────────────────────────────────────────


def test_a_path_that_fails_hands_over_to_the_next(play):
    """Three paths take turns as long as iterations fail; the one that is good is kept."""

    async def story(stage):
        loop, _ = down_until(stage, 4, max_iterations=8)
        heard = listen(loop, PathChanged)
        loop.start()
        await stage.wait(loop)
        return [event.path for event in heard], loop.get_status(), loop.node.get_status()

    paths, status, node = play(story)

    assert [2, 3, 1, 2] == paths
    assert 2 == status.path
    assert (8, 4, 4) == (node.total_executions, node.success_count, node.failure_count)


def test_a_time_limit_from_faster_days_fails_no_iteration(play):
    """When the work takes longer than what was learned, iterations end all the same, and on the same path."""

    async def story(stage):
        slow = []

        async def work(ctx):
            await stage.work_for(3.0 if slow else 0.01)

        loop = stage.loop(work, effects="none", interval=10.0, max_iterations=60)
        loop.start()
        await stage.sleep(500.0)
        slow.append(True)
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert (1, 0, 1.0) == (status.path, status.consecutive_errors, status.performance.success_rate)


def test_without_quantum_mode_there_is_one_path(play):
    """It is refreshed all the same."""

    async def story(stage):
        loop, _ = down_until(stage, 8, max_iterations=11, quantum_mode=False)
        heard = listen(loop, PathChanged)
        loop.start()
        await stage.wait(loop)
        return heard, loop.get_status().path, loop.get_status().healing.quantum_refresh

    assert ([], 1, (1, 1)) == play(story)


def test_a_refresh_discards_what_the_paths_have_learned(play):
    """After eight failures in a row every path is new; what was counted is kept."""

    async def story(stage):
        loop, _ = down_until(stage, 8, max_iterations=12)
        heard = listen(loop)
        loop.start()
        await stage.wait(loop)
        node = loop.node.get_status()
        return heard, loop.get_status(), node

    heard, status, node = play(story)

    assert (1, 1) == status.healing.quantum_refresh
    assert [("adaptive_backoff", 3), ("quantum_refresh", 8)] == [
        (event.rung, event.failures) for event in heard if isinstance(event, RungTried)
    ]
    assert (12, 4, 8) == (node.total_executions, node.success_count, node.failure_count)
    assert len(node.children) <= 3
