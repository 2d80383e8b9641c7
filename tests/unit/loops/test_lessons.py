"""What a loop learns of its failures, and what the ladder makes of it."""

from __future__ import annotations

import json

import pytest
from benchmarks._ladder_worlds import Cure, Workload, a_workload, play
from tests.dense import most

from unbreakable.loops.ladder import GOOD, Ladder
from unbreakable.loops.lessons import ALIKE, MOST, MOST_TRIES, SURVIVED, USES, Lesson, Lessons
from unbreakable.loops.rungs import Rung

BACKOFF, RESET, REFRESH, SURVIVAL = (
    Rung.ADAPTIVE_BACKOFF,
    Rung.SAFE_STATE_RESET,
    Rung.QUANTUM_REFRESH,
    Rung.SURVIVAL_MODE,
)


def workload(*spells: tuple[str, Cure], resets: bool = True) -> Workload:
    """Return spells of failures of a loop that runs every second."""
    return Workload(1.0, 0.0, resets, list(spells))


def both(spells: Workload) -> tuple[list[float], list[float]]:
    """Return the seconds that each spell takes by the table alone, and with what is learned."""
    return play(spells, learns=False).seconds, play(spells, learns=True).seconds


# ── what is learned ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("rung", "by_table"), [(RESET, 16.0), (REFRESH, 64.0)])
def test_a_rung_that_has_healed_a_failure_is_tried_as_soon_as_it_is_there(rung, by_table):
    """Once is enough: being wrong would cost no time."""
    table, learned = both(workload(*[("torn", Cure({rung: 1}))] * 4))

    assert [by_table] * 4 == table
    assert [by_table, 1.0, 1.0, 1.0] == learned


def test_each_failure_has_its_own_rung():
    """What heals one failure says nothing of another one."""
    spells = [("torn", Cure({RESET: 1})), ("stuck", Cure({REFRESH: 1})), ("blip", Cure(time=1.0))]
    _, learned = both(workload(*spells * 3))

    assert [16.0, 64.0, 1.0, *[1.0] * 6] == learned


def test_a_rung_that_does_not_help_any_more_is_dropped_and_learned_anew():
    """In vain it delays nothing; the table goes on where it would have been."""
    cures = [Cure({RESET: 1})] * 2 + [Cure({REFRESH: 1})] * 3 + [Cure({RESET: 1})] * 2
    table, learned = both(workload(*[("torn", cure) for cure in cures]))

    assert [16.0, 16.0, 64.0, 64.0, 64.0, 16.0, 16.0] == table
    assert [16.0, 1.0, 64.0] == learned[:3]
    assert all(seconds <= 2.0 for seconds in learned[3:])


def test_a_rung_that_has_its_turn_when_a_failure_passes_by_itself_costs_no_time():
    """It gets the credit now and then, and loses it when it is tried first: it is tried twice as often at the most."""
    spells = workload(*[("outage", Cure(time=10.0))] * 30)
    before, after = play(spells, learns=False), play(spells, learns=True)

    assert before.seconds == after.seconds
    assert before.tried <= after.tried <= 2 * before.tried
    assert sum(after.failures) <= sum(before.failures)


def test_a_rest_that_was_needed_time_and_again_is_taken_at_once():
    """Three spells show that nothing shorter will do; after some without the table one looks again."""
    table, learned = both(workload(*[("quota", Cure(rest=8.0))] * 30, resets=False))

    assert {16.0} == set(table)
    assert [16.0] * ALIKE == learned[:ALIKE]
    assert {8.0, 12.0, 16.0} == set(learned[ALIKE:])  # 12: when the account allowed for the rest at the third failure
    assert learned[ALIKE:].count(8.0) > 2 * learned[ALIKE:].count(16.0)


def test_a_rest_that_is_needed_no_more_is_given_up_when_one_looks():
    """It costs what was saved for that, and four rests at the most."""
    quota, blip = ("quota", Cure(rest=8.0)), ("quota", Cure(time=1.0))
    _, learned = both(workload(*[quota] * 40, *[blip] * 20, resets=False))

    assert learned[40:].count(8.0) <= USES
    assert [1.0] * 15 == learned[45:]


def test_survival_is_entered_at_once_where_nothing_else_has_helped():
    """The substitute serves from the first failure on."""
    _, learned = both(workload(*[("gone", Cure({SURVIVAL: 1}))] * 8))

    assert [144.0] * ALIKE == learned[:ALIKE]
    assert 16.0 in learned[ALIKE:]


def test_a_failure_without_a_signature_takes_the_table():
    """Nothing is known of it, and nothing learned."""
    ladder = Ladder(1.0)
    for _ in range(5):
        for rung in ladder.failed():
            ladder.tried(rung)
    for _ in range(GOOD):
        ladder.succeeded()

    assert [] == ladder.promising()
    assert () == ladder.known_failures()


