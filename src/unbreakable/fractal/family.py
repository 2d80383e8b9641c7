"""The children of a node: those in use, and how the calls of the others ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.belonging import Belonging, moving
from unbreakable.policies.check import refuse
from unbreakable.stats import Counts

MOST_CHILDREN = 1_000


class Family:
    """Know the children of *node*; one that is closed leaves, unless it is closed together with its parent."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self.children: list[Any] = []
        self._left_behind = Counts()
        self._earned = 0  #: successes of children that have left, for their parent's purse
        self._closings = 0

    def make_room(self) -> None:
        """Raise ConfigurationError if there are as many children in use as a node may have."""
        with moving:
            if len(self.children) < MOST_CHILDREN:
                return
            for child in [child for child in self.children if child.left_with is not None]:
                self._forget(child, child.left_with or Counts())
            if len(self.children) >= MOST_CHILDREN:
                raise ConfigurationError(f"{self._node.name} has {MOST_CHILDREN} children, the most a node may have")

    def add(self, child: Any) -> None:
        """Take *child* in; who makes one uses its parent."""
        self._node.come_back()
        with moving:
            self.children.append(child)
            child.belong_to(self)

    def drop(self, child: Any) -> None:
        """Let go of *child* for good; how its calls ended so far counts here all the same."""
        from unbreakable.fractal.survey import counts_of

        is_node = isinstance(child, Belonging)
        if not is_node:
            raise refuse(f"{self._node.name}: drop_child", "a node", child)
        with moving:
            if child in self.children:
                self._forget(child, counts_of(child))
            if self in child.circles:
                child.part_from(self)
                child.pay_with(None)

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Keep the children that are closed meanwhile: they are still looked at, as their parent is."""
        with moving:
            self._closings += 1
        try:
            yield
        finally:
            with moving:
                self._closings -= 1

    def left(self, child: Any, counts: Counts) -> None:
        """Let go of *child*, which was closed on its own."""
        if not self._closings and child in self.children:
            self._forget(child, counts)

    def is_back(self, child: Any, counts: Counts) -> None:
        """Know *child* again; who uses it uses its parent."""
        self._node.come_back()
        if child not in self.children:
            self._left_behind.take_back(counts)
            self._earned -= child.earned
            self.children.append(child)
            child.pay_with(self._node)

    def now(self) -> tuple[list[Any], Counts]:
        """Return the children, and how the calls of those ended that are not among them."""
        left = Counts()
        with moving:
            left.merge(self._left_behind)
            return list(self.children), left

    def successes(self) -> int:
        """Return how many calls of children succeeded that have no purse of their own."""
        return self._earned + sum(map(earned_by, list(self.children))) if self.children else self._earned

    def _forget(self, child: Any, counts: Counts) -> None:
        child.earned = earned_by(child)
        self._earned += child.earned
        self.children.remove(child)
        self._left_behind.merge(counts)


def earned_by(child: Any) -> int:
    """Return how many calls of *child* count for its parent's purse: none where it pays by itself."""
    return 0 if child.payer is child else int(child.successes())
