"""What a window says of the attempts that ended in it."""

from __future__ import annotations

import math

import pytest

from unbreakable.policies.meter import JITTER, Meter


def test_an_attempt_that_was_cut_took_at_least_so_long():
    """It counts once, as refused and as slow; one that the target refused has no latency."""
    meter = Meter(0.0)
    for _ in range(3):
        meter.take([1.0], 1.0)
    meter.cut(5.0, 1.0)
    meter.refuse(1.0)
    reading = meter.read(1.0)

    assert (8.0, 0.4) == (reading.in_flight, reading.refused)
    assert math.log(5.0) / 4 == pytest.approx(reading.level, abs=0.01)


def test_what_began_before_a_window_is_no_part_of_it():
    """Until calls made under the limit before have ended, nothing is taken."""
    meter = Meter(10.0)
    meter.take([9.0], 9.9)
    meter.cut(9.0, 9.9)
    meter.refuse(9.9)

    assert (0, 0, 0.0) == (meter.count, meter.refused, meter.seconds)
    meter.take([9.0], 10.0)
    meter.cut(9.0, 10.0)
    meter.refuse(10.0)
    assert (1, 2, 18.0) == (meter.count, meter.refused, meter.seconds)


def test_so_many_latencies_are_looked_at():
    """Of the attempts after those only how many they are, and how long they took in all."""
    meter = Meter(0.0)
    meter.take([0.999] * 256, 0.5)
    meter.take([9.0] * 4, 0.5)

    assert (256, 260) == (meter.looked_at, meter.count)
    assert 0.0 == pytest.approx(meter.read(1.0).level)


def test_a_window_is_bounded():
    """Of a million attempts in a second some hundred latencies are looked at."""
    meter = Meter(0.0)
    for _ in range(10_000):
        meter.take([0.1] * 100, 0.5)

    assert 1_000_000 == meter.count
    assert meter.looked_at <= 356


@pytest.mark.parametrize(
    ("spread", "count", "refused", "now", "full"),
    [
        (0.0, 30, 0, 1.0, True),
        (0.0, 29, 0, 1.0, False),
        (0.0, 29, 1, 1.0, True),
        (0.0, 1_000, 0, 0.99, False),
        (1.0, 100, 0, 1.0, True),
        (1.0, 99, 0, 1.0, False),
        (1.2, 143, 0, 1.0, False),
        (1.2, 145, 0, 1.0, True),
        (5.0, 200, 0, 9.0, True),
        (5.0, 199, 0, 9.0, False),
    ],
)
def test_a_window_is_full_when_its_latency_can_be_told(spread, count, refused, now, full):
    """Thirty attempts that are alike, up to two hundred that are not, and a second."""
    meter = Meter(0.0)
    meter.spread = spread
    meter.take([0.1] * count, 0.5)
    for _ in range(refused):
        meter.refuse(0.5)

    assert full is meter.is_full(now)


@pytest.mark.parametrize(
    ("took", "now", "stale"),
    [
        ([], 60.0, False),
        ([], 60.1, True),
        ([0.1], 60.1, True),
        ([4.0], 80.0, False),
        ([2.0, 6.0], 80.0, False),
        ([2.0, 6.0], 80.1, True),
    ],
)
def test_a_window_is_stale_after_a_minute_or_twenty_latencies(took, now, stale):
    """Whichever is longer: a target that takes four seconds needs its time to show anything."""
    meter = Meter(0.0)
    meter.take(took, 0.0)

    assert stale is meter.is_stale(now)


def test_a_window_is_read_in_logarithms():
    """By hand: two latencies a factor of e² apart, of which the spread is 1, in a window of four seconds."""
    meter = Meter(10.0)
    nothing = meter.read(10.0)
    low = math.e - JITTER
    meter.take([low, low * math.e**2 + JITTER * (math.e**2 - 1)], 12.0)
    meter.full = True
    reading = meter.read(14.0)

    assert (None, math.inf, 0.0, 0.0, False, 0.0) == nothing
    assert (2.0, 1.0 / math.sqrt(2), True) == (
        pytest.approx(reading.level),
        pytest.approx(reading.error),
        reading.full,
    )
    assert (math.e + math.e**3) / 4 == pytest.approx(reading.in_flight, rel=1e-3)
    assert 1.0 == pytest.approx(meter.spread)


