"""What is learned of calls that are only watched is what is learned of calls that the policies make."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks._watched import watched, watched_copies
from benchmarks.truth.held import hold
from benchmarks.truth.laws import lognormal, mixture, shifted
from benchmarks.truth.luck import Luck
from benchmarks.truth.worlds import Endpoint, World
from benchmarks.twin import an_hour, seldom

from unbreakable.policies import Hedge, Plan, Retry

LAW = mixture(lognormal(0.02, 0.01), shifted(lognormal(1.0, 0.1), 9.0), 0.01)  # some are never waited for
BURSTS = World("x", "", (Endpoint(LAW, 0.002, 0.8, good=2.0, bad=0.5, slower=3.0),), 100.0, 0.5)


def test_who_watches_learns_what_who_calls_does():
    """Answers, failures, what was cut: the very same; what came after failures, but for when it was looked at."""
    luck = Luck(BURSTS, 1_500, 3)
    made = hold(luck, Plan(effects="none", retry=Retry(1), deadline=0.5))[1].to_dict()
    seen = watched(luck).to_dict()
    lags, own = ([sum(row[part] for row in each["lags"]["bins"]) for part in (1, 2)] for each in (made, seen))

    assert all(made[part] == seen[part] for part in ("ok", "failed", "cut", "beside", "repeats"))
    assert (
        sum(times for _, times in seen["near"]["buckets"]) == sum(times for _, times in made["failed"]["buckets"]) > 50
    )
    assert made["cut"]["buckets"]
    assert own == pytest.approx(lags, rel=0.1)


def test_what_succeeds_next_to_failures_is_known():
    """In bad times answers take three times as long, and it is then that attempts fail."""
    seen = watched(Luck(BURSTS, 1_500, 3))

    assert 1.5 < seen.near.value(0.5) / seen.ok.value(0.5) < 4.0


def test_who_watches_copies_learns_what_who_sends_them_does():
    """Copies that came back first, losers that were cut, when they were sent: the very same, but for what hangs."""
    luck = Luck(BURSTS, 1_500, 4)
    made, seen = hold(luck, Plan(retry=None, hedge=Hedge(0.03), deadline=0.5))[1], watched_copies(luck, 0.03)

    for part in ("beside", "beside_cut", "sent"):
        one, other = getattr(made, part), getattr(seen, part)
        assert one.count == pytest.approx(other.count, abs=2)
        assert one.value(0.5) == pytest.approx(other.value(0.5), rel=0.05)


def test_a_truth_meets_very_many_bad_times_and_a_model_an_hour_of_them():
    """Where there are any, calls of a truth come a hundred times as seldom; a model has 200,000 at most."""
    rare = BURSTS._replace(endpoints=(BURSTS.endpoints[0]._replace(good=0.018, bad=0.012),), rate=100.0)

    assert 1.0 == pytest.approx(seldom(rare, 3_000).rate)
    assert 100.0 == seldom(rare, 300_000_000).rate
    assert 100.0 == seldom(BURSTS._replace(endpoints=(Endpoint(LAW),)), 10).rate
    assert (200_000, 36_000) == (an_hour(BURSTS), an_hour(BURSTS._replace(rate=10.0)))
    assert np.mean(np.diff(Luck(seldom(rare, 3_000), 3_000, 1).comes)) == pytest.approx(1.0, rel=0.1)
