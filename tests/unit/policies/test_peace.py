"""When a target's wishes to be left in peace become everybody's business, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.policies.peace import AT_MOST, ENOUGH, IN_FLIGHT, SPARED, SPARED_AT_MOST, SPREAD, Peace


def asked(*wishes):
    """Return a peace that was asked for so: seconds, successes so far, moment."""
    peace = Peace()
    for seconds, successes, now in wishes:
        peace.wish(seconds, successes, now)
    return peace


def test_two_wishes_concern_only_those_who_were_told():
    """The third in a row concerns everybody, for as long as the longest of the three lasts."""
    peace = asked((9.0, 5, 0.0), (2.0, 5, 1.0))

    assert (0.0, True, 7.0) == (peace.left(1.0), peace.wish(2.0, 5, 2.0), peace.left(2.0))


def test_a_success_in_between_begins_the_count_anew():
    """A target that serves others meanwhile says what it has too much of, not that it is overwhelmed."""
    peace = asked((9.0, 5, 0.0), (9.0, 5, 1.0), (1.0, 6, 2.0), (1.0, 6, 2.0))

    assert (0.0, True, 1.0) == (peace.left(2.0), peace.wish(1.0, 6, 2.0), peace.left(2.0))


def test_an_answer_that_is_no_success_begins_it_anew_as_well():
    """Whoever is told that nothing is there was served: of lookups that is what most are."""
    peace = asked((9.0, 5, 0.0), (9.0, 5, 1.0))
    peace.serve()

    assert [False, False, True] == [peace.wish(1.0, 5, 2.0) for _ in range(ENOUGH)]
    assert 1.0 == peace.left(2.0)


def test_it_begins_once():
    """A fourth wish may make it longer, and is not told again; a shorter one changes nothing."""
    peace = asked(*[(5.0, 0, 0.0)] * ENOUGH)

    assert (False, 9.0) == (peace.wish(9.0, 0, 0.0), peace.left(0.0))
    assert (False, 9.0) == (peace.wish(1.0, 0, 0.0), peace.left(0.0))


def test_a_success_that_was_under_way_does_not_shorten_it():
    """What was begun before is no sign that more can be borne, and one wish after it is one wish."""
    peace = asked(*[(5.0, 0, 0.0)] * ENOUGH, (1.0, 1, 1.0), (30.0, 1, 1.0))

    assert 4.0 == peace.left(1.0)


def test_shorter_wishes_that_come_meanwhile_do_not_shorten_it():
    """Three in a row make no pause shorter that is in force."""
    peace = asked(*[(50.0, 0, 0.0)] * ENOUGH, *[(1.0, 1, 1.0)] * ENOUGH)

    assert 49.0 == peace.left(1.0)


def test_who_wishes_for_nothing_is_not_left_in_peace():
    """Nobody waits for no time at all, and nobody is told of it; nor does that prolong a row of real wishes."""
    peace = asked(*[(0.0, 0, 7.0)] * ENOUGH)

    assert ([False] * 2, False) == ([peace.wish(0.0, 0, now) for now in (7.0, 8.0)], peace.kept)


def test_nobody_asks_any_more_once_it_is_over():
    """It is ended once, and not before its time."""
    peace = asked(*[(5.0, 0, 0.0)] * ENOUGH)

    assert [False, True, False] == [peace.end(now) for now in (4.9, 5.0, 5.1)]
    assert (False, 0.0) == (peace.kept, peace.left(4.0))


def test_a_wish_right_after_it_brings_it_back():
    """As long as nothing has succeeded one more is enough."""
    peace = asked(*[(5.0, 0, 0.0)] * ENOUGH)
    peace.end(5.0)

    assert (True, 3.0) == (peace.wish(3.0, 0, 6.0), peace.left(6.0))


def test_nobody_waits_for_hours():
    """A wish for a year leaves the target in peace for a minute; then somebody sees whether it still holds."""
    assert 60.0 == asked(*[(10**7, 0, 0.0)] * ENOUGH).left(0.0)


@given(st.floats(0.1, 60.0), st.floats(0.001, 60.0), st.floats(0.0, 1.0, exclude_max=True))
def test_callers_come_back_one_after_the_other_and_in_time(length, more, u):
    """Each has a moment of its own after the end, not long after it, and before its deadline."""
    peace = asked(*[(length, 0, 0.0)] * ENOUGH)
    moment = peace.turn(length + more, u)

    assert length <= moment <= min(length * (1 + SPREAD), length + more)
    assert moment == pytest.approx(length + u * min(SPREAD * length, more / 2))


def test_no_more_callers_wait_than_there_is_room_for():
    """The next one is told so at once; after a fork nobody waits."""
    peace = Peace()

    assert 1_000 == sum(peace.enter() for _ in range(1_005))
    peace.leave()
    assert [True, False] == [peace.enter(), peace.enter()]
    peace.clear()
    assert peace.enter()


def test_a_first_wish_is_one_of_three_whatever_has_succeeded():
    """Nothing came before it, and the pause is as long as from the last of them to the end of the longest."""
    for successes in (0, 1, 5):
        peace = Peace()
        told = [(peace.wish(5.0, successes, now), peace.row) for now in (100.0, 101.0, 102.0)]
        assert [(False, 1), (False, 2), (True, 3)] == told
        assert (0, 107.0, 5.0) == (peace.waiting, peace.until, peace.length)
    assert 0.0 == peace.left(108.0)
    assert 0.0 == Peace().length


def test_a_wish_for_just_as_long_changes_nothing():
    """It is over at the same moment as before, so nobody has to wait longer."""
    peace = asked(*[(5.0, 0, 0.0)] * ENOUGH)

    assert (False, 5.0) == (peace.wish(4.0, 0, 1.0), peace.length)


def test_after_a_fork_there_is_room_for_all_again():
    """None of those who waited comes back."""
    peace = Peace()
    room = [sum(peace.enter() for _ in range(2_000))]
    peace.clear()
    room.append(sum(peace.enter() for _ in range(2_000)))

    assert [1_000] * 2 == room


@pytest.mark.parametrize(
    ("more", "later", "spared"),
    [(0, 0.0, True), (SPARED - 1, 1.0, True), (SPARED, 1.0, False), (0, SPARED_AT_MOST, False)],
)
def test_who_was_asked_too_much_is_spared_for_some_successes_or_a_minute(more, later, spared):
    """Whichever is over sooner; one that never said so is not spared."""
    peace = Peace()
    before = peace.spares(lambda: 7, 5.0)
    peace.refuse(successes=7, now=5.0)

    assert (False, spared) == (before, peace.spares(lambda: 7 + more, 5.0 + later))


def flips(*, refused, served, rows=40):
    """Return a peace of which so many were refused in a row before so many others were served, again and again."""
    peace = Peace()
    for row in range(rows):
        for _ in range(refused):
            peace.wish(0.0, row * served, 0.0)
    return peace, rows * served


@pytest.mark.parametrize(("refused", "served", "enough"), [(1, 99, 3), (1, 9, 6), (1, 2, 12), (2, 2, 19), (2, 1, 31)])
def test_a_row_that_chance_would_have_is_nobody_elses_business(refused, served, enough):
    """Where some are refused and others served, it takes one that comes once in a million times."""
    peace, answers = flips(refused=refused, served=served)
    told = [peace.wish(5.0, answers, 0.0) for _ in range(enough)]

    assert told == [False] * (enough - 1) + [True]


def test_a_few_rows_prove_no_share():
    """Of a target that has hardly been asked three wishes are enough, as they are after many successes."""
    peace, answers = flips(refused=2, served=2, rows=3)
    assert ENOUGH == peace.enough()

    peace, answers = flips(refused=2, served=2)
    peace.wish(1.0, answers + 10_000, 0.0)
    assert ENOUGH == peace.enough()


def test_what_refuses_nearly_all_is_left_in_peace():
    """However likely a row of so many is."""
    peace = Peace()
    for row in range(400):
        for _ in range(peace.enough() - 1):
            peace.wish(0.0, row, 0.0)

    assert AT_MOST == peace.enough()


@pytest.mark.parametrize(("usual", "told"), [(0.5, [False, False, True]), (2.0, [False] * 3), (60.0, [False] * 3)])
def test_a_row_lasts_as_long_as_answers_take(usual, told):
    """Refusals are there at once, and answers to what was asked beside them are not; five seconds do for all."""
    peace = Peace()
    for _ in range(ENOUGH):
        peace.wish(9.0, 5, 0.0, usual)

    assert told == [peace.wish(9.0, 5, now, usual) for now in (0.1, 0.4, 0.5)]
    assert peace.kept or peace.wish(9.0, 5, IN_FLIGHT, usual)


def test_an_outage_is_no_chance():
    """After it three are enough again; rows of forty that come again and again are how that target refuses."""
    outage = asked(*[(5.0, 0, 0.0)] * 1_000, (5.0, 1, 0.0))
    peace, _ = flips(refused=40, served=2)

    assert ENOUGH == outage.enough()
    assert 40 < peace.enough() <= AT_MOST


def test_successes_that_are_missing_for_a_moment_do_no_harm():
    """A count that goes back and forth says that there are answers, and not that there are less than none."""
    peace = Peace()
    for row in range(50):
        for _ in range(2):
            peace.wish(1.0, row % 2, 0.0)

    assert ENOUGH < peace.enough() <= AT_MOST
