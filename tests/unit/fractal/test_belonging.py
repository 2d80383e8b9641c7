"""Circles know a node while it is in use, each once, and are told when it leaves and is back."""

from __future__ import annotations

import gc

import pytest

import unbreakable as ub
from unbreakable.fractal import belonging
from unbreakable.fractal.belonging import close_unheld


class Told:
    """A circle that writes down who came and went."""

    def __init__(self):
        self.told = []

    def left(self, node, counts):
        self.told.append(("left", node.name, counts.ok))

    def is_back(self, node, counts):
        self.told.append(("back", node.name, counts.ok))


def test_a_circle_that_is_entered_twice_is_told_once():
    """Of each leave and of each return; one that was parted from is told nothing."""
    node, circle, other = ub.FractalNode("n", lambda: 1), Told(), Told()
    for each in (circle, other, circle):
        node.belong_to(each)
    node.part_from(other)
    node.execute_sync()
    node.aclose_sync()
    node.aclose_sync()
    node.execute_sync()

    assert [("left", "n", 1), ("back", "n", 1)] == circle.told
    assert [] == other.told


def test_of_two_threads_that_use_a_node_again_one_brings_it_back(monkeypatch):
    """The other one comes to the lock when that has happened."""
    node, circle, lock = ub.FractalNode("n"), Told(), belonging.moving
    node.belong_to(circle)
    node.leave()

    class Meanwhile:
        def __enter__(self):
            monkeypatch.setattr(belonging, "moving", lock)
            node.come_back()
            return lock.__enter__()

        def __exit__(self, *error):
            return lock.__exit__(*error)

    monkeypatch.setattr(belonging, "moving", Meanwhile())
    node.come_back()

    assert [("left", "n", 0), ("back", "n", 0)] == circle.told


@pytest.mark.parametrize("known", [True, False])
def test_the_node_of_a_function_that_nobody_can_call_any_more_is_closed(known):
    """By whoever looks next, if somebody knows it; nobody sees that there is a node."""
    circle, door = Told(), ub.protect("n")(lambda: 1)
    door()
    if known:
        door.node.belong_to(circle)
    del door
    gc.collect()
    before = list(circle.told)
    close_unheld()

    assert [] == before
    assert ([("left", "n", 1)] if known else []) == circle.told


def test_a_node_that_is_closed_while_a_call_is_begun_is_back_with_the_next_one():
    """Somebody closes it when the call's key is asked for, which nobody has met before."""
    circle, closes = Told(), [True, False, False]

    def key(*_):
        if closes.pop(0):
            door.node.aclose_sync()
        return "a"

    door = ub.protect("n", key=key)(lambda: 1)
    door.node.belong_to(circle)
    for _ in range(2):
        door()

    assert ["left", "back"] == [told for told, *_ in circle.told]
