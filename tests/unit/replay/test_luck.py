"""What is not known of an attempt is drawn from others like it, and what was cut counts for as long as it was seen."""

from __future__ import annotations

import statistics

import pytest

from unbreakable.observe.calls import Call, Ended, Tried
from unbreakable.replay.luck import BESIDE, NEVER, Luck, Seen, around, chance, draw, situation_of
from unbreakable.replay.tilt import Tilts

BAD = Ended("transient", 0, unsent=False, in_doubt=False, exhausted=False, covered=True, retry_after=None)


def call(began, *attempts):
    """Return a call with attempts (number, copy, began, seconds, how they ended)."""
    tried = [
        Tried(number, copy, at, seconds, end == "cut", BAD if end == "bad" else None)
        for number, copy, at, seconds, end in attempts
    ]
    return Call("p", {"node": "n"}, 0, began, 30.0, "ok", 1.0, tuple(tried))


def firsts(count, seconds=lambda number: 1.0, end=lambda number: "ok"):
    """Return calls of one attempt each, one a second."""
    return [call(float(number), (1, 0, 0.0, seconds(number), end(number))) for number in range(count)]


def seen(*attempts):
    """Return attempts that were seen for so many seconds; a negative number: and were cut then."""
    return [Seen(0.0, number, abs(seconds), seconds < 0, None) for number, seconds in enumerate(attempts)]


def test_what_was_recorded_is_what_comes():
    """Under whatever luck."""
    calls = firsts(50, seconds=float, end=lambda number: "bad" if number % 2 else "ok")

    assert [(float(n), BAD if n % 2 else None) for n in range(50)] == [
        Luck(calls, 9).of(n, 1, 0, 0.0, 0) for n in range(50)
    ]


def test_the_estimate_is_that_of_the_book():
    """The remission times of E. Gehan (1965), in weeks, with the estimates that the textbooks give."""
    weeks = seen(6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35)
    for until, survival in [(6, 0.857), (10, 0.753), (13, 0.690), (22, 0.538), (23, 0.448)]:
        drawn = [draw(weeks, -1.0, (number + 0.5) / 500)[0] for number in range(500)]
        longer = sum(one is None or one.seconds > until for one in drawn) / 500

        assert survival == pytest.approx(longer, abs=0.003)


def test_who_was_cut_takes_longer_than_he_was_let():
    """Never as long, whatever the chance; of those that took longer, each as often."""
    drawn = [draw(seen(1, 2, 3, 4), 2.0, (number + 0.5) / 100)[0].seconds for number in range(100)]

    assert (50, 50) == (drawn.count(3.0), drawn.count(4.0))


def test_what_lasted_longer_than_all_that_ended_is_not_known():
    """By one luck it never ends, by the other as its like would: both stand for it."""
    calls = [*firsts(60, seconds=lambda number: 1.0 + number / 60), call(60.0, (1, 0, 0.0, 5.0, "cut"))]
    never, hopeful = (Luck(calls, 1, hopeful=each) for each in (False, True))

    assert (NEVER, None) == never.of(60, 1, 0, 60.0, 0)
    assert 5.0 < hopeful.of(60, 1, 0, 60.0, 0)[0] < 10.0
    assert (1, 1) == (never.drawn["beyond"], hopeful.drawn["beyond"])


def test_what_is_drawn_was_made_near_in_time():
    """What an outage was like does not come to calls of an hour later."""
    luck = Luck(firsts(1_000, end=lambda number: "bad" if 400 <= number < 600 else "ok"), 1)

    assert {BAD} == {luck.of(500, attempt, 0, 500.0, 0)[1] for attempt in range(2, 20)}
    assert {None} == {luck.of(100, attempt, 0, 100.0, 0)[1] for attempt in range(2, 20)}


def test_a_call_is_not_drawn_from_itself():
    """Of calls of which one in twenty fails, a repeat fails as often, and not more since its own first attempt did."""
    luck = Luck(firsts(8_000, end=lambda number: "bad" if number % 20 == 7 else "ok"), 1)
    failed = [luck.of(number, 2, 0, float(number), 1)[1] is not None for number in range(7, 8_000, 20)]

    assert 0.05 == pytest.approx(statistics.mean(failed), abs=0.025)
    assert 7 not in {each.call for each in around([Seen(float(n), n, 1.0, False, None) for n in range(99)], 7.0, 16, 7)}


