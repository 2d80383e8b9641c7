"""What is kept of calls and their baselines is bounded, and what is told of it says what it rests on."""

from __future__ import annotations

import math

import pytest

from unbreakable.simulation import pairs
from unbreakable.simulation.pairs import Pairs


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(pairs, "MOST_KEPT", 20)


@pytest.mark.usefixtures("few")
def test_the_newest_calls_are_kept():
    """What was twice as fast and is as fast as alone now has gained nothing; nothing grows."""
    known = Pairs("alone")
    for _ in range(30):
        known.add(1.0, 2.0)
    assert 2.0 == pytest.approx(known.value().ratio, rel=1e-3)
    for _ in range(20):
        known.add(1.0, 1.0)

    assert None is known.value()
    assert 20 == known.estimate().n
    assert {20} == {len(pile) for pile in known._piles}


@pytest.mark.usefixtures("few")
def test_calls_are_told_in_the_order_in_which_they_came():
    """The newest comes last, wherever in the ring it stands: calls in a row may be alike."""
    known, seen = Pairs("alone"), []
    for number in range(27):
        known.add(1.0 + number, 2.0)
    known._reckoned = lambda _, call, *__: seen.append(list(call))
    known.estimate()

    assert [[8.0 + number for number in range(20)]] == seen


def test_too_few_calls_say_nothing():
    """Below eight there is no answer, whatever they are."""
    known = Pairs("alone")
    for _ in range(7):
        known.add(1.0, 2.0)
        assert None is known.estimate()
    for _ in range(13):
        known.add(1.0, 2.0)

    assert None is not known.estimate()


def test_it_says_what_it_rests_on():
    """Baseline, number of calls, how they were compared, who was rescued, and what that cost."""
    known = Pairs("the primary operation alone")
    for number in range(40):
        known.add(1.0, 2.0 if number % 10 else math.inf, sent=1 if number % 10 else 2, rescued=not number % 10)
    found = known.estimate()

    assert (40, "paired", 0.1, pytest.approx(0.1)) == (found.n, found.estimator, found.rescued, found.extra_load)
    said = (
        "<2.0x, 2.0x to 2.0x, of 40 calls, than the primary operation alone, paired, 10.0% rescued, 10.0% extra load>"
    )
    assert said == repr(found)


def test_an_interval_is_reckoned_anew_only_when_there_is_news(monkeypatch):
    """Who asks for the figures again and again has them at once."""
    known, times = Pairs("alone"), []
    monkeypatch.setattr(known, "_reckoned", lambda *_: times.append(1))
    for _ in range(200):
        known.add(1.0, 2.0)
    for _ in range(10):
        known.estimate()
    known.add(1.0, 2.0)
    known.estimate()
    assert 1 == len(times)
    for _ in range(3):
        known.add(1.0, 2.0)
    known.estimate()
    assert 2 == len(times)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("sizes", [[3], [20], [19, 1], [7, 7, 7, 7], [15, 50], [20, 20], [0, 5, 21, 3]])
def test_many_that_are_alike_are_taken_in_at_once(sizes):
    """That comes to the same as to take in one after another."""
    once, each = Pairs("alone"), Pairs("alone")
    for size in sizes:
        calls = [1.0 + number for number in range(size)]
        once.add_alike(calls)
        for call in calls[-20:]:
            each.add(call, call)

    assert [list(map(str, pile)) for pile in each._piles][:2] == [list(map(str, pile)) for pile in once._piles][:2] or (
        any(size > 20 for size in sizes)
    )
    once._reckoned = each._reckoned = lambda _, call, *__: list(call)
    once.added, each.added = max(once.added, 8), max(each.added, 8)
    assert each.estimate() == once.estimate()
