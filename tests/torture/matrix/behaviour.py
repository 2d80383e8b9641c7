"""The rows of the matrix: each a story that is played against any library, and a mutant of ours that must fail it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

GROUPS = (
    "breakers",
    "counting",
    "cancelling",
    "timeouts",
    "hedging",
    "sharing",
    "storms",
    "streams",
    "results",
    "shapes",
    "carrying",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """Name a way to break our library: the text *old*, which one file has, becomes *new* wherever that has it."""

    name: str
    old: str
    new: str
    hangs: bool = False  #: whether it can do nothing but hang: the story has failed when it takes too long


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Hold one row: what is promised, the story that finds out, and the mutant that breaks the promise."""

    group: str
    name: str
    promise: str
    story: Callable[[Any], Any]
    mutant: Mutant
    is_real: bool  #: whether it is played in real time against us, too: processes, locks, type checkers

    def play(self, peer: Any) -> None:
        """Play the story against *peer*; AssertionError when it breaks the promise, NotOffered when it makes none."""
        ended = self.story(peer)
        if inspect.iscoroutine(ended):
            asyncio.run(ended)


_rows: dict[str, Behaviour] = {}


def behaviour(mutant: str, old: str, new: str, *, real: bool = False, hangs: bool = False) -> Callable[[Any], Any]:
    """Make a story a row of the matrix; its docstring is the promise."""

    def enrol(story: Any) -> Any:
        group = story.__module__.rpartition(".")[2]
        promise = inspect.cleandoc(story.__doc__)
        row = Behaviour(group, story.__name__, promise, story, Mutant(mutant, old, new, hangs), real)
        assert _rows.setdefault(row.name, row) is row, f"two rows are named {row.name}"
        return story

    return enrol


def matrix() -> list[Behaviour]:
    """Return all rows, in the order of their groups."""
    for group in GROUPS:
        importlib.import_module(f"tests.torture.matrix.{group}")
    return sorted(_rows.values(), key=lambda row: GROUPS.index(row.group))
