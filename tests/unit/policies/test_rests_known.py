"""What is known of a single way: how long it rests, whether it may work, and who is asked in its place."""

from __future__ import annotations

import pytest

from unbreakable.policies.rests import MOST_KEPT, Rests

A, B, C = "a", "b", "c"


@pytest.fixture
def rests() -> Rests:
    """Return what is known of ways that all work."""
    return Rests()


def shaky(rests: Rests, name: str, times: int) -> None:
    """Let way *name*, which fails now and then, fail so many times in a row, at second 10."""
    rests.failed(name, 0.0)
    rests.worked(name)
    for _ in range(times):
        rests.failed(name, 10.0)


def test_a_rest_is_not_made_shorter_by_who_looked_at_the_clock_before(rests):
    """Threads report in another order than they looked."""
    rests.failed(A, 10.0, dead=True)
    rests.failed(A, 8.0, dead=True)

    assert [True, False] == [rests.is_resting(A, moment) for moment in (14.9, 15.0)]


@pytest.mark.parametrize(
    ("history", "once"),
    [
        ((), False),
        (("failed",), True),
        (("failed", "failed"), False),
        (("slow",), False),
        (("late",), False),
        (("slow", "failed"), False),
        (("dead",), False),
        (("failed", "worked"), False),
        (("failed", "failed", "worked", "failed"), True),
    ],
)
def test_a_way_has_failed_once_if_it_worked_before_and_was_not_asked_since(rests, history, once):
    """Whoever was slow, or has nobody to talk to, is another case; and of others it says nothing."""
    takes = {
        "failed": lambda: rests.failed(A, 0.0),
        "dead": lambda: rests.failed(A, 0.0, dead=True),
        "slow": lambda: rests.failed(A, 0.0, slow=True),
        "late": lambda: rests.late(A),
        "worked": lambda: rests.worked(A),
    }
    for each in history:
        takes[each]()

    assert [once, False] == [rests.failed_once(A), rests.failed_once(B)]


@pytest.mark.parametrize("began", [-1_000.0, 0.0, 1e9])
@pytest.mark.parametrize("before", [0, 1])
def test_the_first_rest_takes_five_seconds_whatever_the_clock_says(rests, began, before):
    """Also of one that has rested before, and worked since."""
    for _ in range(before):
        rests.failed(A, began - 100.0, dead=True)
        rests.worked(A)
    rests.failed(A, began, dead=True)

    assert [True, False] == [rests.is_resting(A, began + seconds) for seconds in (4.9, 5.0)]


def test_a_way_that_is_dead_for_days_rests_for_a_minute_each_time(rests):
    """However often it was looked at."""
    rests.failed(A, 0.0, dead=True)
    for minute in range(1, 2_000):
        rests.take(A, 100.0 * minute)
        rests.failed(A, 100.0 * minute, dead=True)

    assert [True, False] == [rests.is_resting(A, 199_900.0 + seconds) for seconds in (59.9, 60.0)]


def test_the_room_of_a_way_that_works_again_is_given_to_another_one(rests):
    """Before that of one that is down, whichever is known longer."""
    for number in range(MOST_KEPT):
        rests.failed(str(number), 0.0, dead=True)
    rests.worked("7")
    rests.failed("new", 0.0, dead=True)

    assert [True, True] == [rests.is_down(name) for name in ("0", "new")]


# ── may it work ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("moment", "since", "may"), [(4.9, 1.0, False), (5.0, 1.0, True), (5.0, 0.0, False)])
def test_a_way_may_work_once_it_has_rested_if_it_failed_before(rests, moment, since, may):
    """What failed while something was under way elsewhere was no choice for that."""
    rests.failed(A, 0.0, dead=True)

    assert may is rests.may_work(A, moment, since)


def test_a_way_that_has_failed_and_did_not_rest_does_not_work(rests):
    """Only of one that was merely slow nothing worse is known."""
    rests.failed(A, 5.0)
    rests.failed(B, 5.0, slow=True)

    assert [False, True, True] == [rests.may_work(name, 11.0, 10.0) for name in (A, B, C)]


def test_a_way_that_keeps_who_looks_waiting_does_not_work(rests):
    """It has rested by then, too."""
    rests.failed(A, 0.0, dead=True)
    rests.take(A, 5.0)

    assert (False, False) == (rests.is_resting(A, 16.0), rests.may_work(A, 16.0, 1.0))


