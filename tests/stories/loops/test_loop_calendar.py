"""Loops that keep to the time of day."""

from __future__ import annotations

import datetime as dt
import random
from zoneinfo import ZoneInfo

import pytest
from tests.dense import most
from tests.stories.loops.conftest import counts

from unbreakable.loops import QuantumLoopEngine
from unbreakable.runtime import BLOCKING
from unbreakable.testing import virtual_time

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400.0


def test_a_loop_keeps_to_the_calendar(play):
    """It runs at the times of day, is waited for by who sets the clock, and its ticks are named after them."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append(ctx.tick.id)

        stage.clock.step(dt.datetime(2026, 10, 24, 22, tzinfo=BERLIN).timestamp() - BLOCKING.wall())
        loop = stage.loop(work, schedule="CRON_TZ=Europe/Berlin 30 2 * * *")
        loop.start()
        await stage.sleep(3 * 86_400.0)
        return seen, counts(loop), loop.get_status().interval

    seen, ledger, interval = play(story)

    assert seen == [
        "work/2026-10-25T02:30:00+02:00",
        "work/2026-10-26T02:30:00+01:00",
        "work/2026-10-27T02:30:00+01:00",
    ]
    assert ledger == {"run": 3}
    assert interval == 86_400.0


def test_a_clock_that_is_set_is_noticed_at_once(play):
    """Whatever the loop waits for, the next tick is the next one by the new time."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append(f"{ctx.tick.date:%d %H:%M} at {stage.now() / 3600:g} h")

        stage.clock.step(dt.datetime(2026, 10, 24, 22, 30, tzinfo=BERLIN).timestamp() - BLOCKING.wall())
        loop = stage.loop(work, schedule="CRON_TZ=Europe/Berlin 0 */6 * * *")
        loop.start()
        await stage.sleep(3_600.0)
        stage.clock.step(4 * 3_600.0)  # half past eleven is half past three: an hour comes twice on that day
        await stage.sleep(DAY / 2)
        stage.clock.step(-3 * DAY)
        await stage.sleep(DAY / 2)
        return seen, counts(loop)

    assert play(story) == (
        ["25 06:00 at 4.5 h", "25 12:00 at 10.5 h", "22 18:00 at 15.5 h", "23 00:00 at 21.5 h"],
        {"run": 4, "skipped_missed": 1},
    )


@pytest.mark.parametrize("fails", [False, True])
def test_years_are_accounted_for(fails, present):
    """Over all days of 23 and 25 hours, with faults at random, each tick of a grid and of the calendar has one fate."""
    years, dice = most(10, 0.1), random.Random(7)
    begins = dt.datetime(2026, 3, 20, tzinfo=BERLIN)
    ends = begins.timestamp() + years * 365.25 * DAY

    def work():
        if fails and dice.random() < 0.05:
            raise ConnectionResetError if dice.random() < 0.5 else ValueError("wrong")

    with virtual_time(at=begins) as clock:
        engine = QuantumLoopEngine()
        grid = engine.create_loop(work, name="grid", interval=300.0)
        calendar = engine.create_loop(work, name="calendar", schedule="CRON_TZ=Europe/Berlin 30 2 * * *")
        grid.start()
        calendar.start()
        clock.advance(ends - begins.timestamp())
        ledgers = [loop.get_status().ledger for loop in (grid, calendar)]
        engine.aclose_sync()

    days = (dt.datetime.fromtimestamp(ends, BERLIN).date() - begins.date()).days
    assert ledgers[0].total + ledgers[0].pending == int(years * 365.25 * DAY / 300.0) + 1
    assert ledgers[1].total in (days, days + 1)
    assert all(ledger.skipped_missed == ledger.skipped_overlap == 0 for ledger in ledgers)
    assert (ledgers[0].healed > 0) is fails
