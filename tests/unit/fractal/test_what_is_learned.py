"""What is made of what piled up at a target, and when a plan is made of it anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

import unbreakable as ub
from unbreakable.fractal.batch import drain
from unbreakable.fractal.learning import optimize
from unbreakable.runtime import BLOCKING


class Planner:
    """A chooser that counts how often it is asked for a plan."""

    def __init__(self):
        self.asked = 0

    def plan(self, target, before, traffic, dice):
        self.asked += 1
        return replace(before, observations=traffic.count)


def test_what_succeeds_next_after_a_failure_is_told_apart():
    """Of nine quick answers and two slow ones these came after failures, the last of which nothing came after."""
    target = ub.protect("target", effects="none")(lambda: None).node.target
    for seconds in (0.01, 0.01, None, 0.3, 0.01, None, 0.2, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, None):
        if seconds is None:
            target.take_fault(0.0, 0.001)
        else:
            target.ring.append(seconds)
    near = drain(target).traffic(target, 1.0).near

    assert 3 == near.count
    assert (0.01, 0.2, 0.3) == tuple(pytest.approx(near.value(share), rel=0.02) for share in (0.3, 0.6, 1.0))


@pytest.mark.parametrize(
    ("known", "more", "asked"), [(100, 24, 0), (100, 25, 1), (100_000, 4_999, 0), (100_000, 5_000, 1)]
)
def test_a_plan_is_made_anew_when_a_quarter_is_new_or_five_thousand_attempts(known, more, asked):
    """However much is known: what changes unnoticed is planned for in time."""
    node = ub.protect("target", effects="none")(lambda: None).node
    node.chooser = planner = Planner()
    node.target.traffic.ok.update(0.01, times=known + more)
    node.target.plan = replace(node.target.plan, observations=known)
    optimize(node, node.target, BLOCKING, drifted=False)

    assert asked == planner.asked
