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


def test_a_slow_way_is_left_for_a_dead_one_once_in_three_seconds(rests):
    """Of one that learned limits cut it is not known that it fails, nor that it does not hang."""
    rest_for_long(rests, A)
    looked = []
    for moment in (110.0, 111.0, 112.0, 113.0):
        rests.failed(B, moment, slow=True)
        if rests.may_be_replaced(B, [A, B], moment):
            rests.take(A, moment)
            rests.failed(A, moment)
            looked.append(moment)
        rests.worked(B)

    assert [110.0, 113.0] == looked


def test_a_slow_way_is_to_blame_itself(rests):
    """That another one rests, which may be back by now, is no reason why it is slow."""
    rest_for_long(rests, A)
    for _ in range(3):
        rests.failed(B, 110.0, slow=True)

    assert not rests.others_may([A, B], B, 110.0, since=109.0)


def test_nobody_is_blamed_as_long_as_another_way_may_be_back(rests):
    """That ends when it was asked since any way worked, and failed or kept somebody waiting."""
    rest_for_long(rests, A)
    rests.failed(B, 100.1)
    hoped = rests.others_may([A, B], B, 100.1, since=100.0)
    rests.take(A, 110.0)
    asked = [rests.others_may([A, B], B, now, since=now - 0.1) for now in (110.9, 111.0)]
    rests.failed(A, 115.0)
    failed = [rests.others_may([A, B], B, now, since=now) for now in (115.0, 130.0)]

    assert hoped
    assert [True, False] == asked
    assert [False, False] == failed  # since then no way has worked


@pytest.mark.parametrize(("takes", "patience"), [(0.1, 1.0), (1.0, 3.0), (30.0, FIRST_REST)])
def test_who_looks_is_waited_for_three_times_as_long_as_a_success_takes(rests, takes, patience):
    """Others may look meanwhile, but that does not make it longer."""
    rest_for_long(rests, A)
    rests.worked(B, takes)
    rests.failed(B, 110.0)
    rests.take(A, 110.0)
    seen = []
    for now in (110.0 + patience - 0.1, 110.0 + patience):
        rests.take(A, now)
        seen.append(rests.others_may([A, B], B, now, since=now))

    assert [True, False] == seen


def test_who_looked_in_vain_before_another_way_worked_is_not_waited_for(rests):
    """A copy that lost its race never tells what it found."""
    rest_for_long(rests, A)
    rests.take(A, 110.0)
    rests.worked(B)
    rests.failed(B, 120.0)
    before = rests.others_may([A, B], B, 120.0, since=120.0)
    rests.take(A, 120.0)

    assert before
    assert rests.others_may([A, B], B, 120.9, since=120.0)


def test_who_has_rested_since_another_way_worked_is_looked_at_at_once(rests):
    """It failed a second before the other one died, but may be back; to the next look it is three seconds."""
    for moment in (0.0, 5.0):
        rests.take(A, moment)
        rests.failed(A, moment, dead=True)
    rests.worked(B)
    rests.failed(B, 6.0, dead=True)
    first = rests.choose([B, A], 6.0)
    rests.failed(A, 6.0, dead=True)
    rests.worked(B)

    assert A == first
    assert [False, False, True] == [rests.may_be_asked(A, now) for now in (6.1, 8.9, 9.0)]


def test_a_look_that_is_not_over_is_no_reason_to_follow(rests):
    """Both are down; that the rest of the one that was looked at ends sooner sends nobody there."""
    rest_for_long(rests, A)
    rests.failed(B, 155.0, dead=True)
    rests.choose([A, B], 156.0)
    rests.failed(B, 157.0, dead=True)  # until 162, A's rest until 160

    assert [B, B] == [rests.choose([A, B], 157.0 + late) for late in (0.0, 0.9)]


def test_a_way_that_fails_now_and_then_and_now_hangs_draws_nobody_for_long(rests):
    """It is the best hope as long as who looks waits for no longer than it takes."""
    rest_for_long(rests, A)
    rests.failed(B, 120.0)
    rests.worked(B)
    for _ in range(3):
        rests.failed(B, 121.0)

    assert [B, B, A, B] == [rests.choose([A, B], now) for now in (121.0, 121.9, 122.0, 125.0)]


def test_who_looks_whether_any_is_back_asks_whom_nobody_has_asked_since(rests):
    """It hung, and told so only just now: it may be back, too."""
    for way in (A, B):
        rests.failed(way, 0.0, dead=True)
    rests.take(B, FIRST_REST)
    rests.failed(B, 30.0)
    rests.failed(A, 31.5, dead=True)

    assert (A, B) == (rests.best([A, B], 31.6), rests.best([A, B], 31.6, anew=31.0))


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


def test_three_that_are_out_for_too_long_in_a_row_are_a_reason_to_leave_a_way_in_peace():
    """Each counts once; one that comes back has the others counted anew, and no others wait for those that do not."""
    rests = Rests()
    first, second, third = (rests.begin("a", at) for at in (0.0, 0.1, 0.2))
    rests.look_at("a", 0.9, patience=1.0)
    assert not rests.is_resting("a", 0.9)

    rests.look_at("a", 1.15, patience=1.0)
    rests.end("a", first)
    rests.worked("a")
    rests.end("a", third)
    rests.look_at("a", 9.0, patience=1.0)
    assert not rests.is_resting("a", 9.0)

    for at in (9.0, 9.1, 9.2):
        rests.begin("a", at)
    rests.look_at("a", 10.5, patience=1.0)
    assert rests.is_resting("a", 10.5)
    rests.end("a", second)
    rests.worked("a")
    assert not rests.is_resting("a", 10.5)
