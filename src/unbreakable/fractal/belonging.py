"""Who knows a node while it is in use: it leaves them when it is closed, and is back with whatever uses it next."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, Protocol

from unbreakable.fractal.targets import Targets
from unbreakable.runtime import new_lock
from unbreakable.runtime.chore import quietly
from unbreakable.stats import Counts

moving = new_lock()  # held while a node leaves or comes back, which is seldom, and by whoever adds up over nodes


class Circle(Protocol):
    """Know nodes that are in use, and how the calls of those ended that are not: a parent, a simulation, a system."""

    def left(self, node: Any, counts: Counts) -> None:
        """Let go of *node*, which was closed and whose calls ended as *counts* says."""

    def is_back(self, node: Any, counts: Counts) -> None:
        """Know *node* again, which is used again; with these *counts* it had left."""


class Belonging:
    """What is known to circles while it is in use, and held by them only then."""

    targets: Targets
    circles: tuple[Circle, ...] = ()
    left_with: Counts | None = None  #: how its calls had ended when it left; None while it is in use

    def belong_to(self, circle: Circle) -> None:
        """Be known to *circle* from now on, and be in use."""
        self.come_back()
        with moving:
            if circle not in self.circles:
                self.circles = (*self.circles, circle)

    def part_from(self, circle: Circle) -> None:
        """Be known to *circle* no more, also when used again."""
        with moving:
            self.circles = tuple(other for other in self.circles if other is not circle)

    def leave(self) -> None:
        """Let all circles let go of this node until it is used again.

        Its next call is played by the script, which begins with ``come_back``: the quick path asks nobody.
        """
        from unbreakable.fractal.survey import counts_of

        with moving:
            if self.left_with is None and self.circles:
                for target in self.targets.every():
                    target.sleep()
                self.left_with = counts = counts_of(self)
                for circle in self.circles:
                    circle.left(self, counts)

    def come_back(self) -> None:
        """Be known again, since it is used."""
        if self.left_with is None:
            return
        with moving:
            counts, self.left_with = self.left_with, None
            if counts is not None:
                for target in self.targets.every():
                    target.wake()
                for circle in self.circles:
                    circle.is_back(self, counts)

    def be_held_by(self, door: object) -> None:
        """Be closed once nobody holds *door*, by which people call this: they do not see that there is a node."""

        def let_go(_: object) -> None:
            if self.circles:  # else nobody knows it
                _unheld.append(self)

        self._door = weakref.ref(door, let_go)


# What is to be closed by whoever looks next: doors die at any moment, in the middle of anything.
_unheld: deque[Any] = deque()


def close_unheld() -> None:
    """Close the nodes that nobody can call any more."""
    while _unheld:
        quietly(_unheld.popleft().aclose_sync)
