"""Which share of the calls is refused here, by what the target accepts; none as soon as it is back."""

from __future__ import annotations

import random

import pytest

from unbreakable.policies.shedding import Shedding

EVERY = 0.01  # seconds between two calls


class Backend:
    """Play calls against a target that accepts so many a second, and refuses the others."""

    def __init__(self, accept: float = 0.9) -> None:
        self.shedding, self.dice, self.now = Shedding(accept), random.Random(5), 0.0
        self.accepts = 1_000.0  # a second
        self.left, self.sent, self.shed, self.refused = 0.0, 0, 0, 0

    def play(self, seconds: float, priority: str = "normal") -> Backend:
        self.sent = self.shed = self.refused = 0
        for _ in range(round(seconds / EVERY)):
            self.now += EVERY
            self.left = min(20.0, self.left + self.accepts * EVERY)
            self._call(priority)
        return self

    def _call(self, priority: str) -> None:
        if self.dice.random() < self.shedding.share(self.now, priority):
            self.shedding.shed(self.now)
            self.shed += 1
            return
        self.sent += 1
        if self.left >= 1.0:
            self.left -= 1.0
            self.shedding.accept(1, self.now)
        else:
            self.shedding.refuse(self.now)
            self.refused += 1


@pytest.mark.parametrize("accepts", [20.0, 50.0, 80.0])
def test_what_is_sent_is_a_little_more_than_what_is_accepted(accepts):
    """In the long run about one in ten of what is sent is refused, whatever the target accepts."""
    backend = Backend()
    backend.accepts = accepts
    backend.play(60.0)
    backend.play(60.0)

    assert backend.sent / 60.0 == pytest.approx(accepts / 0.9, rel=0.25)


def test_a_few_refusals_refuse_nothing():
    """One call in twenty that fails is within what is tolerated."""
    shedding = Shedding(0.9)
    for number in range(1, 1_000):
        if number % 20:
            shedding.accept(1, number / 10)
        else:
            shedding.refuse(number / 10)
        assert shedding.share(number / 10) == 0.0


def test_the_first_failures_of_few_calls_refuse_nothing():
    """Of nine calls nothing can be told."""
    shedding = Shedding(0.9)
    for _ in range(9):
        shedding.refuse(1.0)

    assert shedding.share(1.0) == 0.0


def test_of_a_dead_target_one_call_in_ten_is_still_sent():
    """So it is seen when it is back."""
    backend = Backend()
    backend.accepts = 0.0
    backend.play(30.0)
    backend.play(30.0)

    assert 0.9 == backend.shedding.share(backend.now)
    assert backend.sent == pytest.approx(300, rel=0.2)


@pytest.mark.parametrize(("accepts", "seconds"), [(0.0, 2.0), (20.0, 8.0)])
def test_a_target_that_is_back_has_all_its_calls_within_a_few(accepts, seconds):
    """Half a minute of refusals is forgotten as soon as more calls in a row are accepted than chance would have it."""
    backend = Backend()
    backend.accepts = accepts
    backend.play(60.0)
    backend.accepts = 1_000.0
    backend.play(seconds)
    back = backend.play(5.0)

    assert (0, 0) == (back.shed, back.refused)


def test_luck_is_not_taken_for_a_target_that_is_back():
    """While half of what is sent is refused at random, for hours, the share is hardly ever forgotten."""
    shedding, dice, forgotten = Shedding(0.5), random.Random(3), 0
    for number in range(20_000):
        now = number * EVERY
        if dice.random() < 0.3:
            shedding.accept(1, now)
        else:
            shedding.refuse(now)
        forgotten += number > 100 and shedding.share(now) == 0.0

    assert forgotten < 200


def test_what_is_long_ago_is_forgotten():
    """After half a minute without a call nothing is refused."""
    shedding = Shedding(0.9)
    for _ in range(100):
        shedding.refuse(1.0)

    assert shedding.share(29.0) > 0.8
    assert shedding.share(34.0) == 0.0


