"""What becomes of each tick is counted, and can be asked about."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.loops import Fate, QuantumLoopEngine
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def test_every_tick_ends_in_one_way(play):
    """Good, healed and failed ones, overlaps, rests and pauses add up to the ticks that there were."""

    async def story(stage):
        async def work(ctx):
            if ctx.iteration == 2 and ctx.attempt == 1:
                raise ConnectionResetError
            if ctx.iteration == 3:
                await stage.work_for(3.5)
            if 4 <= ctx.iteration <= 6:
                raise ValueError("wrong")

        loop = stage.loop(work, interval=1.0)
        loop.start()
        await stage.sleep(20.5)
        loop.pause()
        await stage.sleep(10.0)
        loop.resume()
        await stage.sleep(2.0)
        await stage.stop(loop)
        return counts(loop), json.loads(json.dumps(loop.get_status().to_dict()))["ledger"]["paused"], loop

    ledger, paused, loop = play(story)

    assert ledger.keys() == {"run", "healed", "failed", "skipped_overlap", "backed_off", "paused"}
    assert (ledger["healed"], ledger["failed"], ledger["skipped_overlap"], ledger["paused"]) == (1, 3, 3, 10)
    assert sum(ledger.values()) == 33
    assert loop.get_status().ledger.total == 33
    assert paused == 10


def test_a_tick_can_be_asked_why_it_did_not_run(play):
    """The reason is that of the tick itself."""

    async def story(stage):
        async def work(ctx):
            if ctx.iteration == 1:
                await stage.work_for(2.5)
            if ctx.iteration == 2:
                raise ValueError("wrong")

        loop = stage.loop(work, interval=1.0)
        told = [loop.explain(0)]
        loop.start()
        await stage.sleep(5.25)
        return told + [loop.explain(number) for number in (0, 1, 3, 4, 9)]

    assert play(story) == [
        "loop 'work' was not started",
        "tick 0: run",
        "tick 1: skipped overlap: that of tick 0 was in progress",
        "tick 3: failed: ValueError: wrong",
        "tick 4: run",
        "tick 9 has not come yet",
    ]


def test_ticks_may_wait_for_their_turn(play):
    """One of those that come due during an iteration, or all, run right after it."""

    async def story(stage):
        seen = {"buffer_one": [], "buffer_all": []}
        for overlap, runs in seen.items():

            async def work(ctx, runs=runs):
                runs.append((ctx.tick.number, ctx.tick.actual - ctx.tick.nominal))
                if len(runs) == 1:
                    await stage.work_for(3.5)

            loop = stage.loop(work, name=overlap, interval=1.0, overlap=overlap, max_iterations=5)
            loop.start()
            await stage.wait(loop)
        return {overlap: [(number, round(late, 3)) for number, late in runs] for overlap, runs in seen.items()}

    assert play(story) == {
        "buffer_one": [(0, 0.0), (1, 2.5), (4, 0.0), (5, 0.0), (6, 0.0)],
        "buffer_all": [(0, 0.0), (1, 2.5), (2, 1.5), (3, 0.5), (4, 0.0)],
    }


def test_what_was_cut_is_interrupted_and_later_ticks_are_none(play):
    """A loop that is stopped in the middle of an iteration says so; its ticks end with it."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(100.0)

        loop = stage.loop(work, interval=1.0, overlap="buffer_one")
        loop.start()
        await stage.sleep(2.5)
        before = counts(loop)
        ended = await stage.stop(loop, grace=0.0)
        await stage.sleep(50.0)
        return before, counts(loop), ended, stage.can_cancel

    before, after, ended, can_cancel = play(story)

    assert before == {"pending": 2, "skipped_overlap": 1}
    assert ended == can_cancel
    assert not can_cancel or after == {"interrupted": 1, "dropped": 1, "skipped_overlap": 1}


def test_the_ledger_goes_on_over_starts_and_names_of_ticks_do_not_repeat(play):
    """A loop that is started again counts on; the ticks of its new start have other names."""

    async def story(stage):
        names = []

        async def work(ctx):
            names.append((ctx.tick.id, ctx.idempotency_key, ctx.attempt))
            if ctx.attempt == 1:
                raise ConnectionResetError

        loop = stage.loop(work, name="twice", interval=1.0, max_iterations=2)
        for _ in range(2):
            loop.start()
            await stage.wait(loop)
        return names, counts(loop)

    names, ledger = play(story)

    assert ledger == {"healed": 4}
    assert [attempt for *_, attempt in names] == [1, 2] * 4
    assert all(name == key for name, key, _ in names)
    assert [name for name, *_ in names[::2]] == [name for name, *_ in names[1::2]]
    assert len({name for name, *_ in names}) == 4
    assert [name.rpartition("/")[2] for name, *_ in names[::2]] == ["0", "1", "0", "1"]


def test_an_iteration_by_hand_belongs_to_no_tick(play):
    """It is counted among the iterations, not among the ticks, and has a key of its own."""

    async def story(stage):
        keys = []

        async def work(ctx):
            keys.append((ctx.tick, ctx.idempotency_key))

        loop = stage.loop(work, interval=10.0)
        loop.start()
        await stage.sleep(1.0)
        loop.trigger()
        await stage.sleep(1.0)
        return keys, counts(loop), loop.get_status().current_iteration

    keys, ledger, iterations = play(story)

    assert (ledger, iterations) == ({"run": 1}, 2)
    assert keys[1][0] is None
    assert keys[0][1] != keys[1][1]


