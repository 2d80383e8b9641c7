"""What a window says of the attempts that ended in it."""

from __future__ import annotations

import math

import pytest

from unbreakable.policies.meter import Meter


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


def test_a_window_is_bounded():
    """Of a million attempts in a second some hundred latencies are looked at."""
    meter = Meter(0.0)
    for _ in range(10_000):
        meter.take([0.1] * 100, 0.5)

    assert 1_000_000 == meter.count
    assert meter.looked_at <= 356
