"""Ways to do the same job are remembered by how they failed lately."""

from __future__ import annotations

import pytest

from unbreakable.policies.rests import FIRST_REST, MOST_KEPT, MOST_REST, Rests

A, B, C = WAYS = ["a", "b", "c"]


@pytest.fixture
def rests() -> Rests:
    """Return what is known of three ways that all work."""
    return Rests()


def rest_for_long(rests: Rests, name: str) -> None:
    """Let way *name* fail until it rests for a minute, from second 100; another one works all the time."""
    for moment in (0.0, 5.0, 15.0, 35.0, 75.0, 100.0):
        rests.take(name, moment)
        rests.failed(name, moment, dead=True)
        rests.worked(B)


def test_the_first_is_preferred(rests):
    """Whoever ranks first is used."""
    assert (A, B) == (rests.choose([A, B], 0.0), rests.choose([B, A], 0.0))


def test_a_dead_one_rests_at_once(rests):
    """A way that is not there is not used for five seconds, even if it ranks first."""
    rests.failed(A, 0.0, dead=True)

    assert (B, [A]) == (rests.choose(WAYS, 4.9), [each for each in WAYS if rests.is_resting(each, 4.9)])


def test_a_bad_one_rests_after_three_failures(rests):
    """A way that does badly is given two more chances; a success in between starts anew."""
    for _ in range(2):
        rests.failed(A, 0.0)
    rests.worked(A)
    for _ in range(2):
        rests.failed(A, 0.0)
    still = rests.choose(WAYS, 0.0)
    rests.failed(A, 0.0)

    assert (A, B) == (still, rests.choose(WAYS, 0.0))


def test_one_caller_tries_a_rested_one(rests):
    """After the rest one call uses it again, and the others go elsewhere until it has reported."""
    rests.failed(A, 0.0, dead=True)
    used = [rests.choose(WAYS, FIRST_REST) for _ in range(3)]
    down = rests.is_down(A)
    rests.worked(A)

    assert ([A, B, B], A) == (used, rests.choose(WAYS, FIRST_REST))
    assert (True, False) == (down, rests.is_down(A))


def test_rests_grow(rests):
    """A way that stays dead is used less and less often, but at least once a minute."""
    rests.failed(A, 0.0, dead=True)
    now, tries = 0.0, []
    while now < 600.0:
        now += 0.5
        if rests.choose(WAYS, now) == A:
            tries.append(now)
            rests.failed(A, now, dead=True)

    assert [5.0, 15.0, 35.0, 75.0, 135.0] == tries[:5]
    assert MOST_REST == tries[-1] - tries[-2]


def test_a_herd_that_fails_together_counts_as_one_rest(rests):
    """Twenty calls in flight to a way that dies do not make its rest longer."""
    for _ in range(20):
        rests.failed(A, 1.0, dead=True)

    assert A == rests.choose(WAYS, 1.0 + FIRST_REST)


def test_when_all_rest_the_one_that_rested_longest_is_used(rests):
    """There is always a way."""
    for moment, way in enumerate([B, A, C]):
        rests.failed(way, float(moment), dead=True)

    assert (B, False) == (rests.choose(WAYS, 3.0), rests.others_work(WAYS, B, 3.0))


def test_when_all_are_down_nobody_is_tried_again_and_again(rests):
    """The way that ranks first died last: after the rests it is the other one's turn, which may be back."""
    for way, moment in ((B, 0.0), (A, 50.0)):
        rests.failed(way, moment, dead=True)

    assert [B, A] == [rests.choose([A, B], 80.0) for _ in range(2)]


def test_a_clock_that_began_long_ago_or_below_zero_lets_nobody_rest(rests):
    """A way that failed once is well enough, whatever moment it is."""
    rests.failed(A, -1e6)

    assert [A, A] == [rests.choose(WAYS, -1e6), rests.choose(WAYS, 1e9)]


def test_a_way_that_is_asked_for_by_itself_rests_longer_each_time(rests):
    """Where it is the only other one its tries are counted, too: once it has had to rest for long, it comes last."""
    rests.failed(B, 0.0, dead=True)
    for moment in (10.0, 30.0, 100.0):
        assert B == rests.choose([B], moment)
        rests.failed(B, moment, dead=True)
    rests.failed(A, 101.0, dead=True)

    assert A == rests.choose([B, A], 102.0)


def test_to_look_takes_nothing(rests):
    """Who is merely told which way is best leaves it to whoever uses it."""
    rests.failed(A, 0.0, dead=True)

    assert [A, A] == [rests.best([A, B], FIRST_REST) for _ in range(2)]


def test_a_slow_way_comes_before_a_dead_one(rests):
    """Of one that learned limits cut it is not known that it fails: it rests, and may work; a failure ends that."""
    for _ in range(3):
        rests.failed(A, 100.0, slow=True)
    before = (rests.choose([A, B], 100.0), rests.may_work(A, 100.0, 99.0), rests.others_work(WAYS[:2], B, 100.0))
    rests.failed(B, 0.0, dead=True)
    then = rests.choose([B, A], 104.0)
    rests.failed(A, 104.0)

    assert (B, True, True) == before
    assert A == then
    assert (B, False) == (rests.choose([A, B], 104.0), rests.may_work(A, 104.0, 103.0))