def test_latencies_that_are_alike_are_believed_little_by_little():
    """The error is never less than half of the spread that was seen lately, of which each reading is a third."""
    meter = Meter(0.0)
    meter.take([0.999] * 4, 0.5)
    errors = [meter.read(1.0).error for _ in range(2)]

    assert [0.7 / 4, 0.49 / 4] == pytest.approx(errors)
    assert 0.49 == pytest.approx(meter.spread)


def test_a_window_that_begins_anew_knows_nothing_but_how_spread_latencies_are():
    """From its moment on."""
    meter = Meter(0.0)
    meter.take([1.0, 2.0], 0.0)
    meter.cut(3.0, 0.0)
    meter.hold(9, 1.0)
    meter.full, meter.spread = True, 0.7
    meter.begin(5.0)

    assert (5.0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 5.0, False, 0.7) == (
        *(meter.at, meter.count, meter.looked_at, meter.refused, meter.sum, meter.squares, meter.seconds),
        *(meter.held, meter.held_at, meter.full, meter.spread),
    )


@pytest.mark.parametrize(("took", "in_flight"), [(0.1, (10 * 2.0 + 4 * 1.0) / 3.0), (50.0, 100 / 3.0)])
def test_places_that_are_held_beyond_an_attempt_are_in_use(took, in_flight):
    """So many until each look at them; of attempts that took longer in all there were more."""
    meter = Meter(0.0)
    for places, now in ((10, 2.0), (4, 3.0), (9, 3.0), (9, 2.0)):
        meter.hold(places, now)
    meter.take([took] * 2, 3.0)

    assert (in_flight, 12.0) == (pytest.approx(meter.read(3.0).in_flight), meter.read(3.0).held)


def test_what_is_held_before_a_window_begins_is_none_of_it():
    """It begins once all is over that had begun before."""
    meter = Meter(0.0)
    meter.begin(5.0)
    meter.hold(9, 4.0)
    meter.hold(3, 6.0)

    assert (3.0, 3.0) == (meter.read(7.0).held, 2 * meter.read(7.0).in_flight)


@pytest.mark.parametrize(("now", "stale"), [(80.0, False), (80.1, True)])
def test_a_window_of_places_that_are_held_for_long_is_given_its_time(now, stale):
    """Ten of them for two seconds, by five calls: four seconds each."""
    meter = Meter(0.0)
    meter.hold(10, 2.0)
    meter.take([0.1] * 5, 2.0)

    assert stale is meter.is_stale(now)


def test_a_share_is_one_of_all_that_were_sent():
    """Also where there was one alone, and it was refused."""
    meter = Meter(0.0)
    meter.refuse(0.5)

    assert (1.0, None) == (meter.read(1.0).refused, meter.read(1.0).level)


def test_what_was_answered_by_a_no_was_in_flight_and_is_none_of_what_is_refused():
    """Of how long successes take it says nothing, nor is it told of what began before the window."""
    meter = Meter(0.0)
    meter.take([0.5] * 2, 1.0)
    meter.refuse(1.0)
    for now in (-1.0, 1.0, 1.0):
        meter.answer(1.5, now)
    reading = meter.read(2.0)

    assert (2.0, 0.2) == (pytest.approx(reading.in_flight), pytest.approx(reading.refused))
    assert math.log(0.5 + JITTER) == pytest.approx(reading.level)
    assert 2 == meter.count
    assert (False, True) == (meter.is_stale(60.0), meter.is_stale(60.1))
    meter.begin(3.0)
    assert 0 == meter.answers
