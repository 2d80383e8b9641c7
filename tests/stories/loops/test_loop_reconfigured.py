"""A loop takes other settings while it runs, and loses no tick of its ledger over it."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import math
import random
import threading

import pytest
from tests.dense import most
from tests.stories.loops.conftest import counts

from unbreakable.errors import ConfigurationError
from unbreakable.loops import QuantumLoopEngine
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time


def seen_by(stage, runs, seconds=0.0):
    """Return work that notes its ticks."""

    async def work(ctx):
        runs.append((stage.now(), ctx.tick.number, ctx.tick.epoch))
        await stage.work_for(seconds)

    return work


def test_another_interval_counts_from_the_latest_tick(play):
    """The next tick is one new interval after the one before, or at once if that is over; numbers begin anew."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs), interval=10.0)
        loop.start()
        await stage.sleep(11.0)
        loop.reconfigure(interval=3.0)
        await stage.sleep(6.0)
        loop.reconfigure(interval=100.0)
        await stage.sleep(95.0)
        loop.reconfigure(interval=50.0)
        await stage.sleep(10.0)
        return runs, counts(loop), loop.interval, loop.get_status().interval

    runs, ledger, *interval = play(story)

    assert [(0.0, 0), (10.0, 1), (13.0, 0), (16.0, 1), (112.0, 0)] == [(moment, number) for moment, number, _ in runs]
    assert len({epoch for _, _, epoch in runs}) == 3
    assert {"run": 5} == ledger
    assert [50.0, 50.0] == interval


def test_a_loop_that_is_reconfigured_all_the_time_still_runs(play):
    """Whoever adapts the interval more often than it lasts does not stop the loop."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs), interval=10.0)
        loop.start()
        for number in range(400):
            await stage.sleep(0.25)
            loop.reconfigure(interval=10.0 + number % 2)
        return [moment for moment, _, _ in runs], counts(loop)

    moments, ledger = play(story)

    assert 9 <= len(moments) <= 11
    assert all(10.0 <= later - sooner <= 11.3 for sooner, later in itertools.pairwise(moments))
    assert len(moments) == ledger["run"]


def test_settings_that_are_not_ticks_leave_the_grid_as_it_is(play):
    """What becomes of overlaps is another thing from when ticks are; the iteration in progress goes on."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs, 2.5), interval=1.0)
        loop.start()
        await stage.sleep(3.25)
        loop.reconfigure(overlap="buffer_one", missed="replay_all")
        await stage.sleep(6.5)
        return [number for _, number, _ in runs], len({epoch for _, _, epoch in runs}), loop.explain(1)

    numbers, epochs, why = play(story)

    assert [0, 3, 4, 6] == numbers
    assert 1 == epochs
    assert "tick 1: skipped overlap: that of tick 0 was in progress" == why


def test_ticks_that_wait_end_with_their_grid(play):
    """They are dropped, and told so; the tick at work ends as it ends."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs, 3.5), interval=1.0, overlap="buffer_all")
        loop.start()
        await stage.sleep(2.25)
        before = loop.explain(0)
        loop.reconfigure(interval=10.0)
        during, told = counts(loop), loop.explain(0)
        await stage.sleep(2.0)
        after = counts(loop)
        await stage.sleep(20.0)
        return before, during, told, after, [(moment, number) for moment, number, _ in runs]

    before, during, told, after, runs = play(story)

    assert ("tick 0 is at work", "tick 0 has not come yet") == (before, told)
    assert {"dropped": 2, "pending": 1} == during
    assert {"dropped": 2, "run": 1} == after
    assert [(0.0, 0), (12.0, 0), (22.0, 1)] == runs


def test_a_loop_changes_between_interval_and_calendar(play):
    """Either takes the place of the other; jitter and the rest stay."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs), interval=7.0)
        loop.start()
        await stage.sleep(1.0)
        loop.reconfigure(schedule="CRON_TZ=UTC * * * * *")
        by_calendar = loop.interval
        await stage.sleep(180.0)
        many = len(runs)
        loop.reconfigure(jitter=5.0)
        loop.reconfigure(interval=20.0)
        await stage.sleep(46.0)
        return by_calendar, many, [moment for moment, _, _ in runs], counts(loop)

    noon = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    by_calendar, many, moments, ledger = play(story, lambda: virtual_time(at=noon))

    assert (60.0, 4) == (by_calendar, many)
    assert [0.0, 60.0, 120.0, 180.0] == moments[:4]
    assert [200.0, 220.0] == [pytest.approx(moment - 2.5, abs=2.5) for moment in moments[4:]]
    assert {"run": 6} == ledger