def test_what_failed_before_fails_again_where_that_was_seen():
    """Where one request in five fails each time, repeats fail; the fourth attempt, which nobody has made, too."""
    bad = [call(n, (1, 0, 0.0, 1.0, "bad"), (2, 0, 1.0, 1.0, "bad")) for n in range(0, 400, 5)]
    luck = Luck([*bad, *(each for each in firsts(400) if each.began % 5)], 1)
    again, later = ([luck.of(900 + n, made + 1, 0, float(n), made)[1] is BAD for n in range(100)] for made in (1, 3))

    assert 0.95 < statistics.mean(again) <= statistics.mean(later)
    assert {"again, seen": 100, "again, assumed": 100} == luck.drawn


def test_what_was_an_outage_is_over_for_repeats_too():
    """Repeats fail as often as others at their moment: that they came after failures adds nothing."""
    out = [call(n, (1, 0, 0.0, 0.1, "bad"), (2, 0, 0.2, 0.1, "bad")) for n in range(200, 240)]
    luck = Luck([*firsts(200), *out, *(each._replace(began=240.0 + each.began) for each in firsts(200))], 1)

    assert {BAD} == {luck.of(220, attempt, 0, 220.0, attempt - 1)[1] for attempt in range(3, 9)}
    assert {None} == {luck.of(220, attempt, 0, 300.0, attempt - 1)[1] for attempt in range(3, 9)}


def test_a_copy_of_what_is_slow_by_itself_is_slow():
    """It is drawn from copies that were recorded."""
    slow = [call(n, (1, 0, 0.0, 9.0, "ok"), (1, 1, 1.0, 8.5, "cut"), (1, 2, 1.0, 9.5, "ok")) for n in range(1, 400, 4)]
    luck = Luck([*slow, *firsts(400)], 1)

    assert {9.5} == {luck.of(900, 1, 1, float(at), BESIDE)[0] for at in range(100)}
    assert {"beside, seen": 100} == luck.drawn


def test_what_has_to_be_assumed_is_counted():
    """Where no repeat, or no copy, was recorded."""
    luck = Luck(firsts(100), 1)
    luck.of(0, 2, 0, 0.0, 1)
    luck.of(0, 1, 1, 0.0, BESIDE)

    assert {"again, assumed": 1, "beside, assumed": 1} == luck.drawn


def test_each_failure_beyond_those_that_were_seen_says_as_much_as_the_last():
    """Up to a bound; where nothing was seen none says anything, and that is known to be assumed."""
    assert [(2.0, True), (4.0, False), (7.0, False)] == [Tilts((2.0,)).after(failures) for failures in (1, 2, 9)]
    assert [(1.0, True), (0.0, False)] == [Tilts((2.0, 1.0)).after(failures) for failures in (2, 3)]
    assert (0.0, False) == Tilts(()).after(3)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([(1, 0, 0.0, 1.0, "ok")], [0]),
        ([(1, 0, 0.0, 1.0, "bad"), (2, 0, 1.5, 1.0, "bad"), (3, 0, 3.0, 1.0, "ok")], [0, 1, 2]),
        ([(1, 0, 0.0, 2.0, "ok"), (1, 1, 1.0, 1.0, "cut")], [0, BESIDE]),
        ([(1, 0, 0.0, 1.0, "cut"), (2, 0, 1.5, 1.0, "ok")], [0, BESIDE]),
        ([(1, 0, 0.0, 3.0, "cut"), (2, 0, 1.0, 1.0, "ok")], [0, BESIDE]),
    ],
)
def test_the_situation_of_an_attempt_is_known(attempts, expected):
    """The first, after so many failures, or beside one that is late or was cut."""
    tried = call(0.0, *attempts).attempts

    assert expected == [situation_of(each, tried) for each in tried]


def test_chances_are_uniform_and_hang_on_nothing_else():
    """The same attempt has the same luck on both sides; another one, another seed, has luck of its own."""
    drawn = [chance(seed, number, 1, copy) for seed in range(4) for number in range(1_000) for copy in range(2)]

    assert drawn[7] == chance(0, 3, 1, 1)
    assert len(drawn) == len(set(drawn))
    assert 0.5 == pytest.approx(statistics.mean(drawn), abs=0.02)
    assert [800] * 10 == pytest.approx(
        [sum(place <= 10 * u < place + 1 for u in drawn) for place in range(10)], abs=110
    )
