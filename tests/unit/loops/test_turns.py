"""What a loop that never waits leaves to other threads, and what that costs it."""

from __future__ import annotations

import sys

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

COUNT = 2_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts for each thread")
def test_a_turn_of_others_is_not_given_after_each_iteration():
    """The pause would take longer than all the rest of an iteration that does nothing."""
    import resource  # where there is one

    given: list[int] = []

    def look() -> None:
        given.append(resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw)

    loop = ub.QuantumLoopEngine().create_loop(look, name="busy", interval=0, max_iterations=COUNT)
    loop.start()
    loop.wait_sync()

    assert len(given) == COUNT
    assert given[-1] - given[0] < COUNT / 2


def test_in_virtual_time_loops_that_never_wait_have_turns_one_after_the_other():
    """No time passes for them by itself: none may keep the others waiting for ever."""
    order: list[str] = []

    with virtual_time(seed=1) as clock:
        engine = ub.QuantumLoopEngine()
        for name in ("one", "two"):
            engine.create_loop(lambda name=name: order.append(name), name=name, interval=0, max_iterations=50).start()
        clock.advance(1.0)
        engine.aclose_sync()

    assert order.count("one") == order.count("two") == 50
    assert order.index("two") < 50
