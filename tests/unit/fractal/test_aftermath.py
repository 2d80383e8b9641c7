"""Attempts are told apart by how long ago another one had failed, and nothing of it is noted while they succeed."""

from __future__ import annotations

import math
import random
from bisect import bisect_left

import pytest

from unbreakable.fractal.aftermath import MOST_FOLLOWED, MOST_KEPT, Aftermath, Fault
from unbreakable.simulation.spells import spells
from unbreakable.stats import Lags

NEVER = -math.inf


def rows(lags: Lags) -> list[tuple[float, float, float]]:
    return [row for row in lags.value() if row[1]]


def test_successes_between_failures_are_spread_evenly():
    """Of a hundred in the second after a failure, half come in its second half."""
    lags, after = Lags(), Aftermath()
    after.follow(lags, [Fault(0, 10.0, 0.1, NEVER)], 0, NEVER, 10.0)
    after.follow(lags, [], 100, NEVER, 11.024)

    assert sum(seen for _, seen, _ in lags.value()) == pytest.approx(100, abs=0.5)
    assert 50.0 == pytest.approx(next(seen for lag, seen, _ in lags.value() if 0.6 < lag < 0.8), rel=0.02)
    assert (1.0, 1.0) == lags.quiet


def test_a_failure_after_another_one_is_counted_by_its_lag():
    """And it is not one out of a quiet time; one long after is."""
    lags, after = Lags(), Aftermath()
    faults = [Fault(0, 10.0, 0.1, NEVER), Fault(3, 10.5, 0.1, NEVER), Fault(9, 90.0, 0.1, NEVER)]
    after.follow(lags, faults, 9, NEVER, 90.0)

    assert (2.0, 1.0) == (lags.quiet[1], sum(failed for _, _, failed in lags.value()))
    assert 1.0 == next(failed for lag, _, failed in lags.value() if 0.3 < lag < 0.4)


def test_calls_that_come_in_bunches_are_not_spread_over_the_time_between():
    """Ten calls at once each minute: the first one after a failure tells how soon the others came."""
    lags, after = Lags(), Aftermath()
    for minute in range(20):
        now = 60.0 * minute
        after.follow(lags, [Fault(3, now, 0.01, now - 59.98)], 3, now - 59.98, now)
        after.follow(lags, [], 6, now + 0.02, now + 59.9)

    close = sum(seen for lag, seen, _ in lags.value() if lag < 0.3)
    assert close > 60


@pytest.mark.parametrize(("bad", "within"), [(0.8, 0.12), (0.05, None)])
def test_spells_of_trouble_are_found_where_there_are_any(bad, within):
    """Twenty good seconds, half a bad one, twenty calls a second: how likely calls fail then, and how long it lasts."""
    dice, lags, after, now, batch, good = random.Random(4), Lags(), Aftermath(), 0.0, [], 0
    failed, until, trouble, relieved = 0, 20.0, False, NEVER
    for number in range(40_000):
        now += dice.expovariate(20.0)
        while now > until:
            trouble = not trouble
            until += dice.expovariate(2.0 if trouble else 0.05)
        if dice.random() < (bad if trouble or bad < 0.1 else 0.002):
            batch.append(Fault(good, now, 0.003, relieved))
            failed += 1
        else:
            if batch and batch[-1].after == good:
                relieved = now
            good += 1
        if number % 256 == 255:
            after.follow(lags, batch, good, relieved, now)
            batch, good = [], 0
    found = spells(lags, failed / 40_000)

    if within is None:
        assert found is None
    else:
        assert found is not None
        assert found.fails_in_trouble == pytest.approx(bad, abs=within)
        assert 0.3 < found.memory < 0.8
        assert found.share * found.fails_in_trouble == pytest.approx(failed / 40_000, rel=0.2)


def in_spells(seed: int, rate: float = 20.0) -> list[tuple[float, bool]]:
    """Return when 15,000 attempts began and whether they failed: four of five in spells of half a second."""
    dice, now, until, trouble, begun = random.Random(seed), 0.0, 5.0, False, []
    for _ in range(15_000):
        now += dice.expovariate(rate)
        while now > until:
            trouble = not trouble
            until += dice.expovariate(2.0 if trouble else 0.1)
        begun.append((now, dice.random() < (0.8 if trouble else 0.002)))
    return begun


def learned(begun: list[tuple[float, bool]], takes: float, fault: float = 0.003) -> Lags:
    """Return what is learned of these attempts as they end, after so many seconds each."""
    lags, after, batch, good, relieved, streak = Lags(), Aftermath(), list[Fault](), 0, NEVER, False
    ends = sorted((began + (fault if failed else takes), began, failed) for began, failed in begun)
    for number, (end, began, failed) in enumerate(ends):
        if failed:
            batch.append(Fault(good, began, fault, relieved))
        else:
            good, relieved = good + 1, began if streak else relieved
        streak = failed
        if number % 256 == 255:
            after.follow(lags, batch, good, relieved, end, takes)
            batch, good = [], 0
    return lags


