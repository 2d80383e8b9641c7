"""What is done about a loop that fails, failure by failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.loops.ladder import GOOD, LONGEST, Ladder
from unbreakable.loops.rungs import Rung

BACKOFF, RESET, REFRESH, SURVIVAL = (
    Rung.ADAPTIVE_BACKOFF,
    Rung.SAFE_STATE_RESET,
    Rung.QUANTUM_REFRESH,
    Rung.SURVIVAL_MODE,
)


def fail(ladder: Ladder, times: int) -> list[tuple[int, Rung]]:
    """Let a loop fail so many times; return the rungs tried, each with the number of the failure."""
    tried = []
    for number in range(1, times + 1):
        for rung in ladder.failed():
            ladder.tried(rung)
            tried.append((number, rung))
    return tried


def succeed(ladder: Ladder, times: int) -> list[Rung | None]:
    return [ladder.succeeded() for _ in range(times)]


def test_each_rung_has_its_failure():
    """Escalation is a table: the mildest first, the last one for ever, the resets again and again."""
    expected = [(3, BACKOFF), (5, RESET), (8, REFRESH), (13, SURVIVAL)]
    expected += [(18, RESET), (18, REFRESH), (23, RESET), (23, REFRESH)]

    assert expected == fail(Ladder(1.0), 25)


def test_the_pause_doubles_from_the_third_failure_on_up_to_a_cap():
    """Two failures leave the grid alone; sixteen intervals are the most."""
    ladder = Ladder(1.0)
    pauses = []
    for _ in range(9):
        fail(ladder, 1)
        pauses.append(ladder.pause)

    assert [0.0, 0.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0, 16.0] == pauses


@pytest.mark.parametrize(("interval", "longest"), [(10.0, 60.0), (60.0, 60.0), (3600.0, 3600.0), (0.0, 0.008)])
def test_the_longest_pause_is_bounded_and_never_shorter_than_the_interval(interval, longest):
    """A minute is enough between two tries; a slower loop keeps its pace, and one without an interval gets some."""
    ladder = Ladder(interval)
    fail(ladder, 20)

    assert longest == ladder.pause


def test_backing_off_is_not_counted_where_there_is_nothing_to_stretch():
    """A rung that would do nothing is not said to have been tried."""
    ladder = Ladder(LONGEST)

    assert [(5, RESET), (8, REFRESH)] == fail(ladder, 8)
    assert (0, 0) == ladder.healing().adaptive_backoff


def test_a_rung_has_worked_when_enough_good_iterations_followed():
    """One success may be luck; three in a row are taken as proof, and told once."""
    ladder = Ladder(1.0)
    fail(ladder, 3)

    assert [None, None, BACKOFF, None] == succeed(ladder, GOOD + 1)
    assert (1, 1) == ladder.healing().adaptive_backoff


def test_a_failure_after_a_rung_says_that_it_did_not_work():
    """A reset that was followed by a failure gets no credit; the backoff that went on does."""
    ladder = Ladder(1.0)
    fail(ladder, 6)
    succeed(ladder, GOOD)

    assert (1, 0) == ladder.healing().safe_state_reset
    assert (1, 1) == ladder.healing().adaptive_backoff


def test_a_reset_right_before_things_got_well_is_what_worked():
    """Credit goes to one rung, the last one tried."""
    ladder = Ladder(1.0)
    fail(ladder, 5)
    succeed(ladder, GOOD)

    assert (1, 1) == ladder.healing().safe_state_reset
    assert (1, 0) == ladder.healing().adaptive_backoff


def test_what_could_not_be_tried_is_not_in_force():
    """A rung that was skipped is not credited with what followed."""
    ladder = Ladder(1.0)
    fail(ladder, 4)
    ladder.failed()  # its reset was not possible
    succeed(ladder, GOOD)

    assert (0, 0) == ladder.healing().safe_state_reset
    assert (1, 1) == ladder.healing().adaptive_backoff


def test_good_iterations_bring_a_loop_back_to_its_grid():
    """Each halves the pause, and the proof ends it."""
    ladder = Ladder(1.0)
    fail(ladder, 6)
    pauses = []
    for _ in range(GOOD):
        ladder.succeeded()
        pauses.append(ladder.pause)

    assert [8.0, 4.0, 0.0] == pauses


def test_survival_lasts_until_it_is_proven_over():
    """Probes follow at the loop's own pace as long as they are good, and start over when one fails."""
    ladder = Ladder(1.0)
    fail(ladder, 13)
    surviving, pauses = [], []
    for good in (True, True, False, True, True, True):
        ladder.succeeded() if good else ladder.failed()
        surviving.append(ladder.surviving)
        pauses.append(ladder.pause)

    assert [True, True, True, True, True, False] == surviving
    assert [0.0, 0.0, 16.0, 0.0, 0.0, 0.0] == pauses
    assert (1, 1) == ladder.healing().survival_mode


def test_the_substitute_takes_turns_with_probes():
    """Survival begins with the substitute; after a good probe nothing else is run."""
    ladder = Ladder(1.0)
    fail(ladder, 13)
    turns = [ladder.substitutes]
    ladder.substituted()
    turns.append(ladder.substitutes)
    ladder.failed()
    turns.append(ladder.substitutes)
    ladder.substituted()
    ladder.succeeded()
    turns.append(ladder.substitutes)

    assert [True, False, True, False] == turns


def test_a_loop_that_fails_every_other_time_stays_on_its_grid():
    """Failures that do not come in a row are no reason to slow down."""
    ladder = Ladder(1.0)
    for _ in range(1000):
        ladder.failed()
        ladder.succeeded()

    assert (0.0, False) == (ladder.pause, ladder.surviving)


def test_a_new_start_has_all_patience():
    """Who starts a loop again wants to see it run; what was counted is kept."""
    ladder = Ladder(1.0)
    fail(ladder, 13)
    ladder.start()

    assert (0.0, False) == (ladder.pause, ladder.surviving)
    assert (1, 0) == ladder.healing().survival_mode


@given(story=st.lists(st.booleans(), max_size=200), interval=st.sampled_from([0.0, 0.001, 1.0, 45.0, 7200.0]))
def test_whatever_happens_nothing_works_more_often_than_it_was_tried(story, interval):
    """No credit without a try, pauses stay in bounds, and proof ends everything."""
    ladder = Ladder(interval)
    for good in story:
        if good:
            ladder.succeeded()
        else:
            fail(ladder, 1)
        healing = ladder.healing()

        assert all(
            tries.worked <= tries.tried
            for tries in (
                healing.adaptive_backoff,
                healing.safe_state_reset,
                healing.quantum_refresh,
                healing.survival_mode,
            )
        )
        assert 0.0 <= ladder.pause <= ladder.longest
    succeed(ladder, GOOD)

    assert (0.0, False, None) == (ladder.pause, ladder.surviving, ladder.in_force)