def test_a_substitute_is_told_apart(play):
    """In survival mode the ticks that the substitute has taken count as degraded."""

    async def story(stage):
        async def work(ctx):
            raise ValueError("wrong")

        async def substitute():
            pass

        loop = stage.loop(work, interval=1.0, on_survival=stage.operation(lambda ctx: substitute()))
        loop.start()
        await stage.sleep(600.0)
        status = loop.get_status()
        return status.surviving, status.ledger, round(stage.now())

    surviving, ledger, seconds = play(story)

    assert surviving
    assert ledger.degraded > 5
    assert ledger[Fate.BACKED_OFF] > 100
    assert ledger.total == seconds + 1 - ledger.pending


def test_iterations_are_jittered_in_the_same_way_at_each_start(play):
    """A loop of the same name has its ticks at the same places; they stay within the jitter."""

    async def story(stage):
        places = []

        async def work(ctx):
            places.append(round(ctx.tick.nominal - origin, 6))

        for _ in range(2):
            loop = stage.loop(work, name="tidy", interval=10.0, jitter=4.0, max_iterations=5)
            origin = stage.runtime.now()
            loop.start()
            await stage.wait(loop)
            loop.let_go()
        return places

    places = play(story)

    assert places[:5] == places[5:]
    assert all(10.0 * number <= place <= 10.0 * number + 4.0 for number, place in enumerate(places[:5]))


@pytest.mark.parametrize("overlap", ["cancel_other", "terminate_other"])
def test_an_iteration_makes_room_for_the_next_tick(play, overlap):
    """It is cut when the tick comes due, which is no failure; the tick runs at its time."""

    async def story(stage):
        began, cut = [], []

        async def work(ctx):
            began.append((ctx.tick.number, round(ctx.tick.actual - ctx.tick.nominal, 3), round(ctx.remaining(), 3)))
            try:
                await stage.work_for(0.5 if len(began) == 2 else min(2.5, ctx.remaining() if stage.heeds else 2.5))
            except asyncio.CancelledError:
                cut.append(ctx.tick.number)
                raise

        stage.heeds = not stage.can_cancel
        loop = stage.loop(work, interval=1.0, overlap=overlap, max_iterations=4)
        loop.start()
        await stage.sleep(10.0)
        status = loop.get_status()
        return began, cut, counts(loop), loop.explain(0), status, stage.can_cancel

    began, cut, ledger, why, status, can_cancel = play(story)

    assert began == [(0, 0.0, 1.0), (1, 0.0, 1.0), (2, 0.0, 1.0), (3, 0.0, 30.0)]
    assert cut == ([0, 2] if can_cancel else [])
    if can_cancel:
        assert ledger == {"run": 2, "interrupted": 2, "skipped_overlap": 2}
        assert why == "tick 0: interrupted: tick 1 came due"
    assert (status.consecutive_errors, status.performance.success_rate) == (0, 1.0)


@pytest.mark.parametrize(("overlap", "late"), [("cancel_other", 0.2), ("terminate_other", 0.0)])
def test_who_does_not_make_room_is_left_behind(overlap, late):
    """An iteration that swallows its cancellation has a tenth of its time for that, or none; then a tick runs."""

    async def story(clock):
        began, over = [], []

        async def work(ctx):
            began.append(clock.now())
            while not over:
                with contextlib.suppress(asyncio.CancelledError):
                    await ASYNCIO.sleep(50.0)

        engine = QuantumLoopEngine()
        loop = engine.create_loop(work, interval=2.0, overlap=overlap)
        loop.start()
        await ASYNCIO.sleep(7.0)
        ledger, left = counts(loop), loop.get_status().left_behind
        over.append(True)
        await engine.aclose(grace=0.0)
        return began[:3], ledger, left

    with virtual_time() as clock:
        began, ledger, left = asyncio.run(story(clock))

    assert began == pytest.approx([0.0, 2.0, 4.0] if late == 0.0 else [0.0, 2.2, 4.18])
    assert (left, ledger["interrupted"], ledger.get("skipped_overlap", 0)) == (3, 3, 0)


def test_a_worker_makes_room_at_once():
    """In a thread of its own a plain operation is left behind when the next tick comes due."""
    with virtual_time() as clock:
        engine, began = QuantumLoopEngine(), []

        def work():
            began.append(clock.now())
            clock.advance(3.0)

        loop = engine.create_loop(work, interval=2.0, overlap="cancel_other", isolation="thread")
        loop.start()
        clock.advance(5.0)

        assert began == [0.0, 2.0, 4.0]
        assert counts(loop) == {"interrupted": 2, "pending": 1}
        engine.aclose_sync(grace=0.0)


@pytest.mark.parametrize("is_paused", [True, False])
def test_an_end_that_nobody_waited_for_loses_no_tick(is_paused):
    """A pause or a rest that is cut, as at the end of the event loop, is counted up to then."""

    async def story():
        async def work(ctx):
            if ctx.iteration > 3:
                raise ValueError("wrong")

        loop = QuantumLoopEngine().create_loop(work, interval=1.0, effects="once")
        loop.start()
        await ASYNCIO.sleep(2.5)
        if is_paused:
            loop.pause()
        await ASYNCIO.sleep(75.0)
        return loop, loop.get_status().ledger

    with virtual_time():
        loop, ledger = asyncio.run(story())

        assert ledger.paused + ledger.backed_off > 50
        assert (ledger, 78) == (loop.get_status().ledger, ledger.total)
        assert loop.explain(76).startswith("tick 76: paused" if is_paused else "tick 76: backed off")
