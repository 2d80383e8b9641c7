"""A gate that is made larger or smaller while it is used, and whose line knows who is more important."""

from __future__ import annotations

import random

import pytest

from unbreakable.runtime import BLOCKING, Gate, run_blocking


class Waiting:
    """A waiter of nobody's, with a name; woken or not."""

    def __init__(self, name):
        self.name, self.given, self.woken = name, False, False

    def alive(self):
        return True

    def wake(self):
        self.woken = True


def enter(gate, count):
    return [gate.enter_nowait() for _ in range(count)]


def test_a_larger_gate_has_room_at_once():
    """Who waits is let in as soon as there are more places."""
    gate = Gate(1)
    enter(gate, 1)
    waiting = [Waiting(name) for name in "abc"]
    gate.line.extend(waiting)
    gate.resize(3)

    assert [True, True, False] == [each.given for each in waiting]
    assert (3, 1) == (gate.inside, len(gate.line))


def test_a_smaller_gate_lets_nobody_in_until_enough_have_left():
    """Who is inside may stay; places go with those who leave."""
    gate = Gate(5)
    enter(gate, 5)
    gate.resize(2)
    seen = []
    for _ in range(5):
        gate.leave()
        seen.append((gate.inside, gate.enter_nowait()))
        if seen[-1][1]:
            gate.leave()

    assert [(4, False), (3, False), (2, False), (1, True), (0, True)] == seen


def test_free_places_go_at_once_when_there_are_to_be_fewer():
    """A smaller gate is full with as many as it says, however many it had."""
    gate = Gate(10)
    enter(gate, 10)
    for _ in range(10):
        gate.leave()
    gate.resize(3)

    assert [True, True, True, False] == enter(gate, 4)


def test_who_waits_longest_of_the_most_important_goes_first():
    """The line is ordered by importance, and among equals by who came first."""
    gate = Gate(0, queue=100)
    line = [(0, "a"), (1, "b"), (0, "c"), (-1, "d"), (1, "e"), (-1, "f"), (0, "g")]
    for rank, name in line:
        gate._line_up(Waiting(name), rank)

    assert "dfacgbe" == "".join(each.name for each in gate.line)


@pytest.mark.parametrize("seed", range(20))
def test_the_line_is_always_in_order(seed):
    """Whoever comes and goes, nobody less important stands before anybody more important, or who came later before."""
    dice, gate, came = random.Random(seed), Gate(0), 0
    for _ in range(200):
        if gate.line and dice.random() < 0.4:
            leaver = dice.choice(list(gate.line))
            gate._arrived(leaver)
            continue
        came += 1
        waiter = Waiting(came)
        waiter.rank = dice.choice([-2, -1, 0, 0, 0, 1])
        gate._line_up(waiter, waiter.rank)

    keys = [(each.rank, each.name) for each in gate.line]
    assert sorted(keys) == keys
    assert {each for each in gate.line if each.rank} == set(gate.ranks)


def test_where_the_line_is_full_the_least_important_is_turned_away():
    """The last of those who are less important makes room; equals do not."""
    gate = Gate(0, queue=2)
    first, last = Waiting("first"), Waiting("last")
    gate._line_up(first, 0)
    gate._line_up(last, 1)

    assert not run_blocking(gate.enter(BLOCKING, 0.001, rank=1))
    assert not last.woken
    assert not run_blocking(gate.enter(BLOCKING, 0.001, rank=0))
    assert (True, False) == (last.woken, first.woken)
    assert [first] == list(gate.line)


def test_after_a_fork_nobody_waits_or_is_remembered():
    """The child begins with an empty gate of the size that was found."""
    gate = Gate(3)
    gate.resize(7)
    enter(gate, 7)
    gate._line_up(Waiting("a"), 1)
    gate.clear()

    assert (0, 0, {}, 7) == (gate.inside, len(gate.line), gate.ranks, gate.most)