@pytest.mark.parametrize(("faults", "may"), [(1, False), (2, False), (3, True), (6, True)])
def test_who_rests_is_a_hope_only_where_the_one_that_failed_rests_or_seems_dead(rests, faults, may):
    """As long as it fails now and then, it is asked again."""
    rests.failed(B, 10.0, dead=True)
    shaky(rests, A, faults)
    rests.worked(C)

    assert may is rests.others_may([A, B], A, 10.5, since=0.0)


def test_of_a_way_that_nothing_is_known_of_another_one_is_not_the_reason(rests):
    """It has not failed at all, so who rests is no hope; one that works is."""
    rests.failed(B, 10.0, dead=True)
    rests.worked(C)

    assert (False, True) == (
        rests.others_may([A, B], A, 10.5, since=0.0),
        rests.others_may([A, B, C], A, 10.5, since=0.0),
    )


def test_a_way_that_has_rested_could_have_done_it(rests):
    """Whatever became of the one that failed."""
    rests.failed(B, 0.0, dead=True)
    rests.failed(A, 9.0)

    assert [True, False] == [rests.others_may([A, B], A, 10.0, since=since) for since in (1.0, 0.0)]


def test_a_look_since_it_was_begun_to_look_for_any_tells_of_a_way(rests):
    """It keeps waiting who looks, so it is not back; before, nobody knew."""
    rests.failed(A, 5.0, dead=True)
    rests.failed(B, 5.0, dead=True)
    rests.take(B, 12.0)

    anew = (13.0, 12.001, 12.0, 10.0)
    assert [True, True, False, False] == [rests.others_may([A, B], A, 14.0, since=5.0, anew=since) for since in anew]


def test_whoever_has_just_begun_to_look_may_find_that_it_is_back(rests):
    """Nobody has waited in vain so far."""
    rests.failed(A, 5.0, dead=True)
    rests.failed(B, 5.0, dead=True)
    before = rests.others_may([A, B], A, 12.0, since=5.0)
    rests.take(B, 12.0)

    assert (False, True) == (before, rests.others_may([A, B], A, 12.0, since=5.0))


@pytest.mark.parametrize(("pause", "dead"), [(59.9, False), (60.0, True)])
def test_a_failure_after_a_minute_without_one_is_news(rests, pause, dead):
    """Then whoever rests is a hope, as nothing more is expected of the one that failed."""
    rests.failed(A, 100.0)
    rests.worked(A)
    rests.failed(B, 100.0, dead=True)
    rests.worked(C)
    rests.failed(A, 100.0 + pause)

    assert dead is rests.others_may([A, B], A, 100.0 + pause, since=0.0)


def test_how_long_a_success_takes_is_forgotten_little_by_little(rests):
    """By a hundredth with each that is quicker; who looks is waited for three times as long."""
    for name in (A, B):
        rests.failed(name, 5.0, dead=True)
    rests.worked(C, 1.0)
    rests.worked(C, 0.1)
    rests.failed(A, 20.0)
    rests.take(B, 20.0)

    assert [True, False] == [rests.others_may([A, B], A, 20.0 + waited, since=0.0) for waited in (2.96, 2.98)]


# ── in its place ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_in_its_place_comes_one_that_is_slow_and_does_not_rest(rests):
    """Of which nothing says that it is dead."""
    rests.failed(A, 10.0, slow=True)
    shaky(rests, B, 1)

    assert [A, A] == [rests.replacement([A, other], 11.0) for other in (B, C)]


def test_in_its_place_comes_none_that_rests(rests):
    """Not even if it was merely slow, as long as another one fails now and then."""
    shaky(rests, A, 1)
    for _ in range(3):
        rests.failed(B, 10.0, slow=True)

    assert (A, C) == (rests.replacement([B, A], 11.0), rests.replacement([B, C], 11.0))


def test_where_all_seem_dead_the_one_comes_that_was_asked_least_lately(rests):
    """Whichever ranks first."""
    rests.failed(A, 10.0, dead=True)
    rests.failed(B, 5.0, dead=True)

    assert B == rests.replacement([A, B], 20.0)


def both_asked_just_now(rests: Rests) -> None:
    """Let A rest until 16 since it failed at 6, for the second time, and B until 13 since it failed at 8."""
    rests.failed(A, 0.0, dead=True)
    rests.take(A, 5.0)
    rests.failed(A, 6.0)
    rests.failed(B, 8.0, dead=True)


def test_where_all_were_asked_just_now_the_one_comes_that_has_rested_enough_soonest(rests):
    """Not the one that was asked least lately, as it has rested more often."""
    both_asked_just_now(rests)

    assert [B, A] == [rests.replacement([A, B], moment) for moment in (8.5, 9.0)]


