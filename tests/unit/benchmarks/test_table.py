"""What the benchmark of the simulation engine says of its figures."""

from __future__ import annotations

import math
import statistics

import pytest
from benchmarks.truth.contest import OURS, Result
from benchmarks.truth.figures import Figures, Score, score
from benchmarks.truth.goals import GOALS
from benchmarks.truth.oracle import ORACLE
from benchmarks.truth.table import conclude, half_width, lost

RULES = ("one attempt", "tenacity", ORACLE, OURS)


def result(points: float, success: float = 1.0, p99: float = 0.1, load: float = 1.0) -> Result:
    took = (0.01, 0.02, p99, 2.0 * p99)
    return Result(Figures(success, took, took, load, load, load, math.nan), Score(points, 50.0, 50.0, 50.0), 1.0, {})


def test_a_cell_is_lost_when_paired_seeds_say_so():
    """What is worse on each seed is lost, what is worse on some is not, and the oracle is no competitor."""
    ours = [result(80.0 + seed, 0.99, 0.1) for seed in range(5)]
    better = [result(80.5 + seed, 0.99 + 0.001 * (-1) ** seed, 0.1) for seed in range(5)]

    assert ["score of tenacity"] == list(lost({"tenacity": better, ORACLE: better, OURS: ours}))


def test_the_interval_is_students():
    """Twenty seeds make 2.093 standard errors, five 2.776."""
    for count, student in ((20, 2.093), (5, 2.776)):
        values = [float(each) for each in range(count)]
        expected = student * statistics.stdev(values) / math.sqrt(count)
        assert half_width(values) == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize(("name", "good", "bad"), [
    ("W1", {"p99": 0.0130, "load": 1.07}, {"p99": 0.0140, "load": 1.07}),
    ("W4", {"success": 0.9999, "p99": 0.05}, {"success": 0.9998, "p99": 0.05}),
    ("W7", {"load": 1.02}, {"load": 1.021}),
])  # fmt: skip
def test_a_goal_is_judged_by_the_mean_of_the_seeds(name, good, bad):
    """All goals of a world are met by what is good enough, and one is not by what is not."""
    kept, broken = (
        [goal.judged({OURS: [result(80.0, **each)] * 2})[0] for goal in GOALS[name]] for each in (good, bad)
    )

    assert all(kept)
    assert not all(broken)


def test_the_share_of_the_gap_that_is_closed_is_told(capsys):
    """Ours between the best static rule and the oracle closes that share of what lies between them."""
    runs = dict(zip(RULES, ([result(each)] * 2 for each in (60.0, 70.0, 80.0, 78.0)), strict=True))
    conclude({"W1": runs, "W2": runs})

    told = capsys.readouterr().out
    assert "gap from the best single rule to the oracle: 10.00, closed: 80.0%" in told
    assert "beats every static rule on the mean score: True (+8.00 of tenacity)" in told
    assert "and on success: False" in told


def test_where_there_is_no_gap_none_is_closed(capsys):
    """An oracle that is no better than a static rule leaves nothing to be divided by."""
    runs = dict(zip(RULES, ([result(each)] * 2 for each in (60.0, 80.0, 80.0, 78.0)), strict=True))
    conclude({"W9": runs})

    assert "gap from the best single rule to the oracle: 0.00, ours gains -2.00" in capsys.readouterr().out


def test_failing_costs_what_the_calls_can_show():
    """No failure in a thousand calls is not taken for certainty."""
    sure, figures = result(0.0).figures, result(0.0, success=0.999).figures

    assert score(sure, sure, 1_000).quality == pytest.approx(25.0 * -math.log10(0.0005))
    assert score(figures, sure, 10**9).quality == pytest.approx(75.0, abs=1e-3)