@pytest.mark.parametrize(("takes", "rate", "within"), [(0.0, 20.0, 0.1), (0.1, 20.0, 0.12), (0.0, 60.0, 0.1)])
def test_what_follows_failures_is_told_as_if_every_moment_had_been_noted(takes, rate, within):
    """Long spells weigh as much as short ones, and who was under way when a failure came does not follow it."""
    found, true = Lags(), Lags()
    for seed in range(1, 4):
        begun = in_spells(seed, rate)
        found.merge(learned(begun, takes))
        failures = [began for began, failed in begun if failed]
        for began, failed in begun:
            for each in failures[bisect_left(failures, began - 1.0) : bisect_left(failures, began)]:
                true.update(began - each, failed=failed)
    shares = [[row[2] / row[1] for row in each.value()[2:8]] for each in (found, true)]

    assert shares[0] == pytest.approx(shares[1], rel=within)


@pytest.mark.parametrize("batch", [250, 2_000])
def test_failures_far_apart_are_no_spells_however_many_are_taken_at_once(batch):
    """Of two attempts a second one in twenty fails, as many long after another failure as soon after it."""
    dice, lags, after, faults, good = random.Random(5), Lags(), Aftermath(), list[Fault](), 0
    relieved, streak = NEVER, False
    for number in range(24_000):
        failed = dice.random() < 0.05
        if failed:
            faults.append(Fault(good, 0.5 * number, 0.01, relieved))
        else:
            good, relieved = good + 1, 0.5 * number if streak else relieved
        streak = failed
        if number % batch == batch - 1:
            after.follow(lags, faults, good, relieved, 0.5 * number)
            faults, good = [], 0
    shares = [failed / seen for _, seen, failed in lags.value()[9:14]]

    assert shares == pytest.approx([0.05] * 5, abs=0.02)
    assert spells(lags, 0.05) is None


@pytest.mark.parametrize(("takes", "fault"), [(0.007, 0.04), (0.04, 0.007)])
def test_who_fails_late_or_early_fails_no_more_often_after_failures(takes, fault):
    """Where one in twenty fails at any time, so does one in twenty of those that begin just after a failure."""
    dice, now, begun = random.Random(3), 0.0, list[tuple[float, bool]]()
    for _ in range(15_000):
        now += dice.expovariate(300.0)
        begun.append((now, dice.random() < 0.05))
    lags = learned(begun, takes, fault)

    _, seen, failed = (sum(column) for column in zip(*lags.value()[:5], strict=True))
    assert failed / seen == pytest.approx(0.05, abs=0.02)
    assert spells(lags, 0.05) is None


def test_what_is_remembered_is_bounded():
    """Of a thousand failures a handful is kept, none for longer than twenty seconds."""
    lags, after = Lags(), Aftermath()
    for number in range(1_000):
        after.follow(lags, [Fault(0, float(number), 0.1, NEVER)], 0, NEVER, number + 0.5)

    assert 1 <= len(after.kept) <= MOST_KEPT
    assert min(after.kept)[0] > 999.0 - 21.0
    assert 999.0 == after.latest


def test_a_clock_that_steps_back_counts_nothing_twice():
    """Whatever the moments say, no count is negative."""
    lags, after = Lags(), Aftermath()
    after.follow(lags, [Fault(0, 100.0, 0.1, NEVER)], 5, NEVER, 100.0)
    after.follow(lags, [Fault(2, 40.0, 0.1, 90.0)], 7, 90.0, 41.0)

    assert all(0.0 <= failed <= seen for _, seen, failed in lags.value())


class Counting(Lags):
    """Counts how often it is told something."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    def update(self, lag: float = math.inf, times: float = 1.0, *, failed: bool = False) -> None:
        self.told += failed
        super().update(lag, times, failed=failed)


def test_of_very_many_failures_some_stand_for_the_others():
    """A target that is down costs no more than one that fails now and then, and all of its failures count."""
    lags, after = Counting(), Aftermath()
    after.follow(lags, [Fault(number, 10.0 + number / 100, 0.1, NEVER) for number in range(1_000)], 1_000, NEVER, 20.0)

    assert lags.told <= MOST_FOLLOWED * MOST_KEPT + 1
    assert 19.6 < after.latest < 20.0
    row = next(row for row in lags.value() if 1.0 < row[0] < 2.0)
    assert row[2] / row[1] == pytest.approx(0.5, abs=0.05)


def test_the_memory_of_spells_of_hundreds_of_failures_is_told():
    """Trouble that lasts 1.5 s, in which 240 of 300 attempts fail, is remembered for as long, not for a part of it."""
    dice, begun, now = random.Random(8), list[tuple[float, bool]](), 0.0
    for _ in range(60):
        for lasts, share in ((dice.expovariate(0.25), 0.002), (dice.expovariate(1.0 / 1.5), 0.8)):
            until = now + lasts
            while now < until:
                now += dice.expovariate(200.0)
                begun.append((now, dice.random() < share))
    found = spells(learned(begun, 0.0), sum(failed for _, failed in begun) / len(begun))

    assert found is not None
    assert 0.5 < found.memory < 2.0  # 1 / (1 / 4 + 1 / 1.5) = 1.1 is true, and 60 spells tell it to a fifth
    assert found.fails_in_trouble == pytest.approx(0.8, abs=0.1)
