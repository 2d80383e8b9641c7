"""What a limiter learns of its target, and how far it grows when all is well: the numbers are the rules', by hand."""

from __future__ import annotations

import math

import pytest
from tests.unit.policies.windows_told import ERROR, grown, humbled, warm

from unbreakable.policies.limiter import Why


@pytest.mark.parametrize(
    ("level", "looks", "base"),
    [
        (0.019, 1, 0.0095),  # within twice the error: the mean of all looks
        (0.019, 20, 0.0019),  # a tenth of the way
        (0.025, 1, 0.0025),
        (0.3, 1, 0.0025),  # a level that it did not have before, only slowly
        (-0.3, 1, -0.15),
    ],
)
def test_the_level_is_learned_from_trials_that_did_not_help(level, looks, base):
    """Each of the first looks counts as much as the others, then the last one for a tenth."""
    course = warm()
    course.limiter.looks = looks
    course.see()
    course.limiter.trial = course.limiter.trial._replace(
        reading=course.limiter.trial.reading._replace(level=level, in_flight=20.0)
    )
    course.see(level)

    assert pytest.approx(base) == course.limiter.base
    assert pytest.approx(max(base, level)) == course.limiter.usual


@pytest.mark.parametrize(("looks", "rise"), [(8, 0.1 * 0.2), (9, 0.0025)])
def test_after_ten_looks_even_what_may_be_noise_raises_the_level_slowly(looks, rise):
    """In a long incident the level would else drift up, and the limit with it."""
    course = warm()
    course.limiter.looks = looks
    course.see(error=0.5)
    course.see(0.2, error=0.5)

    assert pytest.approx(min(rise, 0.2 / (looks + 1)), rel=0.12) == course.limiter.base


@pytest.mark.parametrize(
    ("level", "base", "usual"),
    [
        (-0.24, 0.0, 0.0),  # 1.25 times as quick, within three times the error
        (-0.26, -0.26, -0.26),
        (0.22, 0.0, 0.0),
        (0.23, 0.0, 0.3 - 0.1 * 0.07),
        (0.31, 0.0, 0.3),
    ],
)
def test_good_windows_are_what_it_gets_used_to(level, base, usual):
    """A level far below is the new one at once, a healthy one ends what was put up with, and one between slowly."""
    course = humbled()
    course.limiter.usual, course.limiter.looks = 0.3, 5
    course.see(level)

    assert pytest.approx((base, usual)) == (course.limiter.base, course.limiter.usual)
    assert (1 if base else 5) == course.limiter.looks


def test_fewer_refusals_are_what_it_gets_used_to_slowly():
    """A window of few, among those of a target that always refuses some, is luck; and more of them never."""
    course = humbled()
    course.limiter.usual_refused = 0.3
    course.see(refused=0.05)
    course.see(refused=0.28)

    assert pytest.approx(0.275) == course.limiter.usual_refused


@pytest.mark.parametrize(("usual", "refused", "grows"), [(0.0, 0.02, True), (0.0, 0.03, False), (0.04, 0.06, True)])
def test_it_grows_in_spite_of_refusals_that_are_usual(usual, refused, grows):
    """Two in a hundred, or half as many more as there are whatever is in flight; a tenth at most."""
    course = humbled()
    course.limiter.usual_refused = usual
    course.see(refused=refused)

    assert grows == (course.limit > 20.0)


def test_a_raise_that_is_refused_is_taken_back_and_the_next_one_waits():
    """After one window, three, and then four each; each of them by a tenth."""
    course, limits = humbled(), []
    for _ in range(24):
        course.see(refused=0.2 if course.limit > 20.5 else 0.0)
        limits.append(course.limit)
    raised = [index for index, limit in enumerate(limits) if limit > 20.5]

    assert [0, 3, 8, 14, 20] == raised
    assert {20.0, 22.0} == {round(limit, 6) for limit in limits}


def test_raises_that_are_borne_become_larger():
    """Once the target has refused what was too much: by a tenth, a fifth, and so on up to a half."""
    course = humbled()
    course.see()
    course.see(refused=0.2)
    course.see()
    limits = []
    for _ in range(5):
        course.see()
        limits.append(course.limit)
    shares = [later / sooner for sooner, later in zip([20.0, *limits], limits, strict=False)]

    assert pytest.approx([1.1, 1.21, 1.21**2, 1.5, 1.5]) == shares


# ── growth ───────────────────────────────────────────────────────────────────────────────

HEALTHY = math.log(1.25) + ERROR


def test_a_full_limit_of_a_healthy_target_grows_by_half_at_first_and_by_a_tenth_later():
    """Until a cut has helped nothing is known that speaks against more."""
    at_first, later = grown(), humbled()
    whys = at_first.see(), later.see()

    assert (Why.GROWS, Why.GROWS) == whys
    assert pytest.approx((30.0, 22.0)) == (at_first.limit, later.limit)


@pytest.mark.parametrize(
    ("made", "window", "limit"),
    [
        ({"limit": 5.0, "peak": 5.0}, {}, 6.0),  # one place at least
        ({}, {"level": HEALTHY / 2}, 21.0),  # half of the room is left
        ({}, {"level": HEALTHY}, 20.0),
        ({}, {"level": -0.1}, 22.0),
        ({}, {"refused": 0.02}, 22.0),
        ({}, {"refused": 0.021}, 20.0),
        ({}, {"level": None}, 20.0),
        ({}, {"full": False}, 20.0),
        ({"peak": 40.0, "is_steep": True}, {}, 30.0),  # half of the way back
        ({"peak": 21.0, "is_steep": True}, {}, 22.0),
        ({"peak": 40.0}, {}, 22.0),
        ({"peak": 20.5}, {"level": HEALTHY}, 20.0),
    ],
)
def test_growth_is_as_large_as_the_room(made, window, limit):
    """Nothing at a quarter more latency, all of it at none; in large steps only where it fell in large ones."""
    course = humbled(**made)
    course.see(**window)

    assert pytest.approx(limit) == course.limit


@pytest.mark.parametrize(("level", "limit"), [(0.5, 20.5), (0.6, 20.5), (0.1, 20.0 + 2.0 * (1.0 - 0.1 / HEALTHY))])
def test_at_a_level_that_it_only_got_used_to_a_limit_goes_back_and_no_further(level, limit):
    """Where it was, it has been borne; beyond that nothing is known but that the target is slow."""
    course = humbled(peak=20.5)
    course.limiter.usual = 0.6
    course.see(level)

    assert pytest.approx(limit) == course.limit


def test_nothing_grows_beyond_the_most():
    """What was pinned holds."""
    course = humbled(limit=990.0, peak=990.0)
    course.see()
    course.see()

    assert 1000.0 == course.limit
