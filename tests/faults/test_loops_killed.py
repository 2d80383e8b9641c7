"""A worker of `unbreakable run` is killed at any moment, again and again: what its loop was told is kept, is there."""

from __future__ import annotations

import os
import sys

import pytest
from tests.faults.killing import killed, lost

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]


ANYBODY = ("worker", "supervisor", "both", "deputy")


@pytest.mark.parametrize("durability", ["process", "durable"])
def test_nothing_that_was_kept_is_lost_and_every_tick_is_accounted_for(tmp_path, durability):
    """The next process begins with what the latest iteration has left, on the same grid, and no tick has no fate."""
    seen = killed(tmp_path, 3, durability, seed=1)

    assert [] == lost(seen)
    assert 4 == len({row.pid for row in seen.begun})
    assert seen.place.counts["interrupted"] <= 3


@pytest.mark.skipif(sys.platform != "linux", reason="a supervisor has a deputy on Linux")
def test_nothing_is_lost_by_the_death_of_a_supervisor(tmp_path):
    """Whoever is killed, and in whichever order, one worker is at work at a time, and after the end there is nobody."""
    seen = killed(tmp_path, 8, "process", seed=3, victims=ANYBODY)

    assert [] == lost(seen)
