"""Where a loop stands, as another process needs it to go on."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import Any

from unbreakable.loops.ledger import Fate, Stretch

MOST_RECENT = 8  # stretches of ticks whose reason is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Hold what is known of a loop as of one moment, ``wall``, in seconds since 1970.

    ``ticks`` says by what the loop has its ticks; tick number ``first`` of its ``epoch`` was, or is, at ``origin``.
    The ticks before ``seen`` have had their fate, but for those in the ranges ``waiting``, from a first number up to,
    and without, a last one, for ``at_work``, whose iteration is in progress, and those that go on ``beside`` each
    other.  ``number`` is that of the latest tick that was run; of ``most`` iterations ``left`` are still allowed, None:
    without end.  A loop that ``is_over`` has ended by itself or by somebody's wish.  ``state`` is the number of the
    latest state of it that is kept.
    """

    wall: float
    epoch: str
    ticks: list[Any]
    first: int
    origin: float
    seen: int
    number: int
    waiting: list[list[int]]
    at_work: int | None
    beside: list[int] = field(default_factory=list)
    most: int | None = None
    left: int | None
    paused: bool
    is_over: bool
    iteration: int
    counts: dict[str, int]
    recent: list[list[Any]]
    state: int

    def can_go_on(self, ticks: list[Any]) -> bool:
        """Return whether the loop goes on from here, when it has its ticks by *ticks*."""
        return not self.is_over and self.ticks == ticks and math.isfinite(self.origin)

    @property
    def interrupted(self) -> list[int]:
        """Return the ticks whose iterations were in progress."""
        return self.beside if self.at_work is None else [self.at_work, *self.beside]

    @property
    def text(self) -> str:
        """Return it as JSON."""
        return _encode({name: getattr(self, name) for name in NAMES})  # asdict copies it all, and took most of the time

    @property
    def fates(self) -> dict[Fate, int]:
        """Return how many ticks have ended in which way."""
        return {Fate(name): count for name, count in self.counts.items()}

    @property
    def stretches(self) -> list[Stretch]:
        """Return what is remembered of the latest ticks."""
        return [Stretch(epoch, first, last, Fate(fate), reason) for epoch, first, last, fate, reason in self.recent]


NAMES = tuple(field.name for field in fields(Checkpoint))
OPTIONAL: dict[str, Any] = {"most": None, "beside": []}  # what earlier versions did not write
_encode = json.JSONEncoder(separators=(",", ":")).encode


def checkpoint_from(text: str) -> Checkpoint:
    """Return what ``Checkpoint.text`` was made of; ValueError for anything else."""
    found = json.loads(text)
    if not isinstance(found, dict) or not {*NAMES} - OPTIONAL.keys() <= found.keys() <= {*NAMES}:
        raise ValueError("it is not a loop's record")
    checkpoint = Checkpoint(**{**OPTIONAL, **found})
    checkpoint.fates, checkpoint.stretches  # noqa: B018 - they are read
    return checkpoint


def ranges(numbers: Any) -> list[list[int]]:
    """Return ascending *numbers* as ranges, each from its first up to, and without, its last.

    >>> ranges([3, 4, 5, 9])
    [[3, 6], [9, 10]]
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1][1] = number + 1
        else:
            found.append([number, number + 1])
    return found
