"""What is kept of each way to do the same job."""

from __future__ import annotations

import pytest

from unbreakable.stats import Arms

UNIT = 2**20


def test_a_record_from_before_failures_were_counted_is_read():
    """It says nothing of failures, so there were none."""
    arms = Arms.from_dict({"arms": {"a": [2 * UNIT, 3 * UNIT, 5 * UNIT]}})

    assert ((1.5, 2.0), 0.0) == (arms.value("a"), arms.share_failed("a"))


def test_failures_are_in_the_record():
    """What is read back fails as often."""
    arms = Arms()
    arms.update("a", 1.0, failed=True)
    arms.update("a", 1.0)

    assert 0.5 == Arms.from_dict(arms.to_dict()).share_failed("a")


@pytest.mark.parametrize("failed", [-1, 2 * UNIT])
def test_more_failures_than_uses_are_refused(failed):
    """No arm ever wrote that."""
    with pytest.raises(ValueError, match="expected a name with a weight"):
        Arms.from_dict({"arms": {"a": [UNIT, 0, 0, failed]}})


def test_what_came_in_since_an_arm_was_marked_can_be_taken_back():
    """An arm that was not known then is not known again; one that nobody marked is left as it is."""
    arms = Arms()
    arms.update("a", 1.0)
    arms.mark("a")
    arms.mark("new")
    for name in ("a", "new", "b"):
        arms.update(name, 9.0, failed=True)
        arms.take_back(name)

    assert ((1.0, 1.0), None, (9.0, 1.0)) == tuple(map(arms.value, ("a", "new", "b")))
