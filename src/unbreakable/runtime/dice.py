"""Dice of our own: a program that seeds its dice does not seed ours, and a forked child does not throw its parent's."""

from __future__ import annotations

import os
import weakref
from _random import Random  # what ``random.Random`` is made of: to load all of that is a tenth of our import
from collections.abc import Callable


class Dice(Random):
    """Throw uniform numbers in [0, 1), from a seed of the system's."""


_all: weakref.WeakSet[Dice] = weakref.WeakSet()


def new_dice() -> Callable[[], float]:
    """Return a function that returns uniform numbers in [0, 1)."""
    dice = Dice()
    _all.add(dice)
    return dice.random


def _after_fork() -> None:
    for dice in list(_all):
        dice.seed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
