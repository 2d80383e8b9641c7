"""What a window with trouble, or the end of a trial, does to a limit: the numbers are the rules', done by hand."""

from __future__ import annotations

import math

import pytest
from tests.unit.policies.windows_told import ERROR, Course, grown, humbled, warm

from unbreakable.policies.limiter import Limiter, Why


def test_the_first_window_says_nothing_and_the_second_is_the_level():
    """The quick calls come back first, so what they say would be the measure of all others."""
    course = warm(level=0.7)

    assert (20.0, 0.7, 0.7, 1) == (course.limit, course.limiter.base, course.limiter.usual, course.limiter.looks)


@pytest.mark.parametrize(("share", "base"), [(0.09, 0.0), (0.1, None)])
def test_a_target_that_refuses_a_tenth_has_no_level_yet(share, base):
    """What a target in trouble does is no measure of its health."""
    course = Course()
    course.see()
    course.see(refused=share)

    assert base == course.limiter.base


@pytest.mark.parametrize(("least", "first", "most", "limit"), [(1, 20, 10, 10), (30, 20, 100, 30), (1, 20, 100, 20)])
def test_the_first_limit_lies_between_least_and_most(least, first, most, limit):
    """What is pinned holds from the first call on."""
    assert limit == Limiter(first, least, most, 0.0).whole


def test_a_limit_is_a_number_of_whole_places():
    """A fraction is no place, but an error in the last digit of a whole number takes none away."""
    course = Course()
    wholes = []
    for limit in (7.0 - 1e-12, 6.9, 7.9):
        course.limiter.limit = limit
        wholes.append(course.limiter.whole)

    assert [7, 6, 7] == wholes


# ── a look for a queue ───────────────────────────────────────────────────────────────────


def test_a_full_limit_is_tried_with_three_fifths():
    """What began before is given twice the usual latency to end, before anything is concluded."""
    course = warm(level=math.log(2.0))
    why = course.see(math.log(2.0))

    assert (Why.EBB, 12.0) == (why, course.limit)
    assert pytest.approx([1.0, 2.0, 3.0 + 2 * 2.0]) == course.limiter.meter.begun


@pytest.mark.parametrize(
    ("usual", "level", "wait"),
    [
        (math.log(29.0), math.log(29.0), 58.0),
        (math.log(31.0), math.log(31.0), 60.0),
        (0.0, None, 2.0),
        (0.0, 0.2, 2.44),
    ],
)
def test_what_began_before_a_cut_is_waited_for_at_most_a_minute(usual, level, wait):
    """Twice the latency now, or the usual one if that is more, or there is none."""
    course = warm(level=usual)

    assert Why.EBB == course.see(level)
    assert pytest.approx(wait, rel=0.01) == course.limiter.meter.begun[-1] - course.now


@pytest.mark.parametrize(("held", "wait"), [(0.9, 2.0), (5.0, 10.0), (31.0, 60.0)])
def test_a_cut_shows_once_those_have_gone_who_hold_their_places_for_long(held, wait):
    """Twice as long as they do, which is longer than the latency; a minute at most."""
    course = warm()

    assert Why.EBB == course.see(held=held)
    assert pytest.approx(wait) == course.limiter.meter.begun[-1] - course.now


@pytest.mark.parametrize(("refused", "why"), [(0.09, Why.EBB), (0.1, Why.REFUSALS)])
def test_a_target_that_always_refuses_some_is_tried_for_that(refused, why):
    """Whether fewer in flight are refused less is what is looked for then."""
    course = humbled()
    course.limiter.usual_refused, course.limiter.ebb_at = 0.2, 0.0

    assert why == course.see(refused=refused)


@pytest.mark.parametrize(
    ("window", "tried"),
    [
        ({}, True),
        ({"full": False}, False),
        ({"in_flight": 10.0}, True),
        ({"in_flight": 9.9}, False),
    ],
)
def test_only_a_limit_that_is_reached_and_used_is_tried(window, tried):
    """Half of its places are taken, and somebody found none."""
    course = warm()
    course.see(**window)

    assert tried is (course.limiter.trial is not None)


def test_the_least_limit_is_not_tried():
    """There is nothing below it."""
    course = warm(first=5, least=5, most=5)

    assert (None, None) == (course.see(), course.limiter.trial)


@pytest.mark.parametrize(("later", "why"), [(59.9, Why.GROWS), (60.0, Why.EBB)])
def test_a_queue_is_looked_for_once_a_minute(later, why):
    """One window in sixty at three fifths of the limit is the price."""
    course = grown()

    assert why == course.see(seconds=later)


