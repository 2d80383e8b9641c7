"""With overlap "allow_all" an iteration begins at each tick, whatever is still in progress, up to a hundred at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.errors import ConfigurationError
from unbreakable.loops import QuantumLoopEngine, control
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time


def test_an_iteration_begins_at_each_tick(play):
    """Each has its own number and tick, and each tick its fate."""

    async def story(stage):
        begun, most, going = [], 0, 0

        async def work(ctx):
            nonlocal most, going
            begun.append((ctx.iteration, ctx.tick.number, stage.now()))
            going += 1
            most = max(most, going)
            await stage.work_for(3.5)
            going -= 1

        loop = stage.loop(work, interval=1.0, overlap="allow_all", max_iterations=6)
        loop.start()
        await stage.wait(loop)
        return begun, most, counts(loop), loop.get_status()

    begun, most, ledger, status = play(story)

    assert [(number + 1, number, float(number)) for number in range(6)] == begun
    assert (4, {"run": 6}, 6) == (most, ledger, status.current_iteration)
    assert 1.0 == status.performance.success_rate


def test_more_than_a_hundred_are_not_begun(play, monkeypatch):
    """What there is no place for is skipped, and told; with a place free the next tick has it."""
    monkeypatch.setattr(control, "MOST_BESIDE", 2)

    async def story(stage):
        async def work(ctx):
            await stage.work_for(3.5)

        loop = stage.loop(work, interval=1.0, overlap="allow_all")
        loop.start()
        await stage.sleep(9.2)
        status, why = loop.get_status(), loop.explain(2)
        await stage.stop(loop)
        return status.ledger, why, counts(loop)

    during, why, ledger = play(story)

    assert (4, 4, 2) == (during.run, during.skipped_overlap, during.pending)
    assert "tick 2: skipped overlap: 2 iterations were in progress" == why
    assert {"run": 6, "skipped_overlap": 4} == ledger


def test_one_that_fails_is_one_that_fails(play):
    """The others go on, and a loop that fails rests."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(1.5)
            if ctx.iteration % 3 == 0:
                raise ValueError("every third")

        loop = stage.loop(work, interval=1.0, overlap="allow_all", max_iterations=9)
        loop.start()
        await stage.wait(loop)
        return counts(loop), loop.get_status().last_error

    ledger, error = play(story)

    assert {"run": 6, "failed": 3} == {fate: count for fate, count in ledger.items() if fate != "backed_off"}
    assert "ValueError: every third" == error


def test_stopping_waits_for_all_and_then_cuts_them(play):
    """What heeds its cut ends; no tick is without a fate."""

    async def story(stage):
        ended = []

        async def work(ctx):
            await stage.work_for(2.5 if ctx.iteration < 3 else 1_000.0)
            ended.append(ctx.iteration)

        loop = stage.loop(work, interval=1.0, overlap="allow_all", deadline=5_000.0)
        loop.start()
        await stage.sleep(3.2)
        has_ended = await stage.stop(loop, grace=5.0)
        return has_ended, sorted(ended), counts(loop), stage.can_cancel

    has_ended, ended, ledger, can_cancel = play(story)

    assert [1, 2] == ended
    assert (can_cancel, 4) == (has_ended, sum(ledger.values()))
    assert 2 == ledger["run"]