def test_what_was_asked_when_it_was_begun_to_look_was_asked_since(rests):
    """A moment later it would be its turn."""
    both_asked_just_now(rests)

    assert [B, A] == [rests.best([A, B], 8.5, anew=anew) for anew in (6.0, 6.001)]


def test_where_somebody_looks_at_every_one_the_one_comes_that_failed_last(rests):
    """It was well last, too."""
    rests.failed(A, 1.0, dead=True)
    rests.failed(B, 2.0, dead=True)
    for name in (A, B):
        rests.take(name, 7.5)

    assert B == rests.best([A, B], 8.0)


def test_one_that_was_well_lately_comes_before_one_that_has_been_dead_for_a_minute(rests):
    """Also while somebody waits for its answer, as long as that takes no longer than it would if it were back."""
    rests.failed(A, 41.0, dead=True)
    rests.worked(B, 0.5)
    rests.failed(B, 99.0, dead=True)
    rests.take(A, 99.5)
    rests.failed(A, 99.9, dead=True)
    rests.take(B, 99.8)

    assert [A, B, B, A] == [rests.best([A, B], moment) for moment in (100.9, 101.0, 101.2, 101.3)]


def test_who_looks_anew_is_sent_where_nobody_has_looked_since(rests):
    """And takes note of it."""
    for name in (A, B):
        rests.failed(name, 0.0, dead=True)
    rests.take(A, 6.0)
    rests.take(B, 7.0)

    assert [B, A] == [rests.choose([B, A], 7.5), rests.choose([B, A], 7.5, anew=6.5)]


def test_where_all_are_down_one_that_is_slow_is_looked_at_first(rests):
    """Then one that fails now and then, then the dead, although these have rested for longer."""
    rests.failed(C, 9.0, dead=True)
    shaky(rests, A, 3)
    for _ in range(3):
        rests.failed(B, 11.0, slow=True)

    assert [B, A, C] == [rests.best(ways, 12.0) for ways in ([C, A, B], [C, A], [C])]


def test_who_may_be_asked_is_whoever_does_not_rest_and_whoever_is_slow(rests):
    """Another one that rests may be asked once in three seconds."""
    rests.failed(A, 10.0)
    rests.failed(C, 10.0, dead=True)
    for _ in range(3):
        rests.failed(B, 10.0, slow=True)

    assert [True, True, False, True] == [rests.may_be_asked(name, 11.0) for name in (A, B, C, "new")]
    assert [True, True, True] == [rests.may_be_asked(name, 13.0) for name in (A, B, C)]


def test_others_work_as_long_as_one_of_them_does_not_rest(rests):
    """Or rests only since it was slow."""
    rests.failed(A, 10.0, dead=True)
    rests.failed(C, 10.0, dead=True)
    for _ in range(3):
        rests.failed(B, 10.0, slow=True)

    assert [False, True, True] == [rests.others_work(names, A, 11.0) for names in ([A, C], [A, B], [A, "new"])]


def test_the_room_for_ways_that_were_merely_late_is_no_larger(rests):
    """One that is known takes no more of it when it fails again."""
    for number in range(3 * MOST_KEPT):
        rests.late(str(number))
    latest = str(3 * MOST_KEPT - 1)
    for _ in range(3):
        rests.failed(latest, 0.0)
        rests.late(latest)

    assert MOST_KEPT == len(rests._troubles)
    assert rests.is_down(latest)


def test_a_way_that_is_slow_may_be_asked_while_somebody_else_asks_it(rests):
    """It answers in the end."""
    for _ in range(3):
        rests.failed(A, 10.0, slow=True)
    rests.take(A, 10.5)

    assert rests.may_be_asked(A, 11.0)


def test_two_failures_are_borne_and_the_third_is_not(rests):
    """From the first one on that a way ever had."""
    down = []
    for _ in range(3):
        rests.failed(A, 0.0)
        down.append(rests.is_down(A))

    assert [False, False, True] == down


def test_so_many_ways_are_remembered_that_failed(rests):
    """Of one more than 256 the first is not known any more."""
    for number in range(256):
        rests.failed(str(number), 0.0, dead=True)
    before = rests.is_down("0")
    rests.failed("256", 0.0, dead=True)

    assert (True, False) == (before, rests.is_down("0"))


def test_a_way_is_well_that_has_worked_since_it_failed():
    """Of one that never failed nothing is known that would speak against it."""
    rests = Rests()
    rests.failed("a", now=0.0)

    assert [False, True] == [rests.is_well("a"), rests.is_well("b")]
    rests.worked("a")
    assert rests.is_well("a")