@pytest.mark.parametrize(("later", "why"), [(299.0, Why.GROWS), (301.0, Why.EBB)])
def test_where_windows_are_long_there_are_thirty_between_two_looks(later, why):
    """A target that is slow to answer is not looked into in every other window."""
    course = warm()
    course.see()
    course.see(seconds=12.0)  # of which two were waited for

    assert why == course.see(seconds=later)


# ── what it has shown ────────────────────────────────────────────────────────────────────

FALLEN = math.log(20.0 / 12.0)


@pytest.mark.parametrize(
    ("relief", "limit", "why"),
    [
        (0.0, 20.0, Why.FOREIGN),
        (0.028, 20.0, Why.FOREIGN),  # within twice the error of both windows, 0.0283
        (0.035, 20.0 * math.exp(-0.035), Why.FOREIGN),
        (0.05, 20.0 * math.exp(-0.05), Why.FOREIGN),
        (0.59 * FALLEN, 20.0 * math.exp(-0.59 * FALLEN), Why.FOREIGN),
        (0.61 * FALLEN, 0.6 * 12.0, Why.QUEUE),
        (FALLEN, 0.6 * 12.0, Why.QUEUE),
        (-0.2, 20.0, Why.FOREIGN),
    ],
)
def test_a_cut_has_shown_a_queue_if_the_latency_fell_in_step(relief, limit, why):
    """By six tenths at least; then there may be more of it, and if surely by less, the limit is that much lower."""
    course = warm()
    course.see()
    found = course.see(-relief)

    assert pytest.approx(limit) == course.limit
    assert found == (None if limit == 12.0 else why)


def test_a_limit_that_helped_less_than_the_cut_is_no_lower_than_the_cut():
    """What was tried has been borne well."""
    course = warm()
    course.see()
    course.see(-0.55, in_flight=1.0)

    assert pytest.approx(12.0) == course.limit


@pytest.mark.parametrize(
    ("window", "why"),
    [
        ({"in_flight": 20.0 * math.exp(-0.149)}, Why.UNTOLD),
        ({"in_flight": 20.0 * math.exp(-0.151)}, Why.FOREIGN),
        ({"level": None}, Why.UNTOLD),
        ({"in_flight": 0.0}, Why.FOREIGN),
    ],
)
def test_a_cut_that_changed_little_tells_nothing(window, why):
    """Fewer calls were in flight by less than a seventh, or no latency is known: the limit is what it was."""
    course = warm()
    course.see()

    assert why == course.see(**window)
    assert 20.0 == course.limit


def test_an_empty_window_before_a_cut_is_no_error():
    """Nothing in flight is no logarithm."""
    course = warm()
    course.see()
    reading = course.limiter.trial.reading._replace(in_flight=0.0)
    course.limiter.trial = course.limiter.trial._replace(reading=reading)

    assert Why.UNTOLD == course.see()


@pytest.mark.parametrize(
    ("before", "after", "relief", "limit"), [(20.0, 0.5, 2.0, 12.0), (0.5, 0.25, 0.5, 7.2), (20.0, 0.5, 2.3, 7.2)]
)
def test_less_than_one_call_in_flight_counts_as_what_it_is(before, after, relief, limit):
    """On average there may be half a call at a target."""
    course = warm()
    course.see()
    reading = course.limiter.trial.reading._replace(in_flight=before)
    course.limiter.trial = course.limiter.trial._replace(reading=reading)
    course.see(-relief, in_flight=after)

    assert pytest.approx(limit) == course.limit


def test_a_trial_that_began_without_a_level_tells_nothing():
    """There is nothing to compare with."""
    course = warm()
    course.see(None)

    assert (Why.UNTOLD, 20.0) == (course.see(), course.limit)


def test_a_helpful_cut_is_judged_against_what_is_usual():
    """Where the level lies, far up or down, says nothing."""
    course = warm(level=0.4)
    course.see(0.4), course.see(0.4)
    for _ in range(3):
        course.see(3.0, in_flight=20.0)
    course.see(0.6, in_flight=2.0)

    assert (10.0, None) == (course.limit, course.limiter.trial)


def test_a_trial_whose_end_nobody_sees_is_taken_back():
    """When the traffic ends, the window begins anew and the limit is what it was."""
    course = warm()
    course.see()
    course.limiter.meter.stale = True
    change = course.limiter.look(99.0)

    assert ((12, 20, Why.UNTOLD), 20.0) == (change, course.limit)
    assert (None, 99.0) == (course.limiter.trial, course.limiter.meter.begun[-1])
    assert course.limiter.look(100.0) is None