def test_a_state_is_shared_by_those_that_overlap(play):
    """It is one dictionary, also after they have ended."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(2.0)
            ctx.state["count"] = ctx.state.get("count", 0) + 1

        seen = []

        async def look(ctx):
            await work(ctx)
            seen.append(ctx.state["count"])

        loop = stage.loop(look, interval=1.0, overlap="allow_all", max_iterations=5)
        loop.start()
        await stage.wait(loop)
        return seen

    assert [1, 2, 3, 4, 5] == play(story)


def test_a_trigger_is_an_iteration_like_the_others(play):
    """It begins at once, beside what is in progress, and belongs to no tick."""

    async def story(stage):
        begun = []

        async def work(ctx):
            begun.append((stage.now(), ctx.tick is None))
            await stage.work_for(5.0)

        loop = stage.loop(work, interval=10.0, overlap="allow_all")
        loop.start()
        await stage.sleep(1.0)
        loop.trigger()
        await stage.sleep(1.0)
        status = loop.get_status()
        await stage.stop(loop)
        return begun, status.ledger.pending, counts(loop)

    assert ([(0.0, False), (1.0, True)], 1, {"run": 1}) == play(story)


def test_whoever_is_told_not_to_overlap_waits_for_all(play):
    """Reconfigured to "skip", the loop begins nothing before the last has ended."""

    async def story(stage):
        begun = []

        async def work(ctx):
            begun.append(stage.now())
            await stage.work_for(2.5)

        loop = stage.loop(work, interval=1.0, overlap="allow_all")
        loop.start()
        await stage.sleep(1.2)
        loop.reconfigure(overlap="skip")
        await stage.sleep(4.0)
        await stage.stop(loop)
        return begun

    assert [0.0, 1.0, 4.0] == play(story)


def test_each_has_a_worker_of_its_own(play):
    """Threads, as processes, are not waited for."""

    async def story(stage):
        threads = set()

        def work():
            threads.add(threading.get_ident())
            BLOCKING.world.sleep(2.5)

        loop = stage.engine.create_loop(
            work, name="work", interval=1.0, overlap="allow_all", isolation="thread", max_iterations=6
        )
        loop.start()
        await stage.wait(loop)
        return len(threads), counts(loop), loop.get_status().left_behind

    assert (3, {"run": 6}, 0) == play(story)


def test_a_loop_that_is_started_again_and_again_holds_no_more(play):
    """What ran beside it the last time is let go of."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(2.5)

        loop, held = stage.loop(work, interval=1.0, overlap="allow_all", max_iterations=5), []
        for _ in range(4):
            loop.start()
            await stage.wait(loop)
            held.append(len(loop.node.children))
        return held, counts(loop)

    held, ledger = play(story)

    assert (1, {"run": 20}) == (len({*held}), ledger)


def test_without_an_interval_there_is_no_end_of_it():
    """There is always a tick to begin."""
    with pytest.raises(ConfigurationError, match="overlap must be another one where the interval is 0"):
        QuantumLoopEngine().create_loop(print, interval=0, overlap="allow_all")


def test_a_closed_event_loop_takes_all_with_it():
    """Whoever starts the loop again has a whole one."""
    engine = QuantumLoopEngine()

    async def work():
        await asyncio.Event().wait()

    loop = engine.create_loop(work, interval=0.01, overlap="allow_all")

    async def story():
        loop.start()
        while loop.get_status().current_iteration < 3:
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    asyncio.run(story())

    assert not loop.is_running
    assert loop.get_status().ledger.interrupted >= 3


def test_what_heals_them_is_told_and_learned_together(play):
    """The status of the loop tells of them all, and what one has learned the next one knows."""

    async def story(stage):
        async def work(ctx):
            if ctx.iteration % 20 == 5:
                ctx.state["count"] = None
            ctx.state["count"] = ctx.state.get("count", 0) + 1
            await stage.work_for(1.5 if ctx.iteration % 20 > 11 else 0.5)

        loop = stage.loop(work, interval=1.0, overlap="allow_all", max_iterations=60)
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert status.healing.safe_state_reset.worked >= 1
    assert "safe_state_reset" in status.latest_rung
    assert len(status.known_failures) == 1


def test_survival_mode_of_one_is_that_of_the_loop(play):
    """Who asks is told, and what is tried there counts."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(1.5)
            raise ConnectionResetError("gone")

        loop = stage.loop(work, interval=1.0, overlap="allow_all", effects="once")
        loop.start()
        await stage.sleep(600.0)
        status = loop.get_status()
        await stage.stop(loop)
        return status

    status = play(story)

    assert (True, True) == (status.surviving, status.healing.survival_mode.tried >= 1)


def test_what_good_ones_write_is_not_lost_when_another_is_left_behind():
    """They go on with the state that they have: one that replaces it would not have what they write."""

    async def story(clock):
        over = []

        async def work(ctx):
            while ctx.iteration == 2 and not over:
                with contextlib.suppress(asyncio.CancelledError):
                    await ASYNCIO.sleep(1_000.0)
            await ASYNCIO.sleep(3.0)
            ctx.state["done"] = ctx.state.get("done", 0) + 1
            last.append(ctx.state["done"])

        last = []
        engine = QuantumLoopEngine()
        loop = engine.create_loop(work, interval=1.0, overlap="allow_all", deadline=5.0, max_iterations=20)
        loop.start()
        await ASYNCIO.sleep(60.0)
        done, left = [*last], loop.get_status().left_behind
        over.append(True)
        await engine.aclose(grace=0.0)
        return done, left

    with virtual_time() as clock:
        done, left = asyncio.run(story(clock))

    assert (list(range(1, 20)), 1) == (done, left)
