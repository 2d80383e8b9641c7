"""A place that was taken before a fork is nobody's in the child."""

from __future__ import annotations

import unbreakable as ub


def test_a_call_that_ends_in_the_child_frees_no_place_that_somebody_took_there():
    """It was counted in the parent; in the child somebody else is inside, and there is one place."""

    @ub.protect("partner", bulkhead=ub.Bulkhead(1))
    def door():
        door.node.after_fork()  # as in a child
        return door.node.target.gate.enter_nowait()

    assert door()
    assert 1 == door.node.target.gate.inside
