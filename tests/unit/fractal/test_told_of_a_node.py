"""What a node tells of what it has learned, when there is little of it."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.fractal import learning
from unbreakable.fractal.status import Latency
from unbreakable.fractal.survey import foresights_of
from unbreakable.fractal.tuner import Tuner
from unbreakable.runtime import BLOCKING
from unbreakable.stats import Traffic

NOTHING = {
    "traffic": Traffic().to_dict(),
    "lessons": [],
    "plan": None,
    "arms": {},
    "totals": {"learnings": 0, "healings": 0, "optimizations": 0},
}


def test_without_a_success_nothing_is_tuned():
    """Failures say nothing of how long a success takes."""
    node = ub.FractalNode("n")
    plan = node.target.plan

    assert plan is Tuner(node.settings).plan("n", plan, Traffic(), random.Random(7).random)


def test_attempts_that_were_cut_say_nothing_of_the_success_rate():
    """They are learned from, and none of them has ended by itself."""
    node = ub.FractalNode("n")
    target = node.target
    target.ages.append(3.0)
    learning.learn(node, target, BLOCKING)
    before = target.success_rate.value()
    target.ring.append(0.1)
    learning.learn(node, target, BLOCKING)

    assert (None, 1.0) == (before, target.success_rate.value())
    assert 2 == target.learned["learn.patterns.aggregate"]


def test_one_learns_at_a_time():
    """Whoever comes meanwhile leaves it to him, and nothing is lost."""
    node = ub.FractalNode("n")
    target = node.target
    target.ring.append(0.1)
    assert target.learning.take()
    learning.learn(node, target, BLOCKING)
    left = len(target.ring)
    target.learning.release()
    learning.learn(node, target, BLOCKING)

    assert (1, 0, 1) == (left, len(target.ring), target.latency.count)


def test_a_latency_is_told_as_plain_numbers():
    """None before the first success."""
    assert {"p50": 0.5, "p90": None, "p99": None} == Latency(p50=0.5).to_dict()


def test_of_what_several_targets_foresee_that_is_told_which_has_prevented_most():
    """Wherever it stands among them."""

    def target(**prevented):
        told = {signature: {"prevented": number} for signature, number in prevented.items()}
        return SimpleNamespace(experience=SimpleNamespace(outlook=SimpleNamespace(to_dict=lambda: told)))

    blind = SimpleNamespace(experience=SimpleNamespace(outlook=None))
    targets = [target(a=3, b=1), blind, target(a=2, b=5, c=0)]

    assert {"a": {"prevented": 3}, "b": {"prevented": 5}, "c": {"prevented": 0}} == foresights_of(targets)


def test_a_memory_names_what_it_knows_in_the_order_in_which_it_was_learned():
    """The one that was learned of last is at the end."""
    memory, record = ub.LocalMemory(), {**NOTHING}
    for name in ("a", "b", "a"):
        memory.add(name, record, None)

    assert ["b", "a"] == memory.targets()


def test_a_call_that_was_refused_names_its_outcome_to_whoever_looks_it_up():
    """Beside why it was, which is all that there is to tell."""
    door, told = ub.protect("x", bulkhead=ub.Bulkhead(1))(lambda: 1), []
    door.node.on(ub.events.Event, told.append)
    door.node.target.gate.enter_nowait()

    with pytest.raises(ub.errors.BulkheadFull) as caught:
        door()

    why = "refused: 1 calls to x are in flight"
    pattern = rf"unbreakable: x failed after 0 attempts in \d\.\d{{3}} s; {why}; circuit closed; outcome \w+"
    assert re.fullmatch(pattern, caught.value.__notes__[-1])
    assert caught.value.__notes__[-1].rpartition(" ")[2] in {getattr(event, "id", None) for event in told}
