"""The grid of ticks: no drift, no enumeration of what was missed."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.loops.schedule import EARLY, Schedule, Tick

intervals = st.floats(min_value=1e-3, max_value=1e6)
moments = st.floats(min_value=0.0, max_value=1e9)


def test_the_first_tick_is_at_the_origin():
    """A loop begins at once."""
    assert Tick(number=0, nominal=50.0) == Schedule(origin=50.0, interval=2.0).first()


def test_ticks_lie_on_the_grid_however_late_the_work_ends():
    """A tick after work that took no whole interval is the next one, at its own moment."""
    schedule = Schedule(origin=10.0, interval=2.0)

    assert Tick(number=1, nominal=12.0) == schedule.after(0, now=11.9)
    assert Tick(number=8, nominal=26.0) == schedule.after(7, now=24.7)


def test_work_that_takes_longer_than_the_interval_skips_the_ticks_meanwhile():
    """Ticks that pass during an iteration are skipped, and counted."""
    schedule = Schedule(origin=0.0, interval=2.0)

    assert Tick(number=4, nominal=8.0, missed=3) == schedule.after(0, now=6.5)


def test_a_tick_at_this_very_moment_is_not_missed():
    """Work that ends exactly at a tick is followed by that tick."""
    schedule = Schedule(origin=0.0, interval=0.1)

    assert [3, 7, 11] == [schedule.after(0, now=number * 0.1).number for number in (3, 7, 11)]


def test_who_wakes_up_late_runs_once():
    """After a suspended hour, the latest tick runs now, and all before it count as missed."""
    schedule = Schedule(origin=0.0, interval=1.0)
    tick = schedule.after(4, now=4.5)

    assert Tick(number=3605, nominal=3605.0, missed=3600) == schedule.late(tick, now=3605.3)


def test_a_little_late_is_the_same_tick():
    """A timer that fires some milliseconds late still runs its own tick."""
    schedule = Schedule(origin=0.0, interval=1.0)
    tick = schedule.after(4, now=4.5)

    assert tick == schedule.late(tick, now=5.02)


def test_a_timer_that_fires_a_clock_tick_early_is_on_time():
    """Nobody waits again for less than a microsecond."""
    tick = Tick(number=1, nominal=2.0)

    assert [True, False] == [tick.is_due(2.0 - EARLY / 2), tick.is_due(2.0 - EARLY * 2)]


@pytest.mark.parametrize("interval", [0.0, 1e-300, 1e-9])
def test_without_an_interval_tick_follows_tick(interval):
    """An interval of nothing, or next to nothing, is at once."""
    schedule = Schedule(origin=5.0, interval=interval)

    assert Tick(number=3, nominal=9.0) == schedule.after(2, now=9.0)
    assert Tick(number=3, nominal=9.0) == schedule.late(schedule.after(2, now=9.0), now=99.0)


def test_a_century_of_missed_ticks_costs_nothing():
    """What was missed is counted by arithmetic, never one by one."""
    schedule = Schedule(origin=0.0, interval=1e-3)
    began = time.perf_counter()
    tick = schedule.after(0, now=3.2e9)

    assert time.perf_counter() - began < 60.0
    assert 3_200_000_000_000 - 1 == tick.missed


def test_nothing_drifts_over_ten_million_ticks():
    """Tick n is where arithmetic says, to the last bit that a float has."""
    schedule = Schedule(origin=1000.0, interval=0.1)
    tick = schedule.after(9_999_999, now=1000.0)

    assert 1000.0 + 10_000_000 * 0.1 == tick.nominal


@given(origin=moments, interval=intervals, number=st.integers(0, 10**6), ahead=st.floats(0.0, 1e6))
def test_the_next_tick_is_the_first_that_does_not_lie_before_now(origin, interval, number, ahead):
    """Between now and the next tick there is no other tick."""
    schedule = Schedule(origin=origin, interval=interval)
    now = origin + number * interval + ahead
    tick = schedule.after(number, now)
    slack = EARLY + math.ulp(now) * 4

    assert tick.number > number
    assert tick.number == number + 1 + tick.missed
    assert now <= tick.nominal + slack
    assert tick.number == number + 1 or tick.nominal - interval < now + slack
