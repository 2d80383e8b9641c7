"""What nodes have learned and not handed on yet is counted, or handed on at last."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from unbreakable.fractal.learning import learn_the_rest, totals_of
from unbreakable.fractal.memory import Knowledge
from unbreakable.fractal.node import FractalNode, living_nodes


class Summing(Protocol):
    """Sum up what is known."""

    def summary(self) -> Knowledge:
        """Return in four figures what is known of all targets together."""


def knowledge_of(memory: Summing) -> Knowledge:
    """Return what *memory* knows, and what the nodes that keep their knowledge there have not told it yet."""
    known = Counter(vars(memory.summary()))
    for node in _telling(memory):
        for target in node.targets.every():
            known.update(totals_of(target) - target.told)
            known["learnings"] += target.piled + target.in_haste.count + target.in_hand
    return Knowledge(**known)


def gather(memory: object) -> None:
    """Let every node that keeps its knowledge in *memory* hand on now what it has not learned from yet."""
    for node in _telling(memory):
        learn_the_rest(node)


def _telling(memory: object) -> list[FractalNode]:
    return [node for node in living_nodes() if node.settings.memory is memory]