def test_a_window_that_goes_on_changes_nothing():
    """Nothing is begun before it is full, or stale."""
    course = warm()

    assert (None, 2) == (course.limiter.look(2.5), len(course.limiter.meter.begun))


# ── trouble ──────────────────────────────────────────────────────────────────────────────

BORDER = math.log(1.65) + ERROR


@pytest.mark.parametrize(
    ("level", "limit"),
    [
        (BORDER - 0.001, None),
        (BORDER + 0.001, 20.0 * math.exp(-BORDER - 0.001)),
        (0.6, 20.0 * math.exp(-0.6)),
        (2.0, 10.0),
    ],
)
def test_three_slow_windows_in_a_row_cut_by_as_much_as_it_is_slow(level, limit):
    """By half at the most; one that is slow may be an accident, and two."""
    course = grown()
    whys = [course.see(level, in_flight=20.0) for _ in range(3)]

    assert (limit is None) is (Why.TROUBLE not in whys)
    if limit is not None:
        assert [None, None, Why.TROUBLE] == whys
        assert pytest.approx(limit) == course.limit
        assert (20.0, True, 0) == (course.limiter.peak, course.limiter.is_steep, course.limiter.in_trouble)


def test_slow_windows_that_are_not_in_a_row_cut_nothing():
    """One good window begins the count anew."""
    course = humbled()
    course.limiter.peak = course.limiter.most = 20
    whys = [course.see(level, in_flight=20.0) for level in (1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)]

    assert [None] * 7 == whys


def test_windows_without_a_level_are_no_trouble():
    """Nothing was answered, and little refused: of the latency nothing is known."""
    course = grown()
    for _ in range(3):
        course.see(None)

    assert (20.0, 0) == (course.limit, course.limiter.in_trouble)


@pytest.mark.parametrize(("in_flight", "limit"), [(12.0, 6.0), (10.0, 5.0), (25.0, 10.0), (9.9, None)])
def test_a_limit_that_is_not_reached_is_cut_from_what_is_in_use(in_flight, limit):
    """Places that nobody takes are no part of the trouble; and it is not its affair while less than half are taken."""
    course = grown()
    for _ in range(3):
        course.see(2.0, in_flight=in_flight, full=False)

    assert pytest.approx(limit or 20.0) == course.limit
    assert (limit is None) is (course.limiter.trial is None)


def test_a_full_limit_is_in_trouble_however_few_are_counted():
    """Somebody found no place, so the places are taken."""
    course = grown()
    for _ in range(3):
        course.see(2.0, in_flight=1.0)

    assert 10.0 == course.limit


def test_a_cut_leaves_the_least_limit():
    """From there the limit is not cut, and no trial awaited."""
    course = grown(first=5, least=4, most=5)
    for _ in range(3):
        course.see(2.0)
    least = course.limit, course.limiter.trial.before
    course.limiter.limit, course.limiter.trial = 4.5, None
    for _ in range(3):
        course.see(2.0)

    assert ((4.0, 5.0), 4.5, None) == (least, course.limit, course.limiter.trial)


def test_a_helpful_cut_for_trouble_goes_on_while_there_may_be_more():
    """It is cut again by two fifths as long as the level is above what is trouble, and no further."""
    course = grown()
    for _ in range(3):
        course.see(3.0, in_flight=20.0)
    further = course.see(2.2, in_flight=10.0), course.limit
    enough = course.see(0.2, in_flight=2.0), course.limit

    assert (Why.QUEUE, 6.0) == further
    assert (None, 6.0) == enough
    assert course.limiter.at_first is False
    assert course.limiter.trial is None


@pytest.mark.parametrize(("level", "base", "usual"), [(-0.019, 0.0, 0.0), (-0.021, -0.021, -0.021), (0.4, 0.0, 0.4)])
def test_what_a_helpful_cut_shows_is_the_level_unless_it_may_be_luck(level, base, usual):
    """Below the known level by twice its error it was never known; above it, it is what is usual from now on."""
    course = grown()
    for _ in range(3):
        course.see(1.5, in_flight=20.0)
    course.limiter.usual, course.limiter.looks = 1.5, 5
    course.see(level, in_flight=4.0)

    assert pytest.approx((base, usual)) == (course.limiter.base, course.limiter.usual)
    assert (1 if base else 5) == course.limiter.looks
