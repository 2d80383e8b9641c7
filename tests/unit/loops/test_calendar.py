"""Times of day that a cron expression names, numbered from the start of a loop on."""

from __future__ import annotations

import datetime as dt
import math
import time
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dense import most

from unbreakable.errors import ConfigurationError
from unbreakable.loops.calendar import GRACE, Calendar, Times, local_zone, times_of, usual_gap
from unbreakable.loops.control import MOST_WAITING, Control
from unbreakable.loops.decisions import Run, Wait
from unbreakable.loops.ledger import Fate

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = dt.datetime(2026, 3, 28, 12, tzinfo=BERLIN).timestamp()  # before the clocks go forward
AUTUMN = dt.datetime(2026, 10, 24, 12, tzinfo=BERLIN).timestamp()
DAY = 86_400.0


class Clock:
    """The time of day, which can be set, beside a clock that nobody sets."""

    def __init__(self, wall: float = NIGHT) -> None:
        self.ahead = wall

    def __call__(self) -> float:
        return self.ahead


def calendar(text: str, clock: Clock, *, jitter: float = 0.0) -> Calendar:
    return Calendar(times_of(text, clock.ahead), 0.0, clock, jitter=jitter, loop="tidy", epoch="e")


def dates(text: str, wall: float, days: float) -> list[str]:
    """Return the ticks of so many days, as somebody reads them on a clock on the wall."""
    ticks = calendar(text, Clock(wall))
    return [f"{ticks.tick(number, 0.0).date:%d %H:%M%z}" for number in range(ticks.before(days * DAY))]


def test_another_process_knows_the_same_time_however_long_it_takes_to_read_two_clocks():
    """The time of day less the other clock is later at each look: that must not take a day for over."""

    class Slow(Clock):
        def __call__(self) -> float:
            self.ahead += 0.01
            return self.ahead

    clock = Slow()
    before = calendar("CRON_TZ=Europe/Berlin 0 4 * * *", clock)
    first, known = before.anchor(3, clock())
    after = Calendar(
        before.times, known - clock(), clock, jitter=0.0, loop="tidy", epoch="e", first=first, known=known, looked=NIGHT
    )

    assert before.tick(3, 0.0).date == after.tick(3, 0.0).date


def test_a_time_that_a_day_does_not_have_is_right_after_the_gap():
    """The night has no half past two: what is to be done then is done at three."""
    assert dates("CRON_TZ=Europe/Berlin 30 2 * * *", NIGHT, 2) == ["29 03:00+0200", "30 02:30+0200"]


def test_a_time_that_a_day_has_twice_is_once():
    """Half past two comes twice; what is to be done then is done the first time."""
    assert dates("CRON_TZ=Europe/Berlin 30 2 * * *", AUTUMN, 2) == ["25 02:30+0200", "26 02:30+0100"]


def test_each_hour_is_an_hour_in_a_night_of_any_length():
    """What is to be done each hour is done 23 times on a short day, 25 times on a long one."""
    for wall, hours in ((NIGHT, 23), (AUTUMN, 25)):
        midnight = wall + DAY / 2
        ticks = calendar("CRON_TZ=Europe/Berlin 0 * * * *", Clock(midnight - 1.0))
        moments = [ticks.moment(number) for number in range(hours + 1)]

        assert moments == [1.0 + 3600.0 * number for number in range(hours + 1)]
        assert f"{ticks.tick(hours, 0.0).date:%H:%M}" == "00:00"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("@hourly", "28 12:00"),
        ("@daily", "29 00:00"),
        ("@weekly", "29 00:00"),
        ("@monthly", "01 00:00"),
        ("@yearly", "01 00:00"),
        ("0 9 * * MON-FRI", "30 09:00"),
        ("*/15 * * * * *", "28 12:00"),
        ("0 0 L * *", "31 00:00"),
        ("  0 4 * * *  ", "29 04:00"),
    ],
)
def test_expressions_that_people_use(text, first):
    """Names for the usual ones, weekdays, seconds, the last day of a month."""
    ticks = calendar(f"TZ=Europe/Berlin {text.strip()}", Clock())

    assert f"{ticks.tick(0, 0.0).date:%d %H:%M}" == first


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Wrong number of fields"),
        ("61 * * * *", "Bad minute"),
        ("0 0 31 2 *", "Bad day-of-month"),
        ("0 0 30 2 MON#7", "Bad day-of-week"),
        (b"0 4 * * *", "cron expression"),
        (7, "cron expression"),
        ("CRON_TZ=Mars/Olympus 0 4 * * *", "time zone that this machine knows"),
        ("CRON_TZ=../../etc/passwd 0 4 * * *", "time zone that this machine knows"),
        ("CRON_TZ= 0 4 * * *", "time zone that this machine knows"),
        ("@never", "@hourly"),
    ],
)
def test_what_names_no_time_is_refused(text, complaint):
    """The message says what was expected, and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=complaint):
        times_of(text, NIGHT)


def test_the_machine_has_a_zone(monkeypatch):
    """TZ names it, with or without a colon; what names none leaves the machine's own."""
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert times_of("0 4 * * *", NIGHT).zone == ZoneInfo("Asia/Tokyo")
    monkeypatch.setenv("TZ", "Nowhere/AtAll")
    assert local_zone(NIGHT).utcoffset(dt.datetime.fromtimestamp(NIGHT, dt.UTC)) is not None