def test_a_loop_that_was_given_a_calendar_hears_of_a_clock_that_is_set(play):
    """Its new ticks are watched as those of its start were."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs), interval=7.0)
        loop.start()
        await stage.sleep(1.0)
        loop.reconfigure(schedule="CRON_TZ=UTC 0 4 * * *")
        await stage.sleep(0.5)
        stage.clock.step(16 * 3_600.0)
        await stage.sleep(2.0)
        return [moment for moment, _, _ in runs]

    noon = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    assert [0.0, 1.5] == play(story, lambda: virtual_time(at=noon))


def test_a_loop_that_is_not_running_takes_its_settings_at_its_start(play):
    """New, or stopped: the next start goes by them."""

    async def story(stage):
        runs = []
        loop = stage.loop(seen_by(stage, runs), interval=1.0)
        loop.reconfigure(interval=4.0)
        loop.start()
        await stage.sleep(9.0)
        await stage.stop(loop)
        loop.reconfigure(interval=2.0)
        await stage.sleep(1.0)
        loop.start()
        await stage.sleep(3.0)
        return [moment for moment, _, _ in runs], counts(loop)

    assert ([0.0, 4.0, 8.0, 10.0, 12.0], {"run": 5}) == play(story)


def test_a_shorter_interval_shortens_the_rest_of_a_failing_loop(play):
    """An hour's rest is not waited out by a loop that is to run every second."""

    async def story(stage):
        begun = []

        async def work(ctx):
            begun.append(stage.now())
            if stage.now() < 20_000.0:
                raise OSError("down")

        loop = stage.loop(work, interval=3_600.0, effects="once")
        loop.start()
        await stage.sleep(19_000.0)
        loop.reconfigure(interval=1.0)
        await stage.sleep(30.0)
        return [moment for moment in begun if moment > 18_900.0], sum(counts(loop).values())

    begun, ticks = play(story)

    assert 19_000.0 <= begun[0] <= 19_017.0
    assert len(begun) >= 2
    assert 6 + 30 <= ticks <= 6 + 31


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("interval", value) for value in (-1.0, math.nan, "1", True)),
        *(("jitter", value) for value in (-1.0, 2.5)),
        ("schedule", "every day"),
        ("overlap", "allow"),
        ("missed", 3),
    ],
)
def test_refuses_what_create_loop_refuses(setting, value):
    """The same words for the same mistake, and nothing has changed."""
    engine = QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, interval=2.0)
    with pytest.raises(ConfigurationError) as made:
        engine.create_loop(lambda: None, **({} if setting == "schedule" else {"interval": 2.0}) | {setting: value})
    with pytest.raises(ConfigurationError) as changed:
        loop.reconfigure(**{"overlap": "buffer_all", setting: value})

    assert str(made.value) == str(changed.value)
    assert (2.0, "skip") == (loop.interval, loop._timing.overlap)


def test_an_interval_beside_a_schedule_and_an_assignment_are_refused():
    """What would do nothing is not taken silently."""
    loop = QuantumLoopEngine().create_loop(lambda: None)
    with pytest.raises(ConfigurationError, match="one of them"):
        loop.reconfigure(interval=1.0, schedule="@daily")
    for name in ("interval", "max_iterations"):
        with pytest.raises(AttributeError):
            setattr(loop, name, 5.0)

    assert 1.0 == loop.interval


@pytest.mark.parametrize("seed", range(most(5, 2)))
def test_the_ledger_is_exact_over_random_reconfigurations(seed):
    """Each tick of each grid has one fate: there are as many as arithmetic says, changed from any thread."""
    dice = random.Random(seed)

    async def main():
        runs, expected = [], 0

        async def work(ctx):
            runs.append(ctx.tick.id)
            await ASYNCIO.sleep(dice.choice([0.0, 0.3, 2.2]))
            if dice.random() < 0.3:
                raise OSError("down")

        engine = QuantumLoopEngine()
        loop = engine.create_loop(work, interval=1.0, effects="once", deadline=1.0, overlap="buffer_one")
        loop.start()
        for _ in range(100):
            await ASYNCIO.sleep(dice.uniform(0.0, 10.0))
            before = loop.life.control.schedule
            change = threading.Thread(target=loop.reconfigure, kwargs={"interval": dice.choice([0.5, 1.3, 7.0])})
            change.start()
            changed_at = BLOCKING.now()
            while change.is_alive():
                await ASYNCIO.sleep(0.0)
            expected += before.before(changed_at) if loop.life.control.schedule is not before else 0
        now = BLOCKING.now()
        ledger, still = loop.get_status().ledger, loop.life.control.schedule
        await engine.aclose()
        return runs, expected + still.due(now), ledger.total + ledger.pending

    with virtual_time(seed=seed):
        runs, expected, told = asyncio.run(main())

    assert expected == told
    assert len(set(runs)) == len(runs) > 100
