"""The one table that says what protection was worth."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from unbreakable.demo.figures import Figures
from unbreakable.demo.report import Report, Resumed
from unbreakable.demo.state import Settings

GOOD = Figures(
    bookings=1000,
    done=1000,
    compensated=0,
    failed=0,
    downtime=0,
    p50=0.088,
    p99=1.1,
    later=[0.08, 0.09, 0.1] * 100,
    heals={"retry": 212, "renew token": 14},
    extra_load=0.064,
    double_charges=0,
    lost=0,
    stranded=0,
    settings={"payments": {"timeout": 0.30123, "hedge": None}, "flights": {"timeout": 1.0}},
)
BAD = replace(GOOD, done=718, compensated=265, failed=17, heals={}, p50=0.454, p99=5.27, stranded=13, settings={})


def report(**changes):
    return Report(settings=Settings(), unprotected=BAD, protected=replace(GOOD, **changes))


def test_the_table_shows_both_runs():
    """Each figure stands beside its counterpart."""
    lines = [line.split() for line in report().text().splitlines()]

    assert ["unprotected", "protected"] in lines
    assert ["failures", "282", "0"] in lines
    assert ["p99", "from", "due", "time", "5.27", "s", "1.10", "s"] in lines
    assert ["retry", "0", "212"] in lines
    assert ["extra", "load", "on", "the", "partners", "6.4%", "6.4%"] in lines


def test_what_was_learned_has_a_row_for_each_target():
    """Settings that a target does not have are a dash."""
    text = report().text()

    assert ["payments", "0.301", "s", "-"] in [line.split() for line in text.splitlines()]
    assert ["flights", "1", "s", "-"] in [line.split() for line in text.splitlines()]


def test_a_speed_up_is_told_with_its_interval_or_as_none():
    """A median that is clearly lower is told as a ratio; one that is not is told as no speed-up."""
    faster = replace(report(), unprotected=replace(BAD, later=[0.4, 0.45, 0.5] * 100))

    assert "speed-up of the median booking 5.0x (95 % interval 5.0x to 5.0x), after the first 200" in faster.text()
    assert "no measurable speed-up, after the first 200: 90 ms against 90 ms" in report().text()


def test_a_median_of_nothing_is_no_time():
    """Where no booking was done there is no figure to show."""
    served = replace(report(), unprotected=replace(BAD, done=0, later=[]))

    assert "after the first 200: 90 ms against none" in served.text()
    assert served.to_dict()["unprotected"]["p50_later"] is None


def test_what_was_remembered_is_told():
    """A demo that began with an earlier one's knowledge says which strategies were in force."""
    text = replace(report(), remembered={"flights": "adaptive (1,577 attempts)"}).text()

    assert "from the first call on, learned by an earlier demo: flights adaptive (1,577 attempts)" in text
    assert "earlier demo" not in report().text()


def test_the_account_and_the_seed_are_said():
    """A reader can check the sum and play the same story again."""
    text = report().text()

    assert "protected bookings: 1000 done + 0 compensated + 0 failed = 1000" in text
    assert "seed 1: nothing lost, nothing charged twice" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"done": 999, "failed": 1},
        {"done": 999, "compensated": 1},
        {"done": 999},
        {"lost": 1},
        {"stranded": 1},
        {"double_charges": 1},
    ],
)
def test_one_broken_promise_is_enough_to_fail(changes):
    """One failed, undone, missing, lost or doubled booking out of a thousand is told."""
    broken = report(**changes)

    assert not broken.passed
    assert "NOT what was promised" in broken.text()


def test_a_crash_excuses_as_many_undone_bookings_as_were_in_flight():
    """After a kill, a booking that was in flight may be compensated; one more may not."""
    found = Resumed(ended=400, in_flight=2, not_begun=598)

    assert replace(report(done=998, compensated=2), resumed=found).passed
    assert "400 bookings had ended, 2 were in flight" in replace(report(), resumed=found).text()
    assert not replace(report(done=997, compensated=3), resumed=found).passed


def test_the_report_is_json():
    """Programs get the same figures as people."""
    value = json.loads(json.dumps(report().to_dict()))

    assert (1, 0.05, 1000, None, True) == tuple(
        value[name] for name in ("seed", "fault_rate", "bookings", "resumed", "passed")
    )
    assert (282, 0) == (value["unprotected"]["failures"], value["protected"]["failures"])
