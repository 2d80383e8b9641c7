"""A quota, so many calls in each window: the row of accepted calls at its start is not a target that is back."""

from __future__ import annotations

import math
import random

import pytest

from unbreakable.policies.quota import Quota
from unbreakable.policies.shedding import Shedding


class Windows:
    """Play calls, so many a second, against a target that accepts the first so many in each window of time."""

    def __init__(self, quota: int, window: float, rate: float) -> None:
        self.shedding, self.dice, self.now = Shedding(0.9), random.Random(5), 0.0
        self.quota, self.window, self.rate, self.used, self.number = quota, window, rate, 0, -1
        self.sent = self.accepted = self.shed = 0

    def play(self, seconds: float) -> float:
        """Return how many times what was accepted was sent."""
        self.sent = self.accepted = self.shed = 0
        for _ in range(round(seconds * self.rate)):
            self.now += 1 / self.rate
            self._call()
        return self.sent / self.accepted

    def _call(self) -> None:
        if self.dice.random() < self.shedding.share(self.now):
            self.shed += 1
            return self.shedding.shed(self.now)
        self.sent += 1
        if self._takes():
            self.accepted += 1
            return self.shedding.accept(1, self.now)
        return self.shedding.refuse(self.now)

    def _takes(self) -> bool:
        number = math.floor(self.now / self.window)
        if number != self.number:
            self.number, self.used = number, 0
        self.used += 1
        return self.used <= self.quota


@pytest.mark.parametrize(
    ("quota", "window", "rate"),
    [(5, 1.0, 10), (10, 1.0, 20), (50, 1.0, 100), (50, 1.0, 200), (200, 1.0, 400), (200, 10.0, 40)],
)
def test_what_is_sent_to_a_quota_is_a_little_more_than_what_it_accepts(quota, window, rate):
    """From the fourth window on, by which it is known."""
    windows = Windows(quota, window, rate)
    windows.play(3 * window)

    assert windows.play(30 * window) < 1.2
    assert windows.accepted > 0.65 * 30 * quota


def test_a_quota_that_is_lifted_has_all_its_calls_within_seconds():
    """A row that lasts twice as long as those of the quota ends it."""
    windows = Windows(50, 1.0, 100)
    windows.play(30.0)
    windows.quota = 1_000
    windows.play(8.0)
    windows.play(10.0)

    assert 0 == windows.shed


def test_a_target_that_accepts_all_for_as_long_as_is_remembered_is_back_whatever_was():
    """What calls for shedding then is nothing but what was not sent."""
    shedding = Shedding(0.9)
    for _ in range(20):
        shedding.refuse(0.0)
    for second in range(1, 32):
        shedding.shed(second - 0.5)
        shedding.shed(second - 0.2)
        if second % 12 == 0:
            shedding.accept(1, float(second))
    before = shedding.share(31.0)
    shedding.accept(1, 31.0)

    assert (True, 0.0) == (before > 0.0, shedding.share(31.0))


def rows(*each: tuple[float, float, bool]) -> Quota:
    """Return a quota that has met rows: when each began and ended, and whether calls were shed then."""
    quota = Quota()
    for began, ended, shedding in each:
        quota.begin(began, shedding=shedding)
        quota.end(ended)
    return quota


def explains(quota: Quota, began: float, now: float) -> bool:
    quota.begin(began, shedding=True)
    return quota.explains(now)


def test_two_rows_make_a_quota_and_the_shorter_one_says_how_long():
    """One alone is as well an outage that came back; nor does the order matter."""
    one, two = rows((0.0, 2.0, True)), rows((0.0, 2.0, True), (10.0, 11.0, True))
    other = rows((0.0, 1.0, True), (10.0, 12.0, True))

    assert not explains(one, 20.0, 20.5)
    assert [True, False] == [explains(two, 20.0, now) for now in (21.9, 22.0)]
    assert [True, False] == [explains(other, 20.0, now) for now in (21.9, 22.0)]


def test_shorter_rows_change_nothing_and_longer_ones_do():
    """The two longest are kept, of a thousand."""
    quota = rows((0.0, 2.0, True), (10.0, 12.0, True), *((20.0 + n / 10, 20.05 + n / 10, True) for n in range(1_000)))
    longer = rows((0.0, 2.0, True), (10.0, 12.0, True), (20.0, 25.0, True), (30.0, 35.0, True))

    assert 2 == len(quota.rows)
    assert [True, False] == [explains(quota, 200.0, now) for now in (203.9, 204.0)]
    assert [True, False] == [explains(longer, 200.0, now) for now in (209.9, 210.0)]


def test_a_row_that_began_while_nothing_was_shed_is_health():
    """One in a hundred is refused now and then by a target that is well."""
    assert not explains(rows((0.0, 2.0, False), (10.0, 12.0, False)), 20.0, 20.5)


def test_refusals_before_the_first_accepted_call_are_no_rows():
    """Nothing had begun that they could have ended."""
    quota = Quota()
    quota.end(2.0)
    quota.end(3.0)

    assert not explains(quota, 20.0, 20.5)


@pytest.mark.parametrize(("seconds", "counts"), [(15.0, True), (15.5, False)])
def test_a_row_of_more_than_a_quarter_of_a_minute_is_health(seconds, counts):
    """Whatever it began in."""
    quota = rows((0.0, seconds, True), (100.0, 100.0 + seconds, True))

    assert counts is explains(quota, 200.0, 201.0)


@pytest.mark.parametrize(("after", "counts"), [(299.5, True), (300.0, False)])
def test_a_quota_is_forgotten_after_five_minutes(after, counts):
    """Counted from the end of the rows."""
    quota = rows((-2.0, 0.0, True), (-3.0, 0.0, True))

    assert counts is explains(quota, after, after)


def test_two_outages_in_a_few_minutes_are_no_quota():
    """A target that is down for five seconds of each half minute gets all its calls again when it is back."""
    made, good, served = Shedding(0.9), 0, 0
    for tick in range(20 * 300):
        now = tick / 20
        down = now % 30.0 < 5.0
        sent = (tick * 7919 % 1000) / 1000 >= made.share(now)
        good, served = good + (not down), served + (sent and not down)
        if not sent:
            made.shed(now)
        elif down:
            made.refuse(now)
        else:
            made.accept(1, now)

    assert served > 0.95 * good
