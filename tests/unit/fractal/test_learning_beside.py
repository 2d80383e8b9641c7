"""Learning goes on beside the calls: in a thread of its own, no more often than there is something new."""

from __future__ import annotations

import asyncio
import threading

import pytest

import unbreakable as ub
from unbreakable.fractal import learning
from unbreakable.fractal.target import COLD
from unbreakable.runtime import BLOCKING


class Slow:
    """A memory that takes what is new when it is let."""

    def __init__(self):
        self.begun, self.let, self.records = threading.Event(), threading.Event(), []

    def get(self, target):
        return None

    def watch(self, target, ear):
        pass

    def add(self, target, record, source):
        self.begun.set()
        assert self.let.wait(10.0)
        self.records.append((record["totals"]["learnings"], threading.get_ident()))


@pytest.mark.real
def test_an_event_loop_does_not_learn():
    """What is new is handed to the memory by another thread, and the loop goes on while that takes long."""
    memory = Slow()

    @ub.protect("target", memory=memory)
    async def call():
        return 1

    async def story():
        for _ in range(COLD):
            await call()
        assert await asyncio.to_thread(memory.begun.wait, 10.0)
        later = [await call() for _ in range(COLD)]  # while the memory still takes
        memory.let.set()
        await call.node.aclose()
        return later

    assert [1] * COLD == asyncio.run(story())
    assert [COLD, COLD] == [count for count, _ in memory.records]
    assert threading.get_ident() != memory.records[0][1]


def test_what_was_learned_meanwhile_is_not_learned_again(monkeypatch):
    """Where chores come late, the first one takes all there is, and those asked for before that have nothing to do."""
    waiting, node = [], ub.protect("target")(lambda: 1).node
    monkeypatch.setattr(BLOCKING, "background", waiting.append)
    for _ in range(3):
        learning.learn_soon(node, node.target, BLOCKING)
    node.target.ring.extend([0.01] * 10)
    times = []
    for chore in waiting:
        chore()
        node.target.ring.append(0.01)
        times.append(node.target.learned.get("learn.patterns.aggregate", 0))

    assert [1, 1, 1] == times
    assert 3 == len(node.target.ring)


def test_what_is_asked_for_later_is_learned(monkeypatch):
    """A request that came after the others were done is done, too."""
    waiting, node = [], ub.protect("target")(lambda: 1).node
    monkeypatch.setattr(BLOCKING, "background", waiting.append)
    for _ in range(2):
        node.target.ring.append(0.01)
        learning.learn_soon(node, node.target, BLOCKING)
        waiting.pop()()

    assert 2 == node.target.learned["learn.patterns.aggregate"]