def test_a_refresh_that_takes_longer_than_its_turn_is_away_is_left_to_the_table():
    """A loop that fails every millisecond has the eighth failure sooner than a new process."""
    spells = [("stuck", Cure({REFRESH: 1}))] * 3
    slow, quick = Workload(1.0, 0.5, True, spells), Workload(0.001, 0.5, True, spells)

    assert 1.0 == play(slow, learns=True).seconds[-1]
    assert 0.064 == pytest.approx(play(quick, learns=True).seconds[-1])


# ── the bound ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(most(100, 30)))
def test_what_is_learned_never_makes_healing_much_slower_than_the_table(seed):
    """On any workload; and no spell has more failures, or takes much longer than by one longest rest."""
    spells = a_workload(seed)
    table, learned = play(spells, learns=False), play(spells, learns=True)
    print("seed", seed)

    assert sum(learned.seconds) <= 1.2 * sum(table.seconds)
    assert all(after <= before for before, after in zip(table.failures, learned.failures, strict=True))
    ladder = Ladder(spells.interval)
    longest = ladder.longest * (2 if spells.substitute else 1) + 2 * ladder.interval  # after two rungs in vain
    pairs = zip(table.seconds, learned.seconds, strict=True)
    assert all(after <= before + longest * (1 + 1e-9) for before, after in pairs)


def test_with_a_rung_for_each_failure_healing_takes_less_than_half_as_long():
    """After twenty occurrences, the first ones included."""
    for first, third in ((BACKOFF, REFRESH), (BACKOFF, RESET), (RESET, SURVIVAL)):
        cures = [Cure(rest=4.0) if rung is BACKOFF else Cure({rung: 1}) for rung in (first, third)]
        table, learned = both(workload(*zip(["one", "other"] * 10, cures * 10, strict=True)))

        assert sum(learned) <= 0.5 * sum(table)


# ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flood_of_failures_drowns_no_lesson():
    """What helps is kept longest, and there is room for some only."""
    lessons = Lessons()
    lessons.of("torn").judge(RESET, worked=True, seconds=1.0)
    for number in range(1_000):
        lessons.of(f"failure {number}").judge(REFRESH, worked=False)

    assert MOST == len(lessons)
    assert lessons.find("torn") is not None


def test_counts_of_many_processes_add_up_and_stay_small():
    """They are halved, so that what has changed is noticed."""
    ours, theirs = Lessons(), Lessons()
    ours.of("torn").judge(RESET, worked=True, seconds=2.0)
    theirs.of("torn").judge(RESET, worked=False)
    theirs.of("stuck").judge(REFRESH, worked=True, seconds=4.0)
    ours.absorb(theirs.text)

    assert (2, 1, 2.0) == counts(ours, "torn", RESET)
    assert (1, 1, 4.0) == counts(ours, "stuck", REFRESH)
    for _ in range(1_000):
        ours.absorb(theirs.text)

    assert counts(ours, "torn", RESET)[0] <= MOST_TRIES


def counts(lessons: Lessons, signature: str, rung: Rung) -> tuple[int, int, float]:
    lesson = lessons.find(signature)
    assert lesson is not None
    score = lesson.scores[rung]
    return score.tried, score.worked, score.seconds


def test_what_is_written_down_is_read_again():
    """Rests, and what is on the account, too."""
    lessons, again = Lessons(), Lessons()
    lesson = lessons.of("quota")
    for rest in (8.0, SURVIVED, 8.0):
        lesson.healed_by_table(rest, took=16.0)
    lesson.pay(7.0)
    again.absorb(lessons.text)

    assert lessons.text == again.text
    assert 8.0 == again.of("quota").rest


@pytest.mark.parametrize(
    "row",
    [
        5,
        ["torn"],
        ["torn", [], [], 0.0, 0.0, 0],
        ["torn", {"no_rung": [1, 1, 0.0]}, [], 0.0, 0.0, 0],
        ["torn", {"safe_state_reset": [1, 2, 0.0]}, [], 0.0, 0.0, 0],
        ["torn", {"safe_state_reset": [1.5, 1, 0.0]}, [], 0.0, 0.0, 0],
        ["torn", {"safe_state_reset": [1, 1, 0.0]}, ["long"], 0.0, 0.0, 0],
        ["torn", {"safe_state_reset": [1, 1, 0.0]}, [], -1.0, 0.0, 0],
    ],
)
def test_what_is_damaged_is_refused_as_a_whole(row):
    """A wrong belief is worse than none."""
    lessons = Lessons()
    with pytest.raises(ValueError, match="loop"):
        lessons.absorb(json.dumps([["good", {}, [], 0.0, 0.0, 0], row]))
    with pytest.raises(ValueError, match="loop"):
        lessons.absorb("{}")

    assert 0 == len(lessons)


def test_an_account_pays_for_no_more_than_was_saved():
    """A rest that is longer than the table's has to wait until a fifth of the time of spells has come to its cost."""
    lesson = Lesson()
    for _ in range(ALIKE):
        lesson.healed_by_table(2.0, took=1.0)

    assert lesson.resting(1.0, 16.0, 1) is None
    lesson.healed_by_table(2.0, took=4.0)
    _, cost, choice = lesson.resting(1.0, 16.0, 1)

    assert (1.0, BACKOFF, 2.0) == (cost, choice.rung, choice.rest)
