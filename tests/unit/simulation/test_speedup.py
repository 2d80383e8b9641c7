"""The measured speed-up: never claimed without an interval that leaves no speed-up out."""

from __future__ import annotations

import math
import random

import pytest

from unbreakable.simulation.speedup import Speedup, Stopwatch, speedup, together


def times(median: float, count: int, dice: random.Random) -> list[float]:
    return [dice.lognormvariate(math.log(median), 0.5) for _ in range(count)]


def test_a_true_speed_up_is_found_and_lies_in_its_interval():
    """Ten times faster is told as about ten times faster."""
    dice = random.Random(1)
    found = speedup(times(1.0, 400, dice), times(0.1, 400, dice), "alone")

    assert found is not None
    assert found.low < 10.0 < found.high
    assert 8.5 < found.ratio < 11.5
    assert f"{found.ratio:.1f}x" == str(found)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """At least 95 of 100 intervals hold the true ratio, with few durations and with many."""
    dice = random.Random(2)
    for count in (8, 20, 60, 300):
        rounds, held = 300, 0
        for _ in range(rounds):
            alone, calls = times(2.0, count, dice), times(1.0, count, dice)
            found = speedup(alone, calls, "alone")
            held += found is None or found.low <= 2.0 <= found.high
        assert held / rounds >= 0.95


def test_no_speed_up_is_told_as_none():
    """Where both are the same, hardly ever a speed-up is claimed."""
    dice = random.Random(3)
    claims = sum(speedup(times(1.0, 100, dice), times(1.0, 100, dice), "alone") is not None for _ in range(300))

    assert claims <= 15


def test_a_slow_down_is_told_as_such():
    """What became slower has a ratio below 1."""
    dice = random.Random(4)
    found = speedup(times(1.0, 200, dice), times(3.0, 200, dice), "alone")

    assert found is not None
    assert found.high < 1.0


def test_too_few_durations_say_nothing():
    """Below eight of either side there is no answer."""
    assert None is speedup([1.0] * 7, [0.1] * 100, "alone")
    assert None is Stopwatch("alone").value()


def test_several_are_told_as_their_geometric_mean():
    """Twice and eight times as fast are four times as fast on the whole."""
    two = Speedup(ratio=2.0, low=1.5, high=3.0, n=20, baseline="a")
    eight = Speedup(ratio=8.0, low=6.0, high=12.0, n=30, baseline="a")

    whole = together([two, eight])
    assert whole is not None
    assert (4.0, 50, "a") == (round(whole.ratio, 9), whole.n, whole.baseline)
    assert 3.2 < whole.low < 4.0 * (1.5 / 2.0) ** 0.5  # they were measured by themselves: not both are off by as much
    assert 4.0 * (12.0 / 8.0) ** 0.5 < whole.high < 5.5
    assert None is together([])


def test_what_is_not_measurable_by_itself_belongs_to_the_mean():
    """Of ten jobs that gain nothing one may look as if it did; with the others it does not."""
    lucky = Speedup(ratio=1.2, low=1.02, high=1.4, n=20, baseline="a")
    others = [Speedup(ratio=1.0, low=0.9, high=1.1, n=20, baseline="b")] * 9

    assert 1.02 == pytest.approx(together([lucky]).low)
    assert None is together([lucky, *others])


def test_what_was_counted_of_some_is_told_weighed_by_their_calls():
    """A share of which nobody knows anything does not count as none."""
    some = Speedup(ratio=2.0, low=1.5, high=3.0, n=30, baseline="a", estimator="paired", rescued=0.1, extra_load=0.2)
    more = Speedup(ratio=2.0, low=1.5, high=3.0, n=10, baseline="a", estimator="paired", rescued=0.5, extra_load=0.0)
    others = Speedup(ratio=2.0, low=1.5, high=3.0, n=60, baseline="a")

    whole = together([some, more, others])
    assert (0.2, 0.15) == (round(whole.rescued, 9), round(whole.extra_load, 9))
    assert "paired, or two samples" == whole.estimator