def test_whether_another_way_could_have_done_it_depends_on_when_it_was_begun(rests):
    """One that has rested may be back; but what failed while something hung elsewhere was away then."""
    rests.failed(A, 30.0, dead=True)

    assert [False, True, True] == [
        rests.may_work(A, 60.0, since=30.0),
        rests.may_work(A, 60.0, since=31.0),
        rests.may_work(B, 60.0, since=30.0),
    ]
    assert not rests.may_work(A, 34.0, since=33.0)


def test_who_rests_is_looked_at_when_the_one_in_use_seems_dead(rests):
    """It rests as long as another one works: once in three seconds somebody may see whether it is back."""
    rest_for_long(rests, A)
    before = rests.may_be_replaced(B, [A, B], 106.0)
    rests.failed(B, 106.0)
    seen = [
        (rests.may_be_replaced(B, [A, B], 106.0), rests.choose([A, B], 106.0, instead=True)),
        (rests.may_be_replaced(B, [A, B], 108.9), rests.choose([A, B], 108.9, instead=True)),
        (rests.may_be_replaced(B, [A, B], 109.0), rests.choose([A, B], 109.0, instead=True)),
    ]

    assert not before
    assert [(True, A), (False, B), (True, A)] == seen


def test_a_way_that_fails_now_and_then_is_not_left_for_a_dead_one(rests):
    """A failure within a minute of another one is no news, nor are three in a row; but six are."""
    rest_for_long(rests, A)
    rests.failed(B, 90.0)
    rests.worked(B)
    ended = []
    for _ in range(6):
        rests.failed(B, 110.0)
        ended.append((rests.may_be_replaced(B, [A, B], 110.0), rests.best([A, B], 110.0)))

    assert [*[(False, B)] * 5, (True, A)] == ended


def test_in_place_of_a_way_that_failed_comes_no_other_one_that_has_just_failed(rests):
    """Of three, one rests and may be back; a third failure would not make the second one's state any clearer."""
    rest_for_long(rests, A)
    rests.failed(B, 110.0)
    rests.failed(C, 110.1)

    assert A == rests.replacement([B, A], 110.1)
    assert B == rests.best([B, A], 110.1)


def test_a_slow_way_is_not_left_for_a_dead_one(rests):
    """Of one that learned limits cut it is not known that it fails."""
    rest_for_long(rests, A)
    for _ in range(3):
        rests.failed(B, 110.0, slow=True)

    assert not rests.may_be_replaced(B, [A, B], 110.0)
    assert not rests.others_may([A, B], B, 110.0, since=109.0)


def test_nobody_is_blamed_as_long_as_another_way_may_be_back(rests):
    """That ends when it was asked, and failed or kept somebody waiting; nobody knows of one that has just failed."""
    rest_for_long(rests, A)
    rests.failed(B, 110.0)
    just_now = rests.others_may([A, B], B, 110.0, since=102.9)
    hoped = rests.others_may([A, B], B, 110.0, since=103.0)
    rests.take(A, 110.0)
    asked = [rests.others_may([A, B], B, now, since=now - 1.0) for now in (114.9, 115.0)]
    rests.failed(A, 115.0)
    failed = [rests.others_may([A, B], B, now, since=now) for now in (115.0, 130.0)]

    assert (False, True) == (just_now, hoped)
    assert [True, False] == asked
    assert [False, False] == failed  # since then no way has worked


def test_who_looks_whether_any_is_back_looks_at_every_one(rests):
    """A failure tells nothing of a way that was not asked since it was begun to look."""
    for moment in (0.0, 5.0, 15.0, 35.0, 75.0):
        for way in (A, B):
            rests.take(way, moment)
            rests.failed(way, moment, dead=True)
    rests.failed(A, 105.5)
    anew = rests.others_may([A, B], A, 105.5, since=105.0, anew=105.0)
    once_more = rests.others_may([A, B], A, 105.5, since=105.0)
    rests.failed(B, 105.6)

    assert (True, False) == (anew, once_more)
    assert not rests.others_may([A, B], B, 105.6, since=105.5, anew=105.0)


def test_a_single_way_is_always_used(rests):
    """Where there is no choice, nothing is decided."""
    rests.failed(A, 0.0, dead=True)

    assert A == rests.choose([A], 0.0)


def test_names_without_end_take_no_more_room(rests):
    """Of ways that are named anew for each call the latest are remembered."""
    for number in range(3 * MOST_KEPT):
        rests.failed(str(number), 0.0, dead=True)

    kept = [number for number in range(3 * MOST_KEPT) if rests.is_down(str(number))]
    assert list(range(2 * MOST_KEPT, 3 * MOST_KEPT)) == kept
