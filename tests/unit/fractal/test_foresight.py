"""What comes back by a rule is foreseen by age, by count or by the calendar; what does not, is not."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from unbreakable.fractal.foresight import LATE, Foresight, Mended, Rule


class World:
    """A thing that dies by some rule and is mended, in advance or afterwards; calls come at random, one a minute."""

    def __init__(self, dies, *, seed=1, between=60.0, abstains=False):
        self.dies, self.dice, self.between = dies, random.Random(seed), between
        self.foresight, self.abstains = Foresight("mend"), abstains
        self.now = self.successes = self.calls_since = 0
        self.worked_at, self.mended = -math.inf, Mended(-math.inf, 0)
        self.born, self.met, self.applied = 0.0, [], []

    def live(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.now += self.dice.expovariate(1 / self.between)
            self.call()
        return self

    def call(self):
        foresight = self.foresight
        due = foresight.is_due(self.now, self.mended, self.successes)
        if due and foresight.claim(self.now, self.mended, 0.0 if self.abstains else 1.0):
            foresight.count()
            self.mend()
            self.applied.append(self.now)
        if self.dies(self):
            foresight.fell(self.now, self.worked_at, self.mended, self.successes)
            self.met.append(self.now)
            self.mend()
        self.worked_at, self.successes, self.calls_since = self.now, self.successes + 1, self.calls_since + 1

    def mend(self):
        self.born, self.calls_since = self.now, 0
        self.mended = Mended(self.now, self.successes)


def at_an_age(seconds, jitter=0.0):
    return lambda world: world.now - world.born >= seconds * (1 - jitter * random.Random(world.born).random())


def after_calls(most):
    return lambda world: world.calls_since >= most


def every(seconds):
    """Kill whatever was mended before the turn of a period."""
    return lambda world: world.now // seconds > world.born // seconds


def by_chance(world):
    return world.dice.random() < 1 / 60


@pytest.mark.parametrize("between", [20.0, 120.0, 1_500.0, 20_000.0])
@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_what_dies_at_an_age_is_mended_before(between, jitter):
    """After the third death of a token no call runs into another one, whether calls are many or few."""
    world = World(at_an_age(3_600, jitter), between=between).live(200 * max(3_600, between))

    assert len(world.met) <= 3 + (20 if jitter or between > 3_600 else 0)
    assert len(world.applied) <= 1.2 * 200 * max(3_600, between) / 3_600


def test_what_dies_after_so_many_calls_is_mended_before():
    """A quota that is used up is renewed by the count, whenever calls come."""
    world = World(after_calls(100)).live(30_000 * 60)

    assert Rule.COUNT is world.foresight.rule
    assert len(world.met) <= 6
    assert all(later - earlier > 60 for earlier, later in itertools.pairwise(world.applied))


@pytest.mark.parametrize("between", [600.0, 7_200.0])
def test_what_dies_by_the_calendar_is_mended_after_the_hour(between):
    """What a restart every night kills is made anew with the first call after it, and not at an age."""
    night = 86_400.0
    world = World(every(night), between=between).live(100 * night)

    assert Rule.CALENDAR is world.foresight.rule
    assert len([moment for moment in world.met if moment > 8 * night]) <= 10
    assert len(world.applied) <= 100
    assert world.foresight.prevented <= 100 - len(world.met)


def test_what_still_works_on_the_stroke_of_the_clock_is_not_yet_mended():
    """Calls that come on each full hour find it alive at the last one before: then it is too early."""
    night, nights = 86_400.0, {1, 2, 4, 5, 7, 11, 12, 14, 15, 18, 19, 21, 22, 25, 27}
    world = World(lambda world: world.now / night in nights and world.born < world.now)
    for hour in range(1, 24 * 30):
        world.now = 3_600.0 * hour
        world.call()

    assert Rule.CALENDAR is world.foresight.rule
    assert {0.0} == {moment % night for moment in world.applied}
    assert len(world.met) <= 6


@pytest.mark.parametrize("seed", range(10))
def test_what_dies_by_chance_is_not_foreseen_for_long(seed):
    """Deaths without a rule cost next to no remedies that nobody needs."""
    world = World(by_chance, seed=seed).live(500 * 3_600)

    assert len(world.applied) <= 0.1 * len(world.met)


def test_a_control_is_left_out_at_most_once_in_fifty():
    """However long it goes on, at most one due remedy in fifty is left out, and nearly as many are."""
    world = World(at_an_age(3_600), abstains=True)
    for _ in range(400):
        foresight = world.live(3_600).foresight
        assert foresight.abstained <= 0.02 * (foresight.applied + foresight.abstained)

    assert 6 <= foresight.abstained
    assert (len(world.met) - 3, 0, 0) == (foresight.died, foresight.survived, foresight.missed)
    assert pytest.approx(foresight.applied) == foresight.prevented


def test_what_no_longer_dies_is_no_longer_mended_in_advance():
    """A token that was left to die and lives on is not foreseen any more; that it was prevented is not claimed."""
    world = World(at_an_age(3_600), abstains=True).live(49 * 3_600)
    world.dies = lambda world: False
    before = world.foresight.prevented
    world.live(60 * 3_600)

    assert (None, 1) == (world.foresight.rule, world.foresight.survived)
    assert world.foresight.prevented < before
    applied = len(world.applied)
    assert applied == len(world.live(1_000 * 3_600).applied)


def test_a_life_that_became_shorter_is_learned():
    """A token that dies sooner than before is mended sooner, after a few deaths."""
    world = World(at_an_age(3_600)).live(30 * 3_600)
    met = len(world.met)
    world.dies = at_an_age(900)
    world.live(100 * 900)

    assert len(world.met) <= met + 6


def test_one_death_is_one_however_many_calls_see_it():
    """Calls that fail at the same time, or before anybody has mended it, are one death."""
    foresight, mended = Foresight("mend"), Mended(0.0, 0)
    seen = [foresight.fell(now, 99.0, mended, 10) for now in (100.0, 100.0, 101.0)]
    at_once = foresight.fell(200.0, 199.0, Mended(101.0, 20), 30)

    assert [True, False, False, True] == [life is not None for life in (*seen, at_once)]


def test_nobody_else_applies_what_somebody_has_begun_to():
    """A remedy that takes its time is not applied by every call that comes meanwhile."""
    world = World(at_an_age(3_600)).live(4 * 3_600)
    moment = world.mended.at + 3_599
    first = world.foresight.is_due(moment, world.mended, world.successes)
    world.foresight.claim(moment, world.mended, 1.0)

    assert first
    assert not world.foresight.is_due(moment + 10, world.mended, world.successes)
    assert world.foresight.is_due(moment + LATE * 3_600, world.mended, world.successes)
