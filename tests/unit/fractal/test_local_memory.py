"""A memory is met when a target is met, and no call waits for it or fails for it."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.fractal.memory import MOST_LESSONS, MOST_TARGETS, added
from unbreakable.fractal.target import COLD
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.world import RealWorld
from unbreakable.testing import virtual_time

RECORD = {
    "traffic": ub.fractal.memory.Traffic().to_dict(),
    "lessons": [],
    "plan": None,
    "arms": {},
    "totals": {"learnings": 1, "healings": 0, "optimizations": 0},
}


def by_key(memory, **options):
    return ub.protect("target", key=lambda key: key, memory=memory, **options)(lambda key: key)


def learned(memory, **options):
    """Let a node learn about the key "a" in *memory*."""
    with virtual_time():
        door = by_key(memory, **options)
        for _ in range(COLD):
            door("a")


def test_a_key_that_the_memory_knows_is_learned_from_its_first_call_on():
    """The plan of a key survives its node, and counts at once."""
    memory = ub.LocalMemory()
    learned(memory)
    door = by_key(memory)
    door("a")

    assert COLD <= door.node.targets.by_key["a"].plan.observations


def test_no_call_waits_for_a_plan_to_be_made(monkeypatch):
    """A key whose plan does not fit any more goes on cold; a new one is made by a chore."""
    memory, chores = ub.LocalMemory(), []
    learned(memory, effects="unknown")
    world = RealWorld()
    monkeypatch.setattr(world, "background", chores.append)
    monkeypatch.setattr(BLOCKING, "world", world)
    door = by_key(memory, effects="none")
    door("a")
    target = door.node.targets.by_key["a"]
    before = target.plan.observations
    for chore in chores:
        chore()

    assert (0, COLD) == (before, target.plan.observations)


@pytest.mark.parametrize("method", ["get", "watch"])
def test_a_memory_that_cannot_be_read_refuses_no_call(method, caplog):
    """A node whose memory fails knows nothing, and works."""

    def broken(*_):
        raise OSError("the disk is gone")

    memory = ub.LocalMemory()
    setattr(memory, method, broken)
    door = by_key(memory)

    assert ("a", "OK") == (door("a"), door.outcome("b").status.name)
    assert "the disk is gone" in caplog.text


def test_a_memory_that_cannot_be_written_lets_a_node_close(caplog):
    """What was learned last is lost with a word in the log; closing goes on."""

    class Broken(ub.LocalMemory):
        def add(self, target, record, source):
            raise OSError("the disk is full")

    door = ub.protect("target", memory=Broken())(lambda: 1)
    door()
    door.node.aclose_sync()

    assert "the disk is full" in caplog.text


def test_whoever_watches_is_told_for_as_long_as_they_live():
    """What is known of a target may be dropped for newer ones; those who watch it are not."""
    memory, heard = ub.LocalMemory(), []

    def told(record, source):
        heard.append(source)

    memory.watch("first", told)
    for number in range(MOST_TARGETS + 1):
        memory.add("first" if number == 0 else f"target {number}", RECORD, number)
    memory.add("first", RECORD, "again")

    assert [0, "again"] == heard


def test_what_is_known_is_aged():
    """Beyond 200,000 successes the older half counts half: what a target was like long ago is forgotten in the end."""
    memory, traffic = ub.LocalMemory(), ub.fractal.memory.Traffic()
    traffic.update(ok=[0.1] * 150_000)
    for _ in range(2):
        memory.add("target", {**RECORD, "traffic": traffic.to_dict()}, "node")

    assert 150_000 == ub.fractal.memory.Traffic.from_dict(memory.get("target")["traffic"]).ok.count


def test_whoever_has_no_plan_yet_leaves_the_known_one_in_force():
    """A node that is new to a target, and tells what it saw first, has not unlearned anything."""
    memory = ub.LocalMemory()
    memory.add("target", {**RECORD, "plan": {"strategy": "balanced"}}, "old")
    memory.add("target", RECORD, "new")

    assert {"strategy": "balanced"} == memory.get("target")["plan"]


def test_lessons_add_up_in_any_order_and_fade():
    """What several nodes tell of a remedy is one row of sums; beyond 64 trials it counts half."""
    one, other = ["timeout", "refresh", 0.9, 3, 1, 500], ["timeout", "refresh", 0.9, 1, 2, 250]
    many = ["timeout", "refresh", 0.9, 60, 4, 900]

    assert [["timeout", "refresh", 0.9, 4, 3, 750]] == added([one], [other]) == added([other], [one])
    assert [["timeout", "refresh", 0.9, 31, 2, 700]] == added([many], [one])
    assert MOST_LESSONS == len(added([], [[f"sort {number}", "refresh", 0.9, 1, 0, 1] for number in range(1_000)]))
