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
    schedule = Schedule(origin=50.0, interval=2.0, loop="tidy", epoch="e")

    assert Tick(number=0, nominal=50.0, actual=50.1, loop="tidy", epoch="e") == schedule.tick(0, 50.1)
    assert (0, 1) == (schedule.before(50.0), schedule.due(50.0))


def test_ticks_lie_on_the_grid_however_late_the_work_ends():
    """A tick after work that took no whole interval is the next one, at its own moment."""
    schedule = Schedule(origin=10.0, interval=2.0)

    assert (1, 12.0) == (schedule.before(11.9), schedule.moment(1))
    assert (8, 26.0) == (schedule.before(24.7), schedule.moment(8))


def test_a_tick_at_this_very_moment_is_not_over():
    """Work that ends exactly at a tick is followed by that tick."""
    schedule = Schedule(origin=0.0, interval=0.1)

    assert [3, 7, 11] == [schedule.before(number * 0.1) for number in (3, 7, 11)]
    assert [4, 8, 12] == [schedule.due(number * 0.1) for number in (3, 7, 11)]


def test_a_timer_that_fires_a_clock_tick_early_is_on_time():
    """Nobody waits again for less than a microsecond."""
    schedule = Schedule(origin=0.0, interval=2.0)

    assert [2, 1] == [schedule.due(2.0 - EARLY / 2), schedule.due(2.0 - EARLY * 2)]


def test_before_the_origin_there_is_nothing():
    """Whoever asks about an earlier time is told of no ticks."""
    schedule = Schedule(origin=100.0, interval=2.0)

    assert (0, 0, 0) == (schedule.before(0.0), schedule.due(99.9), schedule.before(-math.inf))


@pytest.mark.parametrize("interval", [0.0, 1e-300, 1e-9])
def test_without_an_interval_tick_follows_tick(interval):
    """An interval of nothing, or next to nothing, is at once."""
    schedule = Schedule(origin=5.0, interval=interval)

    assert schedule.is_endless_run
    assert Tick(number=3, nominal=9.0, actual=9.0) == schedule.tick(3, 9.0)


def test_a_century_of_missed_ticks_costs_nothing():
    """What was missed is counted by arithmetic, never one by one."""
    schedule = Schedule(origin=0.0, interval=1e-3, jitter=1e-3)
    began = time.perf_counter()
    number = schedule.before(3.2e9)

    assert time.perf_counter() - began < 60.0
    assert abs(3_200_000_000_000 - number) <= 1


def test_nothing_drifts_over_ten_million_ticks():
    """Tick n is where arithmetic says, to the last bit that a float has."""
    assert 1000.0 + 10_000_000 * 0.1 == Schedule(origin=1000.0, interval=0.1).moment(10_000_000)


@given(origin=moments, interval=intervals, jitter=st.floats(0.0, 1.0), ahead=st.floats(0.0, 1e6))
def test_as_many_ticks_are_over_as_lie_before(origin, interval, jitter, ahead):
    """The last tick that is counted lies before the moment, the next one does not."""
    schedule = Schedule(origin=origin, interval=interval, jitter=jitter * interval, loop="tidy")
    now = origin + ahead
    number, slack = schedule.before(now), EARLY + math.ulp(now) * 4

    assert now <= schedule.moment(number) + slack
    assert number == 0 or schedule.moment(number - 1) < now + slack


def test_jitter_is_the_same_for_the_same_tick_and_spreads_others():
    """A tick is at the same place in each start; those of many loops fill the whole span evenly."""
    schedules = [Schedule(origin=0.0, interval=10.0, jitter=4.0, loop=f"loop-{number}") for number in range(400)]
    places = sorted(schedule.moment(5) - 50.0 for schedule in schedules)

    again = [Schedule(origin=90.0, interval=10.0, jitter=4.0, loop=f"loop-{number}") for number in range(3)]

    assert [schedule.moment(5) + 90.0 for schedule in schedules[:3]] == [each.moment(5) for each in again]
    assert 0.0 <= places[0] < places[-1] < 4.0
    assert all(abs(place - 4.0 * rank / 400) < 0.4 for rank, place in enumerate(places))
    assert len({round(schedules[0].moment(number) - 10.0 * number, 6) for number in range(50)}) == 50
