"""Where the rules of a limit meet: what has no level, what is refused all the time, and what lies exactly between."""

from __future__ import annotations

import math

import pytest
from tests.unit.policies.windows_told import Course, grown, humbled, warm

from unbreakable.policies.limiter import EBB_EVERY, HEALTHY, Limiter, Why

SLOW = math.log(3.0)


def at_rest(**made):
    """Return a course whose target is healthy, and is not looked at for a queue."""
    course = warm(**made)
    course.limiter.ebb_at = math.inf
    return course


def test_every_reason_is_told_in_words_of_its_own():
    """Who listens to a limit's changes reads them."""
    reasons = [words for name, words in vars(Why).items() if name.isupper()]

    assert 7 == len({*reasons})
    assert all(" " in words for words in reasons)


def test_two_windows_with_trouble_may_be_an_accident():
    """From the very first window on."""
    course = warm()

    assert [None, None, Why.TROUBLE] == [course.see(SLOW) for _ in range(3)]


@pytest.mark.parametrize("full", [True, False])
def test_a_window_without_a_level_is_no_trouble(full):
    """Nothing has succeeded in it, and nothing was refused."""
    course = at_rest()

    assert [None] * 5 == [course.see(None, full=full, in_flight=20) for _ in range(5)]


def refusing_all_along(refused):
    """Return a course whose target has refused as much from the start, whatever the limit was."""
    course = Course()
    seen = [course.see(refused=refused) for _ in range(5)]
    assert [Why.REFUSALS, Why.FOREIGN] == [why for why in seen if why][-2:]
    assert course.limiter.base is None
    course.limiter.ebb_at = math.inf
    return course


@pytest.mark.parametrize("refused", [0.1, 0.2, 0.3, 0.4])
def test_what_has_refused_from_the_start_is_used_as_it_is(refused):
    """Cutting did not help, so it is no trouble; and nobody knows the level of a healthy target, so nothing grows."""
    course = refusing_all_along(0.4)

    assert [None] * 5 == [course.see(SLOW, refused=refused) for _ in range(5)]
    assert (20.0, None) == (course.limit, course.limiter.base)


@pytest.mark.parametrize(("refused", "is_healthy"), [(0.07, True), (0.08, False)])
def test_half_as_many_refusals_again_as_is_usual_are_no_reason_not_to_grow(refused, is_healthy):
    """They are not for want of a limit, as a cut has shown."""
    course = at_rest()
    course.limiter.usual_refused = 0.05

    assert is_healthy is (course.see(refused=refused) is Why.GROWS)


@pytest.mark.parametrize(
    ("usual", "refused", "after"), [(0.0, 0.05, 0.05), (0.08, 0.05, 0.08), (0.0, 0.3, 0.1), (0.0, 0.0, 0.0)]
)
def test_refusals_that_go_on_under_a_lower_limit_are_usual(usual, refused, after):
    """Up to a tenth of the calls, and no fewer than were known to be."""
    course = warm()
    course.limiter.usual_refused = usual
    assert Why.EBB is course.see(refused=min(refused, 0.05))
    course.see(refused=refused)

    assert after == course.limiter.usual_refused


def test_seven_tenths_of_the_refusals_are_few_enough_for_a_limit_to_have_helped():
    """It stays, and is cut further, as long as so many are refused."""
    course = at_rest()
    for _ in range(3):
        course.see(refused=0.5)
    cut = course.limit
    course.see(refused=0.7 * 0.5)

    assert course.limit == pytest.approx(0.7 * cut)


@pytest.mark.parametrize(("level", "base"), [(-HEALTHY, 0.0), (-HEALTHY - 1e-9, -HEALTHY - 1e-9)])
def test_a_target_that_became_quicker_has_a_new_level(level, base):
    """By a quarter at least."""
    course = at_rest()
    course.see(level, error=0.0)

    assert base == course.limiter.base


@pytest.mark.parametrize(("level", "usual"), [(HEALTHY - 1e-9, 0.0), (HEALTHY, 1.0 + 0.1 * (HEALTHY - 1.0))])
def test_what_is_usual_comes_down_to_the_level_of_a_healthy_target(level, usual):
    """At once where it is healthy again, a tenth of the way where it is not yet."""
    course = at_rest()
    course.limiter.usual = 1.0
    course.see(level)

    assert usual == pytest.approx(course.limiter.usual)


def test_a_limit_that_is_where_it_was_grows_by_the_level_of_a_healthy_target():
    """What is usual by now is measure enough only on the way back."""
    course = humbled(limit=20.0, peak=20.0)
    course.limiter.usual = 0.5
    back = humbled(limit=19.0, peak=20.0)
    back.limiter.usual = 0.5

    assert [None, Why.GROWS] == [each.see(0.3, full=True) for each in (course, back)]


@pytest.mark.parametrize(
    ("limit", "level", "after"),
    [(19.0, HEALTHY, 20.9), (19.0, HEALTHY + 0.01, 20.0), (20.0, HEALTHY + 0.01, 21.0)],
)
def test_a_limit_goes_beyond_where_it_was_only_where_the_target_is_healthy(limit, level, after):
    """Where it has not fallen there is nothing to go back to: then it grows a little, as there is room."""
    course = humbled(limit=limit, peak=20.0)
    course.limiter.usual = 1.0 if limit < 20.0 else 0.0
    course.see(level, error=0.2)

    assert course.limit == pytest.approx(after, abs=1.0 if limit == 20.0 else 1e-9)
    assert limit < course.limit


def test_a_level_within_twice_its_error_is_taken_for_the_same():
    """It counts as one look of several; what lies beyond is let in only slowly."""
    bases = []
    for level in (0.02, 0.0201):
        course = warm()
        assert Why.EBB is course.see()
        assert Why.FOREIGN is course.see(level, error=0.01)
        bases.append(course.limiter.base)

    assert [0.01, 0.0025] == pytest.approx(bases)


# ── too high ────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused_at_once(course):
    """Raise the limit, and have the target refuse what came of that."""
    while course.see() is not Why.GROWS:
        pass
    return course.see(refused=0.5)


def test_a_limit_that_was_too_high_is_taken_back_and_that_is_told():
    """At once, with the reason; it takes three more windows with trouble to cut it."""
    course = grown()
    before = course.limit
    why = refused_at_once(course)

    assert (Why.REFUSALS, before) == (why, course.limit)
    assert [None, None, Why.REFUSALS] == [course.see(refused=0.5) for _ in range(3)]


def test_it_is_raised_ever_more_rarely_as_long_as_that_is_too_high():
    """One window later, three, four at most; after a raise that went well it is one again."""
    course = grown()
    course.limiter.ebb_at = math.inf
    waits = []
    for _ in range(3):
        refused_at_once(course)
        waits.append(course.limiter.held)
    while course.see() is not Why.GROWS:
        pass
    course.see()
    refused_at_once(course)

    assert [1, 3, 4, 1] == [*waits, course.limiter.held]


def test_a_new_limit_is_looked_at_for_a_queue_at_once_and_then_once_a_minute():
    """Or less often, where windows take long."""
    course = warm()
    course.see()
    course.see()

    assert course.now + EBB_EVERY == course.limiter.ebb_at
    assert 0.0 == Limiter(20, 1, 100, 0.0).ebb_at
