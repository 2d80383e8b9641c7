"""A worker of `unbreakable run` is killed at any moment, again and again: what its loop was told is kept, is there."""

from __future__ import annotations

import os

import pytest
from tests.faults.killing import killed, lost

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]


@pytest.mark.parametrize("durability", ["process", "durable"])
def test_nothing_that_was_kept_is_lost_and_every_tick_is_accounted_for(tmp_path, durability):
    """The next process begins with what the latest iteration has left, on the same grid, and no tick has no fate."""
    seen = killed(tmp_path, 3, durability, seed=1)

    assert [] == lost(seen)
    assert 4 == len({row.pid for row in seen.begun})
    assert seen.place.counts["interrupted"] <= 3
