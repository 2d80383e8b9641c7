"""What a target that refuses calls does to a limit: the numbers are the rules', done by hand."""

from __future__ import annotations

import pytest
from tests.unit.policies.windows_told import Course, humbled, warm

from unbreakable.policies.limiter import Why


@pytest.mark.parametrize(("refused", "why"), [(0.09, None), (0.1, Why.REFUSALS)])
def test_a_tenth_of_refusals_is_trouble(refused, why):
    """Three windows of it halve the limit."""
    course = humbled()
    course.limiter.most = 20
    whys = [course.see(refused=refused, in_flight=10.0) for _ in range(3)]

    assert [None, None, why] == whys
    assert (10.0 if why else 20.0) == course.limit


@pytest.mark.parametrize("second", [{"refused": 0.5}, {"level": None}])
def test_a_target_that_refuses_from_the_beginning_is_given_less_at_once(second):
    """Its level is not known yet, so what began before the cut is given twice the latency of now."""
    course = Course()
    course.see()
    course.see(**second)
    while course.limiter.trial is None:
        why = course.see(refused=0.5, in_flight=10.0)

    assert (Why.REFUSALS, 10.0) == (why, course.limit)
    assert pytest.approx(course.now + 2.0) == course.limiter.meter.begun[-1]


@pytest.mark.parametrize(("refused", "limit"), [(0.29, 20.0), (0.31, 10.0)])
def test_refusals_that_are_usual_are_trouble_from_half_as_many_more(refused, limit):
    """A target that refuses a fifth whatever is in flight is not cut for it again and again."""
    course = humbled()
    course.limiter.most, course.limiter.usual_refused = 20, 0.2
    for _ in range(3):
        course.see(refused=refused, in_flight=10.0)

    assert limit == course.limit


@pytest.mark.parametrize(
    ("after", "limit", "why", "awaited", "at_first"),
    [
        (0.05, 10.0, None, None, False),
        (0.1, 7.0, Why.REFUSALS, (10.0, 0.1), False),
        (0.27, 7.0, Why.REFUSALS, (10.0, 0.27), False),
        (0.29, 20.0, Why.FOREIGN, None, True),
        (0.49, 20.0, Why.FOREIGN, None, True),
        (0.5, 5.0, Why.REFUSALS, (20.0, 0.4), True),
    ],
)
def test_a_cut_for_refusals_is_judged_by_what_is_refused_then(after, limit, why, awaited, at_first):
    """Seven tenths of them or less: it has helped, and goes on from a tenth up; half of all: as far as it goes."""
    course = humbled()
    course.limiter.at_first = True
    for _ in range(3):
        course.see(refused=0.4, in_flight=10.0)
    found, trial = course.see(refused=after), course.limiter.trial

    assert (why, pytest.approx(limit)) == (found, course.limit)
    assert course.limiter.usual_refused == (after if why is Why.FOREIGN else 0.0)
    assert awaited == (trial and (trial.before, trial.reading.refused))
    assert trial is None or trial.why is Why.REFUSALS
    assert at_first is course.limiter.at_first


@pytest.mark.parametrize(("answered", "limit"), [(4.0, 10.0), (13.0, 13.0), (19.0, 16.0)])
def test_refusals_cut_to_what_was_answered_at_once(answered, limit):
    """By a fifth at least, by half at most, whether or not anybody has waited."""
    course = humbled()
    for _ in range(3):
        course.see(refused=0.4, in_flight=answered, full=False)

    assert limit == course.limit


@pytest.mark.parametrize(("before", "after", "usual"), [(0.08, 0.06, 0.06), (0.08, 0.05, 0.0)])
def test_what_a_trial_leaves_of_the_refusals_is_usual(before, after, usual):
    """They stay when less is in flight; more than three tenths less, and they were for want of a limit."""
    course = warm()
    course.see(refused=before)
    course.see(refused=after)

    assert usual == course.limiter.usual_refused


def test_refusals_of_whatever_is_in_flight_are_followed_down_and_then_no_more():
    """Nothing helps: at the least limit it is known not to be the limit, which is what it was."""
    course = humbled()
    limits = []
    for _ in range(9):
        course.see(refused=1.0, in_flight=10.0)
        limits.append(course.limit)

    assert [20.0, 20.0, 10.0, 5.0, 2.5, 1.25, 20.0, 20.0, 20.0] == limits
    assert 1.0 == course.limiter.usual_refused