expressions = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 1-5 * * *", "15 3 * * 0", "0 0 1 * *", "*/20 * * * * *"]
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


@given(text=expressions, zone=zones, begin=st.floats(0.0, 400 * DAY), span=st.floats(0.0, 5 * DAY))
@settings(max_examples=most(60, 25))
def test_ticks_are_those_that_the_expression_names(text, zone, begin, span):
    """As many are over as it names, each at its own time, and the next one is not before now."""
    wall = NIGHT + begin
    times = Times(text, ZoneInfo(zone))
    named = list(takewhile(lambda stamp: stamp < wall + span, times.after(wall - 1e-6)))
    ticks = Calendar(times, 0.0, Clock(wall), jitter=0.0, loop="tidy", epoch="e")
    before = ticks.before(span)

    assert abs(before - len(named)) <= 1
    assert before == 0 or ticks.moment(before - 1) < span
    assert ticks.moment(before) >= span - 1e-3
    assert all(abs(ticks.moment(number) - (stamp - wall)) < 1e-3 for number, stamp in list(enumerate(named))[-500:])


@given(text=expressions, zone=zones, begin=st.floats(0.0, 400 * DAY), days=st.integers(5, 400))
@settings(max_examples=most(40, 15))
def test_days_are_counted_as_their_times_would_be(text, zone, begin, days):
    """Long spans are counted day by day; short and long days are gone through."""
    times = Times(text, ZoneInfo(zone))
    first = times.date(NIGHT + begin).date()
    past = first + dt.timedelta(days=min(days, 2 + 3_000 // times.most_a_day()))
    begins, ends = times.midnight(first), times.midnight(past)
    named = sum(1 for _ in takewhile(lambda stamp: stamp < ends, times.after(begins - 1.0)))

    assert times.count(first, past) == named


def test_ten_years_of_sleep_are_counted_at_once():
    """Each minute of ten years is in the ledger; the last ones can be made up for."""
    control = Control(calendar("CRON_TZ=Europe/Berlin * * * * *", Clock()), math.inf, missed="replay_all")
    control.decide(0.0)
    control.ended(Fate.RUN, 0.0)
    began = time.perf_counter()
    asleep = 3_652 * DAY + 30.0
    decision = control.decide(asleep)
    ledger = control.ledger(asleep)

    assert time.perf_counter() - began < 30.0
    assert isinstance(decision, Run)
    assert (ledger.total, ledger.pending) == (3_652 * 1_440 + 1 - MOST_WAITING, MOST_WAITING)
    assert decision.tick.nominal == asleep - 30.0 - 60.0 * (MOST_WAITING - 1)


# ── the time of day is set ───────────────────────────────────────────────────────────────────────────────────────────


def ran(control: Control, clock: Clock, now: float, upto: float) -> list[str]:
    """Let *control* go on from *now*; return the ticks that it runs before *upto*."""
    dates = []
    while now < upto:
        decision = control.decide(now)
        if isinstance(decision, Wait):
            assert decision.seconds <= 60.0
            now = min(upto, now + max(decision.seconds, 1e-3))
        else:
            dates.append(f"{decision.tick.date:%d %H:%M}")
            control.ended(Fate.RUN, now)
    return dates


def test_what_ran_does_not_run_again_when_the_clock_is_set_back_an_hour():
    """The hours that come once more are waited for."""
    clock = Clock()
    control = Control(calendar("CRON_TZ=Europe/Berlin 0 * * * *", clock), math.inf)
    before = ran(control, clock, 0.0, 2.5 * 3600)
    clock.ahead -= 3600.0

    assert before == ["28 12:00", "28 13:00", "28 14:00"]
    assert ran(control, clock, 2.5 * 3600, 5 * 3600) == ["28 15:00"]
    assert control.ledger(5 * 3600).to_dict()["run"] == control.ledger(5 * 3600).total == 4


def test_a_clock_that_was_a_year_ahead_does_not_stop_a_loop():
    """By the right time, too, each hour is run."""
    clock = Clock(NIGHT + 365 * DAY)
    control = Control(calendar("CRON_TZ=Europe/Berlin 0 * * * *", clock), math.inf)
    ran(control, clock, 0.0, 2.5 * 3600)
    clock.ahead -= 365 * DAY

    assert ran(control, clock, 2.5 * 3600, 5 * 3600) == ["28 15:00", "28 16:00"]
    assert control.ledger(5 * 3600).run == control.ledger(5 * 3600).total == 5


def test_a_clock_that_is_set_forward_has_missed_what_lies_between():
    """The hours that did not come are counted, and nothing is run that is too late."""
    clock = Clock()
    control = Control(calendar("CRON_TZ=Europe/Berlin 0 * * * *", clock), math.inf)
    ran(control, clock, 0.0, 1800.0)
    clock.ahead += 5 * 3600.0

    assert ran(control, clock, 1800.0, 5400.0) == ["28 18:00"]
    assert (control.ledger(5400.0).run, control.ledger(5400.0).skipped_missed) == (2, 5)


@pytest.mark.parametrize(
    ("missed", "late", "runs"),
    [
        ("skip", GRACE - 1.0, True),
        ("skip", GRACE + 1.0, False),
        ("run_once_now", 5 * 3600.0, True),
        ("replay_all", 5 * 3600.0, True),
    ],
)
def test_a_tick_that_is_too_late_is_skipped_unless_it_is_wished(missed, late, runs):
    """What was to be done at four is not done at nine, but for who says that it is to be."""
    control = Control(calendar("CRON_TZ=Europe/Berlin 0 16 * * *", Clock()), math.inf, missed=missed)
    control.decide(0.0)
    decision = control.decide(4 * 3600.0 + late)

    assert isinstance(decision, Run) is runs
    assert control.ledger(4 * 3600.0 + late).skipped_missed == (0 if runs else 1)


def test_a_tick_is_named_after_its_time_whoever_runs_it():
    """A program that is started again hands on the same key for the same time."""
    ticks = [calendar("CRON_TZ=Europe/Berlin 0 16 * * *", Clock(NIGHT + shift)) for shift in (0.0, 600.0)]

    assert {each.tick(0, 0.0).id for each in ticks} == {"tidy/2026-03-28T16:00:00+01:00"}


def test_ticks_are_jittered_each_by_its_own_share():
    """They keep their order, and the share of a time is the same at each start."""
    ticks = calendar("CRON_TZ=Europe/Berlin * * * * *", Clock(), jitter=50.0)
    again = calendar("CRON_TZ=Europe/Berlin * * * * *", Clock(NIGHT + 600.0), jitter=50.0)
    late = [ticks.moment(number) - 60.0 * number for number in range(40)]

    assert all(0.0 <= each <= 50.0 for each in late)
    assert len(set(late)) == 40
    assert [ticks.before(ticks.moment(number)) for number in range(5)] == list(range(5))
    assert again.moment(0) == pytest.approx(ticks.moment(10) - 600.0, abs=1e-3)


def test_what_lies_between_two_times_is_taken_for_the_interval():
    """The least of the next hundred; an hour on a day with 23."""
    assert usual_gap(times_of("CRON_TZ=Europe/Berlin 0,10 * * * *", NIGHT), NIGHT) == 600.0
    assert usual_gap(times_of("CRON_TZ=Europe/Berlin 0 0 * * *", NIGHT), NIGHT) == DAY - 3600.0
