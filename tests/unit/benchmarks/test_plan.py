"""What is kept of a target, whatever it does."""

from __future__ import annotations

import copy

from benchmarks.plan import kept, widest

from unbreakable.stats import Traffic


def test_no_traffic_takes_more_than_eight_kilobytes():
    """Not after years in which every attempt took anything from a microsecond to three days."""
    most = widest()

    assert 7.0 < kept(most) <= 8.0
    most.merge(copy.deepcopy(most))
    assert kept(most) <= 8.0
    most.halve()
    assert kept(most) <= 8.0
    assert kept(Traffic.from_dict(most.to_dict())) <= 8.0