def test_the_less_important_are_refused_first_and_the_important_hardly():
    """At the same moment the share falls with the importance."""
    shedding = Shedding(0.9)
    shedding.accept(70, 1.0)
    for _ in range(30):
        shedding.refuse(1.0)
    shares = [shedding.share(1.0, name) for name in ("low", "normal", "high", "critical")]

    assert sorted(shares, reverse=True) == shares
    assert shares[0] > shares[1] > 0.0 == shares[2] == shares[3]


def test_a_target_that_accepts_everything_is_sent_everything():
    """With the strictest tolerance and the least important calls, too."""
    shedding = Shedding(1.0)
    shedding.accept(1_000, 1.0)

    assert 0.0 == shedding.share(1.0, "low")


def test_it_is_bounded():
    """A year of calls keeps ten buckets."""
    shedding = Shedding(0.9)
    for day in range(365):
        shedding.refuse(86_400.0 * day)
        shedding.accept(1, 86_400.0 * day + 29.0)

    assert len(shedding.buckets) <= 11


# ── one call at a time ──────────────────────────────────────────────────────────────────────────────────────────────


def told(calls, now=0.0, shedding=None):
    """Return what is decided after so many *calls*: "+" is one that was accepted, "-" one that was refused."""
    shedding = shedding or Shedding(0.9)
    for call in calls:
        if call == "+":
            shedding.accept(1, now)
        else:
            shedding.refuse(now)
    return shedding


@pytest.mark.parametrize(("calls", "refuses"), [(9, False), (10, True)])
def test_ten_calls_are_enough_to_tell(calls, refuses):
    """Of fewer nothing is known."""
    assert refuses is (told("-" * calls).share(0.0) > 0.0)


@pytest.mark.parametrize(
    ("calls", "is_back"),
    [
        ("-" * 20 + "++", False),
        ("-" * 20 + "+++", True),
        ("-" * 20 + "++-++", False),
        ("+-" * 10 + "+" * 19, False),
        ("+-" * 10 + "+" * 20, True),
        ("+++-" * 10 + "+" * 48, False),
        ("+++-" * 10 + "+" * 49, True),
    ],
)
def test_a_target_is_back_when_so_many_accepted_in_a_row_are_no_luck_any_more(calls, is_back):
    """After three where none was accepted before, after twenty where every other one was."""
    shedding = told(calls, shedding=Shedding(0.99))
    told("-" * 8, shedding=shedding)

    assert is_back is (shedding.share(0.0) == 0.0)


def test_a_single_refusal_is_forgotten_after_three_that_were_accepted():
    """So that it does not count among the next ten."""
    assert 0.0 == told("-" * 6, shedding=told("-+++")).share(0.0)


def test_what_was_accepted_all_along_is_no_news():
    """Nothing is forgotten for it, so it counts when there are refusals."""
    shedding = told("-" * 10, shedding=told("+" * 90))

    assert (100 - 90 / 0.9) / 101 == pytest.approx(shedding.share(0.0))


@pytest.mark.parametrize("began", [0.0, 2.9, 1e6, -7.3])
def test_half_a_minute_is_remembered_whatever_the_clock_says(began):
    """From the first call on."""
    shedding = told("-" * 20, now=began)

    assert [True, False] == [shedding.share(began + seconds) > 0.0 for seconds in (29.9, 30.1)]


def test_it_is_forgotten_little_by_little():
    """Three seconds at a time."""
    shedding = told("-+" * 10, now=15.0, shedding=told("-" * 10, now=0.0))

    assert [(30 - 10 / 0.9) / 31, (20 - 10 / 0.9) / 21] == pytest.approx([shedding.share(now) for now in (29.0, 31.0)])


def test_a_failure_that_is_no_refusal_was_accepted_and_proves_nothing():
    """Alone it refuses nobody; after an outage it lessens the share as any accepted call does, and ends nothing."""
    alone, after = Shedding(0.9), Shedding(0.9)
    for _ in range(50):
        alone.fail(1.0)
        after.refuse(1.0)
    full = after.share(1.0)
    for _ in range(50):
        after.fail(2.0)

    assert (0.0, 0.9) == (alone.share(1.0), full)
    assert 0.4 < after.share(2.0) < 0.5
